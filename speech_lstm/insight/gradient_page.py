"""The gradient study as one HTML page that needs nothing else, and as text for the terminal."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from string import Template

from speech_lstm.insight.gradient_findings import Rows, findings, rule, tables
from speech_lstm.insight.gradient_study import Choice, Study
from speech_lstm.insight.memory_task import FIRST
from speech_lstm.insight.sequences import FRAMES
from speech_lstm.insight.small_network import BATCH, CLIP, HIDDEN, LEARNING_RATE, LOOKED_INTO, network_config
from speech_lstm.training.report import aligned

TEMPLATE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gradients through time</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
img { max-width: 100%; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.found { background: #f2f6fa; padding: .6rem 1rem .6rem 2rem; border-left: 4px solid #0072b2; }
.wide { overflow-x: auto; } footer { color: #555; font-size: 90%; margin-top: 3rem; }
</style>
</head>
<body>
<h1>Gradients through time</h1>
<p>$intro</p>
$sections
<footer>$footer</footer>
</body>
</html>
""")

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
        encoded = base64.b64encode(path.read_bytes()).decode()
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in told[name])
        table = html_table(shown[name]) if name in shown else ""
        note = f"<p>{escape(rule(study))}</p>" if name == "memory" else ""
        sections.append(
            f"<h2>{HEADINGS[name]}</h2>\n<p>{escape(EXPLAINED[name])}</p>\n"
            f'<img alt="{HEADINGS[name]}" src="data:image/png;base64,{encoded}">\n'
            f'<ul class="found">{items}</ul>\n{table}{note}'
        )
    intro = (
        f"Cells: {', '.join(choice.cells)}. Words: {' and '.join(choice.words)}, from {choice.data}: "
        f"{study.recordings['training']:,} recordings to learn from, {study.recordings['scoring']:,} of other "
        "speakers to look at. Every number is in gradients.json."
    )
    return TEMPLATE.substitute(intro=escape(intro), sections="\n".join(sections), footer=escape(budget(choice)))


def budget(choice: Choice) -> str:
    """What every cell is given."""
    bias, seeds = network_config("").forget_bias, f"{choice.seeds} seed{'s' * (choice.seeds > 1)}"
    return (
        f"Every cell has the same budget: one layer of {HIDDEN} units in one direction, {FRAMES} log-mel frames a "
        f"second, Adam from a learning rate of {LEARNING_RATE:g} down to 0, batches of {BATCH}, gradients clipped to "
        f"{CLIP:g}, {FIRST * choice.steps} steps for the shortest length and {choice.steps} for each longer one, "
        f"forget-gate bias {bias:g} at the start, {seeds} in the memory task and seed 1 elsewhere. Gradients are "
        "measured in float64."
    )


def html_table(rows: Rows) -> str:
    """Rows of text, the first one the head, as a table."""
    head, *body = ("".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) for kind, row in kinds(rows))
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in body)}</table></div>\n'


def kinds(rows: Rows) -> list[tuple[str, list[str]]]:
    return [("td" if i else "th", row) for i, row in enumerate(rows)]


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
