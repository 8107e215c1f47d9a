"""Compare cells by many trainings, with statistics."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from speech_lstm.commands.flags import add_plugin_flag, add_storage_flag, add_worker_flags, load_plugins, whole
from speech_lstm.errors import INTERRUPTED


def add_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    run_parser = actions.add_parser("run", help="begin a study, go on with it, or join in as a further worker")
    status = actions.add_parser("status", help="how far a study is")
    report = actions.add_parser("report", help="what a study has found: Markdown, HTML, figures, numbers")
    for one in (run_parser, status, report):
        one.add_argument("study", metavar="STUDY", help="quick, greff, jozefowicz, lecture, or a FILE.toml")
        add_storage_flag(one, "runs/studies/STUDY.sqlite")
    report.add_argument("--out", type=Path, help="folder of the report (runs/studies/STUDY)")
    add_worker_flags(run_parser, "study")
    run_parser.add_argument("--trials", type=whole, metavar="N", help="trials of each cell (the study file's)")
    run_parser.add_argument("--seeds", type=whole, metavar="N", help="seeds of each best one (the study file's)")
    add_plugin_flag(run_parser)


def run(arguments: argparse.Namespace) -> int:
    return {"run": work, "status": show, "report": tell}[arguments.action](arguments)


def work(arguments: argparse.Namespace) -> int:
    """Begin a study, go on with it or join in."""
    load_plugins(arguments)
    from speech_lstm.study import progress
    from speech_lstm.study.definition import read_study
    from speech_lstm.trials.recordings import prepared
    from speech_lstm.trials.slots import SlotSampler, check_networks, direction_of
    from speech_lstm.trials.storage import default_url, join_study, open_storage
    from speech_lstm.trials.worker import StudyWorker, worked

    definition = read_study(arguments.study)
    data = arguments.data or Path(definition.study.data)
    recordings, device = prepared(definition.base.corpus, data, arguments.device)
    trials, seeds = arguments.trials or definition.study.trials, arguments.seeds or definition.study.seeds
    check_networks(definition, trials, len(recordings.recordings.task.labels))
    storage = open_storage(arguments.storage or default_url(definition.name), arguments.heartbeat)
    study = join_study(storage, definition, recordings, direction_of(definition), SlotSampler(definition))
    worker = StudyWorker(study, recordings, device, {"trials": trials, "seeds": seeds}, definition)
    if not worked(worker):
        return INTERRUPTED
    print(progress.text(progress.progress_of(study)))
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Say how far a study is."""
    from speech_lstm.study.progress import progress_of, text
    from speech_lstm.trials.storage import connected

    with connected():
        print(text(progress_of(stored(arguments))))
    return 0


def tell(arguments: argparse.Namespace) -> int:
    """Write the report of a study, and print what was found."""
    from speech_lstm.report.document import PAGE
    from speech_lstm.study.report import write_report
    from speech_lstm.study.results import results_of
    from speech_lstm.trials.storage import connected

    with connected():
        results = results_of(stored(arguments))
    out = arguments.out or Path("runs/studies") / results.name
    print("\n".join(write_report(results, out)[0].findings))
    print(f"\nreport {out / PAGE}")
    return 0


def stored(arguments: argparse.Namespace) -> Any:
    """The study in its storage, to look at."""
    from speech_lstm.study.definition import find_study
    from speech_lstm.trials.storage import default_url, find_stored, open_storage

    name = find_study(arguments.study).stem
    return find_stored(open_storage(arguments.storage or default_url(name), make=False), name)
