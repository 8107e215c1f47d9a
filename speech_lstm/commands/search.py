"""Search for recurrent cells by mutation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from speech_lstm.commands.flags import add_storage_flag, add_worker_flags, whole
from speech_lstm.errors import INTERRUPTED

KIND = "search"


def add_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    run_parser = actions.add_parser("run", help="begin a search, go on with it, or join in as a further worker")
    status = actions.add_parser("status", help="how far a search is, and its best cells")
    report = actions.add_parser("report", help="what a search has found: Markdown, HTML, figures, numbers")
    export = actions.add_parser("export", help="write one of the best cells as a file for --plugin")
    for one in (run_parser, status, report, export):
        count = None if one is export else "?"
        one.add_argument("search", nargs=count, default="demo", metavar="SEARCH", help="demo, or a FILE.toml")
        add_storage_flag(one, "runs/searches/SEARCH.sqlite")
    add_worker_flags(run_parser, KIND)
    run_parser.add_argument("--candidates", type=whole, metavar="N", help="cells to try (the search file's)")
    report.add_argument("--out", type=Path, help="folder of the report (runs/searches/SEARCH)")
    export.add_argument("rank", type=whole, metavar="RANK", help="1 is the best candidate")
    export.add_argument("--out", type=Path, metavar="FILE.py", help="the file (CELL.py)")


def run(arguments: argparse.Namespace) -> int:
    actions = {"run": work, "status": show, "report": tell, "export": export}
    return actions[arguments.action](arguments)


def work(arguments: argparse.Namespace) -> int:
    """Begin a search, go on with it or join in."""
    from optuna.samplers import RandomSampler
    from optuna.study import StudyDirection

    from speech_lstm.search import progress
    from speech_lstm.search.definition import read_search
    from speech_lstm.search.worker import SearchWorker, check_networks
    from speech_lstm.trials.recordings import prepared
    from speech_lstm.trials.storage import default_url, join_study, open_storage
    from speech_lstm.trials.worker import worked

    definition = read_search(arguments.search)
    data = arguments.data or Path(definition.search.data)
    recordings, device = prepared(definition.base.corpus, data, arguments.device)
    check_networks(definition, len(recordings.recordings.task.labels))
    storage = open_storage(arguments.storage or default_url(definition.name, KIND), arguments.heartbeat, kind=KIND)
    study = join_study(storage, definition, recordings, StudyDirection.MAXIMIZE, RandomSampler())
    asked = {"candidates": arguments.candidates or definition.search.candidates}
    if not worked(SearchWorker(study, recordings, device, asked, definition)):
        return INTERRUPTED
    print(progress.text(progress.progress_of(study)))
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Say how far a search is."""
    from speech_lstm.search.progress import progress_of, text
    from speech_lstm.trials.storage import connected

    with connected():
        print(text(progress_of(stored(arguments))))
    return 0


def tell(arguments: argparse.Namespace) -> int:
    """Write the report of a search, and print what was found."""
    from speech_lstm.report.document import PAGE
    from speech_lstm.search.report import write_report
    from speech_lstm.search.results import results_of
    from speech_lstm.trials.storage import connected

    with connected():
        results = results_of(stored(arguments))
    out = arguments.out or Path("runs/searches") / results.name
    print("\n".join(write_report(results, out)[0].findings))
    print(f"\nreport {out / PAGE}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write one of the best cells as a Python file."""
    from speech_lstm.search.results import results_of, write_cell
    from speech_lstm.trials.storage import connected

    with connected():
        results = results_of(stored(arguments))
    path, cell = write_cell(results, arguments.rank, arguments.out)
    print(f"{path}: use it with --plugin {path} --cell {cell}")
    return 0


def stored(arguments: argparse.Namespace) -> Any:
    """The search in its storage, to look at."""
    from speech_lstm.search.definition import find_search
    from speech_lstm.trials.storage import default_url, find_stored, open_storage

    name = find_search(arguments.search).stem
    url = arguments.storage or default_url(name, KIND)
    return find_stored(open_storage(url, make=False, kind=KIND), name, KIND)
