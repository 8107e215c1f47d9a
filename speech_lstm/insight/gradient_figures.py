"""The figures of the gradient study, for a slide or a paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from speech_lstm.insight.gradient_study import Choice, FlowResult, MatrixResult, MemoryResult, ScalarResult
from speech_lstm.insight.gradients import FAINT
from speech_lstm.insight.memory_task import KNOWN, chance_limit
from speech_lstm.insight.recurrent_weight import CLIP, EXPLODING, STEPS
from speech_lstm.insight.sequences import FRAMES
from speech_lstm.report.plotting import BLACK, BLUE, GREEN, GREY, GRID, ORANGE, PURPLE, SKY_BLUE, VERMILION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours; dashes and markers differ too, for print without colour.
COLOURS = (VERMILION, ORANGE, GREEN, BLUE, PURPLE, BLACK, SKY_BLUE, GREY)
DASHES = ("-", (0, (5, 1.5)), (0, (3, 1, 1, 1)), "-", (0, (1, 1)), "-", (0, (5, 1.5)), (0, (3, 1, 1, 1)))
MARKERS = "osD^vPX*"
FLOOR, CEILING = 1e-16, 1e16  # the shares of a gradient at which the figures end


def flow_figure(choice: Choice, result: FlowResult) -> Figure:
    """Above, the gradient against the distance in the longest chains; below, the share that reaches the first frame
    of each length. Untrained on the left, trained on the right."""
    figure, axes = grid(2, 2, 11, 8.2)
    styles = styles_of(choice.cells)
    longest = choice.seconds[-1]
    largest = max(max(passage.hidden.median) for passage in result.passages)
    for column, trained in enumerate((False, True)):
        curve, ends = axes[0][column], axes[1][column]
        for cell, style in styles.items():
            passages = result.of_cell(cell, trained)
            curve.plot(*by_seconds(passages[-1].hidden.median), **line(style), label=cell)
            ends.plot(choice.seconds, [visible(p.hidden.median[-1]) for p in passages], **style, linewidth=2)
        shares(curve, longest, largest)
        curve.set_title("trained on single words" if trained else "untrained", fontsize=13)
        shares(ends, longest, largest)
        seconds_axis(ends, choice.seconds)
        ends.set_xlabel("length of the sequence, s", fontsize=12)
    axes[0][0].set_ylabel("share of the gradient that is left", fontsize=12)
    axes[1][0].set_ylabel("share that reaches the first frame", fontsize=12)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    figure.suptitle("The gradient on its way back through recordings", fontsize=15, fontweight="bold")
    return figure


def scalar_figure(result: ScalarResult) -> Figure:
    """The powers of a recurrent weight, and of a forget gate in its place."""
    figure, ((left, right),) = grid(1, 2, 11, 4.6)
    for axes, curves, name in (
        (left, result.powers, lambda w: f"w = {w:g}"),
        (right, result.gate_powers, lambda bias: f"f = σ({bias:g}) = {1 / (1 + math.exp(-bias)):.3f}"),
    ):
        for (value, curve), style in zip(curves.items(), styles_of(list(map(str, curves))).values(), strict=True):
            axes.plot(range(len(curve)), curve, **line(style), label=name(value))
        axes.set_yscale("log")
        axes.set_ylim(1e-8, 1e6)
        axes.set_xlim(0, STEPS)
        axes.set_xlabel("distance T − t, steps", fontsize=12)
        axes.legend(frameon=False, fontsize=11, loc="upper left")
        decorate(axes)
    left.set_ylabel(r"$\partial h_T\,/\,\partial h_t$", fontsize=14)
    right.set_ylabel(r"$\partial c_T\,/\,\partial c_t$", fontsize=14)
    left.set_title("one recurrent weight: h = w h⁻ + x", fontsize=13)
    right.set_title("a forget gate: c = f c⁻ + i z", fontsize=13)
    figure.suptitle("A weight to the power of the steps", fontsize=15, fontweight="bold")
    return figure


def matrix_figure(result: MatrixResult) -> Figure:
    """The same with a matrix: the gradient for several singular values, and training with and without clipping."""
    figure, ((spectra, norms, losses),) = grid(1, 3, 14, 4.8)
    styles = styles_of([f"{s.gain:g}" for s in result.spectra])
    for spectrum, style in zip(result.spectra, styles.values(), strict=True):
        seconds, shares_left = by_seconds(spectrum.flow.median)
        spectra.plot(seconds, shares_left, **line(style), label=f"σ = {spectrum.gain:g}")
        bound = [spectrum.gain**distance for distance in range(len(seconds))]
        spectra.plot(seconds, bound, color=style["color"], linestyle=":", linewidth=1.2)
    spectra.plot([], [], color=GREY, linestyle=":", linewidth=1.2, label="σ to the power T − t")
    spectra.set_yscale("log")
    spectra.set_ylim(1e-12, 1e6)
    spectra.set_xlim(0, seconds[-1])
    spectra.set_xlabel("distance from the last frame, s", fontsize=12)
    spectra.set_title("share of the gradient that is left,\nall singular values of U equal to σ", fontsize=12)
    spectra.legend(frameon=False, fontsize=10, loc="lower left")
    for descent, colour, dash in zip(result.descents, (VERMILION, BLUE), ("-", (0, (5, 1.5))), strict=True):
        name = "without clipping" if descent.clip is None else f"clipped to {descent.clip:g}"
        steps = range(1, len(descent.learning.norms) + 1)
        norms.plot(steps, descent.learning.norms, color=colour, linestyle=dash, linewidth=1.8, label=name)
        losses.plot(steps, smooth(descent.learning.losses), color=colour, linestyle=dash, linewidth=2, label=name)
    norms.axhline(CLIP, color="black", linewidth=1, linestyle=":", label="highest norm with clipping")
    norms.set_yscale("log")
    norms.set_title(
        f"norm of the whole gradient before clipping,\nplain RNN started with σ = {EXPLODING:g}", fontsize=12
    )
    losses.axhline(math.log(2), color="black", linewidth=1, linestyle=":")
    losses.text(len(steps), math.log(2), "guessing ", ha="right", va="bottom", fontsize=10)
    losses.set_title("loss of the same trainings, nats\n(mean of ten steps)", fontsize=12)
    for axes in (norms, losses):
        axes.set_xlabel("step of training", fontsize=12)
        axes.legend(frameon=False, fontsize=11)
    for axes in (spectra, norms, losses):
        decorate(axes)
    figure.suptitle("Singular values above 1, and clipping", fontsize=15, fontweight="bold")
    return figure


def memory_figure(choice: Choice, result: MemoryResult, recordings: int) -> Figure:
    """Accuracy against the length, every seed a dot, and the gradient through the longest sequences.

    `recordings` is the number of recordings that are scored.
    """
    figure, ((accuracy, flow),) = grid(1, 2, 12.5, 5.4)
    seconds, longest = choice.seconds, choice.seconds[-1]
    middle = (len(choice.cells) - 1) / 2
    for i, (cell, style) in enumerate(styles_of(choice.cells).items()):
        scores = [[100 * accuracy for accuracy in row] for row in result.accuracies(cell)]
        places = [length * 1.025 ** (i - middle) for length in seconds]  # side by side, or they hide each other
        accuracy.plot(places, [sum(row) / len(row) for row in scores], **style, linewidth=2, label=cell)
        for place, row in zip(places, scores, strict=True):
            accuracy.plot([place] * len(row), row, ".", color=style["color"], markersize=5)
            accuracy.plot([place, place], [min(row), max(row)], color=style["color"], linewidth=1)
        for run in result.of_cell(cell):
            flow.plot(*by_seconds(run.hidden.median), color=style["color"], linestyle=style["linestyle"], lw=1.3)
    accuracy.axhspan(0, 100 * chance_limit(recordings), color="#EEEEEE", zorder=0)
    accuracy.axhline(100 * KNOWN, color="black", linewidth=1, linestyle=":")
    accuracy.text(1, 100 * KNOWN, "knows ", transform=accuracy.get_yaxis_transform(), ha="right", va="bottom")
    accuracy.text(0.01, 0.01, "no better than guessing", transform=accuracy.transAxes, fontsize=10, color="#555555")
    lowest = min(100 * stage.accuracy for run in result.runs for stage in run.stages)
    accuracy.set_ylim(min(40.0, lowest - 3), 102)
    seconds_axis(accuracy, seconds)
    accuracy.set_xlabel("length N of the recording, s", fontsize=12)
    accuracy.set_ylabel("accuracy, %", fontsize=12)
    accuracy.set_title("which of two words began it?", fontsize=13)
    shares(flow, longest, max(max(run.hidden.median) for run in result.runs))
    if longest > 1:
        flow.axvspan(longest - 1, longest, color="#EEEEEE", zorder=0)
        flow.text(longest - 0.5, 3 * FLOOR, "the word", ha="center", fontsize=10, color="#555555", rotation=90)
    flow.set_title(f"share of the gradient that is left, N = {longest} s, trained", fontsize=13)
    decorate(accuracy)
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False)
    figure.suptitle("A word, and then noise", fontsize=15, fontweight="bold")
    return figure


def grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches with rows of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def styles_of(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A colour, a dash and a marker for each of some names."""
    styles = {}
    for i, name in enumerate(names):
        shape = (i + i // 8) % 8  # the ninth has the first one's colour, and another dash and marker
        styles[name] = {
            "color": COLOURS[i % 8],
            "linestyle": DASHES[shape],
            "marker": MARKERS[shape],
            "markersize": 6,
        }
    return styles


def line(style: dict[str, Any]) -> dict[str, Any]:
    """A style without the marker, for a curve of many points."""
    return {"color": style["color"], "linestyle": style["linestyle"], "linewidth": 2}


def by_seconds(by_frame: Sequence[float]) -> tuple[list[float], list[float]]:
    """A curve by the distance in frames as one by the distance in seconds."""
    return [distance / FRAMES for distance in range(len(by_frame))], [visible(value) for value in by_frame]


def visible(share: float) -> float:
    """A share that a logarithmic axis can show: 0 is far below its end."""
    return max(share, 1e-300)


def shares(axes: Axes, longest: int, largest: float) -> None:
    """Set up axes for the share of a gradient that is left, up to `largest`, against the distance in seconds."""
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, min(10 * largest, CEILING))
    axes.set_xlim(0, longest)
    axes.axhline(FAINT, color="black", linewidth=1, linestyle=":")
    axes.set_xlabel("distance from the last frame, s", fontsize=12)
    decorate(axes)


def seconds_axis(axes: Axes, seconds: Sequence[int]) -> None:
    """Make the x axis logarithmic, with a mark at each length."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(seconds[0] / 1.25, seconds[-1] * 1.25)
    axes.set_xticks(seconds, [str(length) for length in seconds])
    axes.minorticks_off()


def smooth(values: Sequence[float], over: int = 10) -> list[float]:
    """The mean of each value and the nine before it."""
    windows = (values[max(0, i + 1 - over) : i + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def decorate(axes: Axes) -> None:
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    tidy(axes)
