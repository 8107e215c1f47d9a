"""Compare cells by many trainings, with statistics."""

from __future__ import annotations

import argparse

from speech_lstm.commands.flags import add_plugin_flag, load_plugins, whole
from speech_lstm.commands.trials_command import add_actions, read_stored, report_results, run_trials

EXAMPLE = "study run quick"


def add_flags(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    names = "quick, greff, jozefowicz, lecture, or a FILE.toml"
    run_parser = add_actions(actions, "study", "runs/studies", names)
    run_parser.add_argument("--trials", type=whole, metavar="N", help="trials of each cell (the study file's)")
    run_parser.add_argument(
        "--repeats",
        type=whole,
        metavar="N",
        help="further trainings of each cell's best configuration (the study file's)",
    )
    add_plugin_flag(run_parser)


def run(arguments: argparse.Namespace) -> int:
    return {"run": run_study, "status": show_status, "report": write_study_report}[arguments.action](arguments)


def run_study(arguments: argparse.Namespace) -> int:
    """Begin a study, continue it or join it."""
    load_plugins(arguments)
    from speech_lstm.study.definition import StudyDefinition
    from speech_lstm.study.progress import progress_text
    from speech_lstm.study.worker import StudyWorker

    return run_trials(arguments, StudyDefinition.read(arguments.name), StudyWorker, progress_text)


def show_status(arguments: argparse.Namespace) -> int:
    """Print the progress of a study."""
    from speech_lstm.study.definition import StudyDefinition
    from speech_lstm.study.progress import progress_text

    print(read_stored(arguments, StudyDefinition, progress_text))
    return 0


def write_study_report(arguments: argparse.Namespace) -> int:
    """Write the report of a study and print its findings."""
    from speech_lstm.study.definition import StudyDefinition
    from speech_lstm.study.report import write_report
    from speech_lstm.study.results import results_of

    results = read_stored(arguments, StudyDefinition, results_of)
    return report_results(arguments, StudyDefinition, results, write_report)
