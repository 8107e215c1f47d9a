"""The cell as a diagram for one unit and frame, with its numbers on the edges: SVG for print.

A drawing is a template (drawings.py). This module chooses it by the equation that the cell obeys and fills in the
numbers.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError
from speech_lstm.files import atomic_path
from speech_lstm.insight.contributions import Contributions, contributions
from speech_lstm.insight.drawings import Subject, generic, gru, lstm, unfolded
from speech_lstm.insight.inside import Floats, Inside, LayerTrace
from speech_lstm.insight.sheet import WIDTH
from speech_lstm.report.czech import Language, plot_in_czech

if TYPE_CHECKING:
    from speech_lstm.insight.summary import Summary
    from speech_lstm.model.torch_model import TorchModel

SVG = "http://www.w3.org/2000/svg"
NEAR = 1e-4  # tolerance of a drawing's equation, as a share of the largest recorded value
THINNEST, THICKEST = 1.2, 6.0  # of lines, for 0 and for 1 or more
FACTOR = re.compile(r"(1-|tanh )?(.+?)(@[+-]1)?")  # of a formula; web/site/numbers.js has the same


@dataclass(frozen=True)
class Numbers:
    """The numbers that a diagram's formulas name: of one trace and the parts of its gates, at one unit and frame."""

    trace: LayerTrace
    parts: Contributions
    unit: int
    frame: int

    def at(self, name: str, steps: int) -> float | None:
        """The number of a name, `steps` steps later in the order of reading; None if there is none.

        A name is a value of the trace, `gate.part`, or `gate.Σ` for the sum of all parts. Before the first step the
        state is 0.
        """
        frame = self.frame + (steps if self.trace.direction == "forward" else -steps)
        array = self.array(name)
        if array is None or self.unit >= array.shape[1]:
            return None
        if not 0 <= frame < len(array):
            return 0.0 if steps < 0 and name in self.trace.state else None
        return float(array[frame, self.unit])

    def array(self, name: str) -> NDArray[Any] | None:
        """The numbers of a name for all frames and units."""
        gate, dot, part = name.rpartition(".")
        if not dot:
            return self.trace.values.get(name)
        parts = self.parts.get(gate, {})
        return sum_of(parts) if part == "Σ" and parts else parts.get(part)


def sum_of(parts: dict[str, Floats]) -> NDArray[np.float64]:
    """The sum of the parts of a gate, in float64 to hide the rounding."""
    return np.sum([part.astype(np.float64) for part in parts.values()], 0)


def evaluate(formula: str, at: Callable[[str, int], float | None]) -> float | None:
    """The value of a drawing's formula, a product of names such as `f*c@-1`; None if one of them has no number.

    `1-` before a name subtracts it from 1, `tanh ` takes its hyperbolic tangent, and `@-1` or `@+1` after it means
    the step before or after. web/site/numbers.js evaluates the same formulas.
    """
    product = 1.0
    for factor in formula.split("*"):
        match = FACTOR.fullmatch(factor)
        assert match is not None
        before, name, step = match.groups()
        value = at(name, int(step[1:]) if step else 0)
        if value is None:
            return None
        product *= 1 - value if before == "1-" else float(np.tanh(value)) if before else value
    return product


def format_number(value: float | None, form: str) -> str:
    """A number in the form signed, share or percent, as the diagram shows it."""
    if value is None:
        return "–"
    if form == "percent":
        return f"{100 * value:.0f} %"
    digits = 3 if abs(value) < 10 else 2
    text = f"{value:.{digits}f}" if form == "share" else f"{value:+.{digits}f}"
    return text.replace("-", "−")


def template(trace: LayerTrace, parts: Contributions) -> str:
    """The diagram of the trace's cell without numbers.

    A cell whose recorded values obey the equation of an LSTM, a GRU or a plain network is drawn as such, whatever its
    name; any other cell as boxes.
    """
    subject = subject_of(trace, parts)
    values, names = trace.values, set(trace.internals)
    if names == {"i", "f", "o", "z"} and trace.state[:2] == ("h", "c"):
        i, f, o, z, c = (values[name] for name in "ifozc")
        if near(f * before(trace, "c") + i * z, c):
            for squash in (True, False):
                if near(o * (np.tanh(c) if squash else c), values["h"]):
                    return lstm(subject, squash, coupled="f" not in parts and near(1 - i, f))
    if names in ({"z", "n"}, {"r", "z", "n"}) and trace.state == ("h",):
        old, z, n = before(trace, "h"), values["z"], values["n"]
        for keeps, share in (("z", z), ("1-z", 1 - z)):
            if near(share * old + (1 - share) * n, values["h"]):
                # r cannot act on the input of a matrix that also computes r: it acts after the product.
                shared = set(parts.get("r", ())) & set(parts.get("n", ())) - {"x", "bias"}
                return gru(subject, keeps, bool(shared))
    if not names and trace.state == ("h",) and "h" in parts:
        return unfolded(subject)
    return generic(subject)


