"""The report on a gradient study, as an HTML page and for the terminal."""

from __future__ import annotations

from pathlib import Path

from speech_lstm.files import atomic_path, write_json
from speech_lstm.insight.gradient_parts import parts_of
from speech_lstm.insight.gradient_study import Choice, Study, run_study
from speech_lstm.insight.sequences import FRAMES
from speech_lstm.insight.small_network import BATCH, HIDDEN, network_config
from speech_lstm.report.czech import Language
from speech_lstm.report.document import Document
from speech_lstm.report.tables import quantity
from speech_lstm.training.simple_loop import CLIP, LEARNING_RATE

PAGE, NUMBERS = "gradients.html", "gradients.json"


def write_study(choice: Choice, out: Path, language: Language = "en") -> Study:
    """Measure the chosen parts and write page, figures and numbers into `out`; `language` is that of the figures.

    Raises OutputError, before anything is measured, for a folder that cannot be written to, and the errors of
    `run_study`.
    """
    from speech_lstm.report.figure_language import in_language

    with atomic_path(out / PAGE) as temporary:
        study = run_study(choice)
        write_json(out / NUMBERS, study.to_dict())
        report = document(study)
        for section in report.sections:
            for figure in section.figures.values():
                in_language(figure, language)
        report.write_figures(out)
        temporary.write_text(report.html(out), encoding="utf-8")
    return study


def document(study: Study) -> Document:
    """The whole report."""
    choice, recordings = study.choice, study.recordings
    intro = (
        f"Cells: {', '.join(choice.cells)}. Words: {' and '.join(choice.words)}, from {choice.data}: "
        f"{recordings['training']:,} recordings for training, {recordings['scoring']:,} of other speakers for "
        f"scoring. Every number is in {NUMBERS}."
    )
    return Document("Gradients through time", intro, budget(choice), [part.section() for part in parts_of(study)])


def budget(choice: Choice) -> str:
    """The network and training that all cells have in common."""
    return (
        f"Every cell has the same budget: one layer of {HIDDEN} units in one direction, {FRAMES} log-mel frames a "
        f"second, Adam from a learning rate of {LEARNING_RATE:g} down to 0, batches of {BATCH}, gradients clipped to "
        f"{CLIP:g}, {choice.first_steps} steps for the shortest length and {choice.steps} for each longer one, "
        f"forget-gate bias {network_config('').forget_bias:g} at the start, {quantity(choice.seeds, 'seed')} in the "
        "memory task and seed 1 elsewhere. Gradients are measured in float64."
    )


def text(study: Study) -> str:
    """Tables and findings for the terminal."""
    return "\n\n".join(part.text() for part in parts_of(study))
