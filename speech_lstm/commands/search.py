"""Search for recurrent cells by mutation."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import add_storage_flag, whole
from speech_lstm.commands.trials_command import add_actions, read_stored, report_results, run_trials
from speech_lstm.errors import printable

FOLDER = "runs/searches"
EXAMPLE = "search run demo"


def add_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    names = "demo, or a FILE.toml"
    run_parser = add_actions(actions, "search", FOLDER, names, default="demo")
    run_parser.add_argument("--candidates", type=whole, metavar="N", help="cells to try (the search file's)")
    export = actions.add_parser("export", help="write one of the best cells as a file for --plugin")
    export.add_argument("name", metavar="SEARCH", help=names)
    add_storage_flag(export, f"{FOLDER}/SEARCH.sqlite")
    export.add_argument("rank", type=whole, metavar="RANK", help="1 is the best candidate so far")
    export.add_argument("--out", type=Path, metavar="FILE.py", help="the file (CELL.py)")


def run(arguments: argparse.Namespace) -> int:
    actions = {"run": run_search, "status": show_status, "report": write_search_report, "export": export}
    return actions[arguments.action](arguments)


def run_search(arguments: argparse.Namespace) -> int:
    """Begin a search, continue it or join it."""
    from speech_lstm.search.definition import SearchDefinition
    from speech_lstm.search.progress import progress_text
    from speech_lstm.search.worker import SearchWorker

    return run_trials(arguments, SearchDefinition.read(arguments.name), SearchWorker, progress_text)


def show_status(arguments: argparse.Namespace) -> int:
    """Print the progress of a search."""
    from speech_lstm.search.definition import SearchDefinition
    from speech_lstm.search.progress import progress_text

    print(read_stored(arguments, SearchDefinition, progress_text))
    return 0


def write_search_report(arguments: argparse.Namespace) -> int:
    """Write the report of a search and print its findings."""
    from speech_lstm.search.definition import SearchDefinition
    from speech_lstm.search.report import write_report
    from speech_lstm.search.results import results_of

    results = read_stored(arguments, SearchDefinition, results_of)
    return report_results(arguments, SearchDefinition, results, write_report)


def export(arguments: argparse.Namespace) -> int:
    """Write one of the best cells as a Python file."""
    from speech_lstm.search.definition import SearchDefinition
    from speech_lstm.search.results import results_of, write_cell

    path, cell = write_cell(read_stored(arguments, SearchDefinition, results_of), arguments.rank, arguments.out)
    shown = printable(path)
    print(f"{shown}: use it with --plugin {shown} --cell {cell}")
    return 0
