"""The gradient study as one HTML page that needs nothing else, and as text for the terminal."""

from __future__ import annotations

from html import escape
from pathlib import Path

from speech_lstm.insight.gradient_findings import findings, rule, tables
from speech_lstm.insight.gradient_study import Choice, Study
from speech_lstm.insight.memory_task import FIRST
from speech_lstm.insight.sequences import FRAMES
from speech_lstm.insight.small_network import BATCH, HIDDEN, LOOKED_INTO, network_config
from speech_lstm.report.document import document, html_table, picture
from speech_lstm.report.tables import aligned, counted
from speech_lstm.training.simple_loop import CLIP, LEARNING_RATE

HEADINGS = {
    "flow": "The gradient on its way back",
    "scalar": "A weight to the power of the steps",
    "matrix": "Singular values above 1, and clipping",
    "memory": "A word, and then noise",
}
EXPLAINED = {
    "flow": (
        "Recordings of the two words are chained, and the network says which of the two came last. The curves "
        "are the norm of ∂loss/∂h_t at a distance T − t from the last frame, as a share of what it is at the "
        f"last frame T: the median of {LOOKED_INTO} sequences. Where a curve has fallen below a thousandth "
        "(dotted), hardly anything is learnt from what was heard there. The lower row shows what is left at "
        "the first frame of ever longer sequences; what leaves a figure at the bottom is smaller than 10⁻¹⁶. "
        "The table says how far back a thousandth reaches."
    ),
    "scalar": (
        "The gradient goes back through a single linear unit as a power of its recurrent weight: it vanishes "
        "for w < 1, explodes for w > 1, and only w = 1 keeps it. An LSTM's memory has a forget gate in the "
        "weight's place. It can't exceed 1, so that the gradient along the memory can't explode, and the "
        "network learns when it is to be near 1."
    ),
    "matrix": (
        "With a matrix, its largest singular value σ takes the place of w: below 1 the gradient must vanish, "
        "above 1 it can explode (dotted: σ to the power of the distance; solid: what the slope of tanh leaves "
        "of it). The other two figures show a training by plain gradient descent that starts with an "
        "exploding matrix. One huge step can push tanh where it is flat and little is learnt from then on; "
        "clipping shortens the step and keeps its direction."
    ),
    "memory": (
        "Each network hears one of two words and then noise, and answers at the end. It learns the shortest "
        "recordings first and goes on with each longer length; what is scored are words of other speakers. "
        "Dots are seeds, lines their means, the bars reach from the worst seed to the best. On the right, the "
        "gradient of the trained networks, one curve a seed, on its way back through the longest recordings: "
        "it has to reach the word."
    ),
}


def page(study: Study, images: dict[str, Path]) -> str:
    """The whole page; `images` are PNG files by the names of the figures."""
    choice, told, shown = study.choice, findings(study), tables(study)
    sections = []
    for name, path in images.items():
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in told[name])
        table = html_table(shown[name]) if name in shown else ""
        note = f"<p>{escape(rule(study))}</p>" if name == "memory" else ""
        sections.append(
            f"<h2>{HEADINGS[name]}</h2>\n<p>{escape(EXPLAINED[name])}</p>\n"
            f"{picture(path, HEADINGS[name])}\n"
            f'<ul class="found">{items}</ul>\n{table}{note}'
        )
    intro = (
        f"Cells: {', '.join(choice.cells)}. Words: {' and '.join(choice.words)}, from {choice.data}: "
        f"{study.recordings['training']:,} recordings to learn from, {study.recordings['scoring']:,} of other "
        "speakers to look at. Every number is in gradients.json."
    )
    return document("Gradients through time", intro, "\n".join(sections), budget(choice))


def budget(choice: Choice) -> str:
    """What every cell is given."""
    bias, seeds = network_config("").forget_bias, counted(choice.seeds, "seed")
    return (
        f"Every cell has the same budget: one layer of {HIDDEN} units in one direction, {FRAMES} log-mel frames a "
        f"second, Adam from a learning rate of {LEARNING_RATE:g} down to 0, batches of {BATCH}, gradients clipped to "
        f"{CLIP:g}, {FIRST * choice.steps} steps for the shortest length and {choice.steps} for each longer one, "
        f"forget-gate bias {bias:g} at the start, {seeds} in the memory task and seed 1 elsewhere. Gradients are "
        "measured in float64."
    )


def text(study: Study) -> str:
    """Tables and findings for the terminal."""
    titles = {
        "flow": "how far back a thousandth of the gradient reaches",
        "memory": "accuracy: mean (worst–best seed)",
    }
    parts = []
    shown = tables(study)
    for name, sentences in findings(study).items():
        lines = [titles.get(name, HEADINGS[name])]
        if name in shown:
            lines += aligned(shown[name], "l" + "r" * (len(shown[name][0]) - 1))
        parts.append([*lines, *sentences, *([rule(study)] if name == "memory" else [])])
    return "\n\n".join("\n".join(lines) for lines in parts)
