"""Score a model on a split of a corpus."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import add_model_argument, add_plugin_flag, add_words_flag, load_plugins

if TYPE_CHECKING:
    from speech_lstm.training.scoring import Assessment

EXAMPLE = "evaluate runs/first/best.safetensors --data DIR"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    add_words_flag(parser)
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="the corpus")
    parser.add_argument(
        "--split",
        default="testing",
        choices=("training", "validation", "testing"),
        help="the recordings to score (%(default)s)",
    )
    parser.add_argument(
        "--details", action="store_true", help="compare all scores that can reject unknown words, not only one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write the figures to this folder")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--strict", action="store_true", help="stop at the first damaged recording")
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.errors import print_note, printable
    from speech_lstm.files import write_json
    from speech_lstm.model.bundled import find_model
    from speech_lstm.model.checkpoint import load_model
    from speech_lstm.training.hardware import choose_device
    from speech_lstm.training.report import assessment_table
    from speech_lstm.training.scoring import assess_model

    device = choose_device(arguments.device)
    model = load_model(find_model(arguments.model, ".safetensors"), device)
    assessment = assess_model(model, arguments.data, arguments.split, device, arguments.strict, words=arguments.words)
    for note in assessment.notes:
        print_note(note)
    print(assessment_table(assessment, arguments.details))
    if arguments.json:
        write_json(arguments.json, assessment.to_dict())
        print(f"\nnumbers in {printable(arguments.json)}")
    if arguments.plots:
        paths = draw(assessment, arguments.plots, arguments.details)
        print(f"\npictures {', '.join(map(printable, paths))}")
    return 0


def draw(assessment: Assessment, folder: Path, details: bool) -> list[Path]:
    """Write the figures; returns their paths."""
    from speech_lstm.report.plotting import save_figure
    from speech_lstm.training.figures import confusion_figure, recall_figure
    from speech_lstm.training.reliability_figures import open_set_figure, reliability_figure

    figures = {
        "confusion.png": confusion_figure(assessment.evaluation),
        "labels.png": recall_figure(assessment.evaluation),
        "calibration.png": reliability_figure(assessment.reliability),
    }
    if assessment.open_sets:
        figures["open_set.png"] = open_set_figure(assessment.open_sets, details)
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return [folder / name for name in figures]