def subject_of(trace: LayerTrace, parts: Contributions) -> Subject:
    """The facts of a trace that a drawing needs: the parts of each gate's sum, and the activation of the sum."""
    return Subject(
        trace,
        {gate: tuple(terms) for gate, terms in parts.items()},
        {gate: activation(sum_of(terms), trace[gate]) for gate, terms in parts.items()},
    )


Function = Callable[[NDArray[Any]], NDArray[Any]]
ACTIVATIONS: dict[str, Function] = {
    "σ": lambda x: 0.5 + 0.5 * np.tanh(x / 2),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


def activation(total: NDArray[np.float64], values: Floats) -> str:
    """The name of the function that maps this sum to these values; empty if it is none of ACTIVATIONS."""
    return next((name for name, function in ACTIVATIONS.items() if near(function(total), values)), "")


def before(trace: LayerTrace, name: str) -> Floats:
    """A part of the state before each step: [frames, units], 0 before the first."""
    values = trace[name] if trace.direction == "forward" else trace[name][::-1]
    old = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
    return old if trace.direction == "forward" else old[::-1]


def near(computed: NDArray[Any], recorded: Floats) -> bool:
    """Whether the values of an equation are those recorded."""
    return computed.shape == recorded.shape and bool(
        np.abs(computed - recorded).max() <= NEAR * (np.abs(recorded).max() + 1)
    )


def fill(svg: str, numbers: Numbers) -> ElementTree.Element:
    """A drawing with its numbers filled in."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        if (formula := element.get("data-text")) is not None:
            element.text = format_number(evaluate(formula, numbers.at), element.get("data-form", ""))
        if (formula := element.get("data-weight")) is not None:
            size = min(abs(evaluate(formula, numbers.at) or 0.0), 1.0)
            element.set("style", f"stroke-width:{THINNEST + (THICKEST - THINNEST) * size:.2f}")
        if (formula := element.get("data-bar")) is not None:
            value = min(max(evaluate(formula, numbers.at) or 0.0, -1.0), 1.0)
            start, span = float(element.get("data-from", 0)), float(element.get("data-span", 0))
            element.set("x", f"{start + min(value, 0) * span:.2f}")
            element.set("width", f"{abs(value) * span:.2f}")
    return root


def write_diagram(
    model: TorchModel,
    name: str,
    summary: Summary,
    path: str | os.PathLike[str],
    unit: int | None = None,
    time: float | None = None,
    language: Language = "en",
) -> tuple[int, float]:
    """Write the diagram of one unit at one moment as SVG; returns the unit and the time of its frame, in seconds.

    `name` is that of the recording, `time` in seconds from its beginning. The default unit is the one that the
    answer needs most, the default time that of its largest output. Raises ConfigError for a unit or a time that does
    not exist, and OutputError if the file cannot be written.
    """
    inside, trace = summary.inside, summary.trace
    output = trace[trace.state[0]]
    if unit is None:
        unit = summary.most_needed
    if not 0 <= unit < output.shape[1]:
        raise ConfigError(f"there is no unit {unit}; layer {trace.layer} has units 0 to {output.shape[1] - 1}")
    frame = int(np.abs(output[:, unit]).argmax()) if time is None else frame_at(inside, time)
    parts = contributions(model, inside, trace)
    root = fill(template(trace, parts), Numbers(trace, parts, unit, frame))
    moment = float(inside.times[frame])
    caption(
        root,
        f"{trace.cell.title}, layer {trace.layer} {trace.direction}, unit {unit}",
        f"{name}, frame {frame} at {moment:.2f} s · answer {inside.answer.label} "
        f"{100 * inside.answer.probability:.1f} %",
    )
    if language == "cs":
        root.set("aria-label", plot_in_czech(root.get("aria-label", "")))
        for text in root.iter(f"{{{SVG}}}text"):
            text.text = plot_in_czech(text.text or "")
    with atomic_path(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    return unit, moment


def frame_at(inside: Inside, time: float) -> int:
    """The frame whose middle is nearest to a time in seconds from the recording's beginning; raises ConfigError."""
    end = inside.start + len(inside.waveform) / SAMPLE_RATE
    if not inside.start <= time <= end:
        raise ConfigError(f"{time:g} s is outside the part that was analysed, {inside.start:.2f} to {end:.2f} s")
    return int(np.abs(inside.times - time).argmin())


def caption(root: ElementTree.Element, *lines: str) -> None:
    """Add lines of text above a drawing, on white."""
    _, _, _, height = root.get("viewBox", "").split()
    above = 26 * len(lines) + 14
    root.set("viewBox", f"0 {-above} {WIDTH} {int(height) + above}")
    root.set("width", f"{WIDTH}")
    root.set("height", f"{int(height) + above}")
    for i, line in enumerate(lines):
        text = ElementTree.SubElement(root, f"{{{SVG}}}text", x=str(WIDTH // 2), y=str(26 * (i + 1) - above))
        text.set("class", "symbol" if i else "name")
        text.text = line
    paper = ElementTree.Element(f"{{{SVG}}}rect", x="0", y=str(-above), width=str(WIDTH))
    paper.set("height", str(int(height) + above))
    paper.set("style", "fill:#fff")
    root.insert(1, paper)
