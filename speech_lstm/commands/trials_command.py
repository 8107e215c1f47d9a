"""The actions that `study` and `search` have in common: run, status and report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_lstm.commands.flags import add_storage_flag, add_worker_flags
from speech_lstm.errors import INTERRUPTED, printable

if TYPE_CHECKING:
    import optuna

    from speech_lstm.report.document import Section
    from speech_lstm.trials.definition import Definition
    from speech_lstm.trials.worker import Worker


def add_actions(
    actions: Any, kind: str, folder: str, names: str, default: str | None = None
) -> argparse.ArgumentParser:
    """Add the parsers of the common actions to argparse's sub-parsers; returns that of `run`.

    `names` describes the argument that names a definition, `default` is its value where it is optional.
    """
    helps = {
        "run": f"begin a {kind}, continue it, or join it as a further worker",
        "status": f"show the progress of a {kind}",
        "report": f"write the report of a {kind}: Markdown, HTML, figures, numbers",
    }
    optional: dict[str, Any] = {"nargs": "?", "default": default} if default else {}
    parsers = {action: actions.add_parser(action, help=text) for action, text in helps.items()}
    for parser in parsers.values():
        parser.add_argument("name", metavar=kind.upper(), help=names, **optional)
        add_storage_flag(parser, f"{folder}/{kind.upper()}.sqlite")
    parsers["report"].add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder of the report ({folder}/{kind.upper()})"
    )
    add_worker_flags(parsers["run"], kind)
    return parsers["run"]


def run_trials(
    arguments: argparse.Namespace,
    definition: Definition,
    worker_type: type[Worker],
    progress_text: Callable[[optuna.Study], str],
) -> int:
    """Run a worker until there is nothing left to do, then print the progress."""
    from speech_lstm.trials.recordings import prepare
    from speech_lstm.trials.storage import join_study, open_storage
    from speech_lstm.trials.worker import run_worker

    recordings, device = prepare(definition.base.corpus, arguments.data or definition.data, arguments.device)
    target = {name: getattr(arguments, name) or count for name, count in definition.counts.items()}
    definition.check_networks(target, len(recordings.task.labels))
    storage = open_storage(arguments.storage or definition.default_url(definition.name), arguments.heartbeat)
    study = join_study(storage, definition, recordings)
    if not run_worker(worker_type(study, recordings, device, target, definition)):
        return INTERRUPTED
    print(progress_text(study))
    return 0


def read_stored(arguments: argparse.Namespace, kind: type[Definition], read: Callable[[optuna.Study], Any]) -> Any:
    """What `read` reads from the storage of the study or search that the arguments name."""
    from speech_lstm.trials.storage import connected, find_stored

    with connected():
        return read(find_stored(kind, kind.find(arguments.name).stem, arguments.storage))


def report_results(
    arguments: argparse.Namespace,
    kind: type[Definition],
    results: Any,
    write: Callable[[Any, Path], list[Section]],
) -> int:
    """Write the report of a study or search and print its findings."""
    from speech_lstm.report.document import PAGE

    out = arguments.out or kind.folder() / results.name
    print("\n".join(write(results, out)[0].findings))
    print(f"\nreport {printable(out / PAGE)}")
    return 0
