"""One figure of the inside of a network: recording, features, gates, memory, output and answer on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.insight.influence import OCCLUDED_SECONDS
from speech_lstm.insight.sheet import COLOURS
from speech_lstm.report.plotting import (
    BLACK,
    BLUE,
    GREY,
    PURPLE,
    SHARES,
    SIGNED,
    VERMILION,
    as_written,
    symmetric,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from speech_lstm.insight.inside import Inside
    from speech_lstm.insight.summary import Summary

# By the first word of a role: the diagram's colours, and two for values that it draws without one.
STRIPES = {word: line for word, (line, _) in COLOURS.items()} | {"depth": "#332288", "memory": "#8C564B"}
OUTPUT = BLACK  # of the cell; orange is the output gate's
LINES = (BLUE, VERMILION, PURPLE, "#A08C00", "#5B8C5A", "#7F7FFF")  # colours of the likeliest labels, none a stripe's
ORDERS = {
    "index": "in the order of the weights",
    "active": "from bottom to top by when their output is largest",
    "half-life": "from bottom to top by the half-life of their memory, the longest first",
    "decision": "from bottom to top by what the answer loses without them, the most first",
}
SHOWN = 4  # labels in colour in one recording
CLEAR_SHARE = 0.1  # a label that never reaches this probability is grey, unless it is the answer


@dataclass(frozen=True)
class Panel:
    """One heat map of the figure, the same in every column."""

    title: str
    colour: str
    values: list[NDArray[Any]]  # [frames, rows] for each column
    limits: tuple[float, float]
    map: str
    axis: str  # the noun for a row


def gate_figure(
    names: Sequence[str], summaries: Sequence[Summary], gates: Sequence[str] = (), order: str = "active"
) -> Figure:
    """A column for each recording, all on the same scales; see `Summary.order` for the order of the units.

    `gates` names the gates, candidates and parts of the state to show; all if empty. Raises ConfigError for a name
    that the cell does not have.
    """
    from matplotlib.figure import Figure

    first = summaries[0]
    panels = panels_of(summaries, gates, order)
    heights = [0.8, 1.3, *[1.1] * len(panels[1:]), 0.8, 1.5]
    figure = Figure(figsize=(max(9.5, 6.9 * len(summaries) + 1.2), 1.1 + 1.05 * sum(heights)), layout="constrained")
    rows = figure.subplots(len(heights), len(summaries), sharex="col", squeeze=False, height_ratios=heights)
    colours = label_colours([summary.inside for summary in summaries])
    loudest = max(float(np.abs(summary.inside.waveform).max()) for summary in summaries)
    most = max(float(summary.occlusion.max()) for summary in summaries)
    for column, (name, summary) in enumerate(zip(names, summaries, strict=True)):
        draw_waveform(rows[0, column], name, summary, loudest)
        for axes, panel in zip(rows[1:-2, column], panels, strict=True):
            image = draw_panel(axes, panel, summary, column)
            if column == len(summaries) - 1:
                bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=8)
                bar.ax.tick_params(labelsize=8)
        draw_needed(rows[-2, column], summary, most)
        draw_posteriors(rows[-1, column], summary, colours)
    for axes in rows[:, 1:].flat:
        axes.set_ylabel("")
    place = f"layer {first.trace.layer} of {first.inside.depth}, {first.trace.direction}"
    figure.suptitle(f"{first.trace.cell.title}: {place}", fontsize=14, fontweight="bold")
    figure.supxlabel(f"units {ORDERS[order]}{exception(panels[1:], len(first.drops))}", fontsize=9, color="#555555")
    return as_written(figure)


def panels_of(summaries: Sequence[Summary], gates: Sequence[str], order: str) -> list[Panel]:
    """The heat maps from the top: the features, then `gates` or, if empty, gates, candidates, memory and output."""
    trace = summaries[0].trace
    state = [name for name in trace.state if name[-1] != "⁻"]
    values = gates or (*trace.internals, *reversed(state))
    return [feature_panel(summaries), *(gate_panel(name, summaries, order) for name in values)]


def feature_panel(summaries: Sequence[Summary]) -> Panel:
    """The features as the first layer reads them."""
    values = [summary.inside.normalised for summary in summaries]
    mfcc = summaries[0].inside.config.kind == "mfcc"
    title = f"{'MFCC' if mfcc else 'log-mel bands'}, normalised as the network reads them"
    return Panel(title, GREY, values, symmetric(values), SIGNED, "coefficient" if mfcc else "band")


def gate_panel(name: str, summaries: Sequence[Summary], order: str) -> Panel:
    """A gate, a candidate or a part of the state, its units in the order of the first recording."""
    trace = summaries[0].trace
    values = [summary.trace[name] for summary in summaries]
    units = summaries[0].order(order)
    if values[0].shape[1] == len(units):
        values = [value[:, units] for value in values]
    role = trace.role(name)
    title = name if role == name else f"{name}   {role}"
    colour = OUTPUT if name == "h" else STRIPES.get(role.split()[0].rstrip(","), GREY)
    if name in trace.gates:
        return Panel(title, colour, values, (0.0, 1.0), SHARES, "unit")
    return Panel(title, colour, values, symmetric(values), SIGNED, "unit")


def exception(panels: Sequence[Panel], units: int) -> str:
    """An addition to the line about the order of the units, for panels that do not have a row for each unit."""
    others = sorted({panel.values[0].shape[1] for panel in panels} - {units})
    return f"; panels of {' or '.join(map(str, others))} rows in the order of the weights" if others else ""


def draw_panel(axes: Axes, panel: Panel, summary: Summary, column: int) -> Any:
    """A heat map over rows and time, with the stripe of its colour at the left."""
    from matplotlib.patches import Rectangle

    times, half = summary.inside.times, summary.inside.config.hop_ms / 2000
    values = panel.values[column]
    image = axes.imshow(
        values.T,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap=panel.map,
        vmin=panel.limits[0],
        vmax=panel.limits[1],
        extent=(times[0] - half, times[-1] + half, -0.5, values.shape[1] - 0.5),
    )
    axes.set_title(panel.title, loc="left", fontsize=11, pad=3)
    stripe = Rectangle((-0.02, 0), 0.013, 1, color=panel.colour, transform=axes.transAxes, clip_on=False, linewidth=0)
    axes.add_patch(stripe)
    axes.set_yticks([])
    axes.set_ylabel(f"{values.shape[1]} {panel.axis}s", fontsize=9, labelpad=14)
    axes.tick_params(axis="x", labelsize=9)
    return image


def draw_waveform(axes: Axes, name: str, summary: Summary, loudest: float) -> None:
    inside, answer = summary.inside, summary.inside.answer
    time = inside.start + np.arange(len(inside.waveform)) / SAMPLE_RATE
    axes.plot(time, inside.waveform, color="black", linewidth=0.4)
    axes.set_ylim(-1.05 * max(loudest, 1e-4), 1.05 * max(loudest, 1e-4))
    axes.set_yticks([])
    axes.set_ylabel("waveform", fontsize=9, labelpad=8)
    axes.set_title(f"{name}\nanswer: {answer.label}  {100 * answer.probability:.1f} %", fontsize=12)
    tidy(axes)


def draw_needed(axes: Axes, summary: Summary, most: float) -> None:
    """The probability lost when a stretch is hidden, as an area, and the gradient, as a line on its own scale."""
    time = summary.inside.times
    name = f"lost when {1000 * OCCLUDED_SECONDS:.0f} ms are hidden"
    axes.fill_between(time, 100 * summary.occlusion, color=GREY, alpha=0.6, linewidth=0, label=name)
    axes.set_ylim(min(-1.0, 100 * float(summary.occlusion.min())), max(2.0, 105 * most))
    axes.set_ylabel("points", fontsize=9)
    axes.tick_params(labelsize=9)
    scale = axes.get_ylim()[1] / max(float(summary.gradient.max()), 1e-12)
    axes.plot(
        time,
        0.95 * scale * summary.gradient,
        color="#444444",
        linewidth=1.3,
        linestyle="--",
        label="gradient, of its largest",
    )
    add_legend(axes, 2)
    axes.set_title("what the answer needed", loc="left", fontsize=11, pad=3)
    tidy(axes)


def clear_labels(inside: Inside) -> list[int]:
    """The indices of the answer and of the labels that were likely at any frame, the answer first."""
    peaks = inside.posteriors.max(0)
    answer = inside.labels.index(inside.answer.label)
    return [answer, *(int(i) for i in np.argsort(-peaks) if peaks[i] >= CLEAR_SHARE and i != answer)]


def label_colours(insides: Sequence[Inside]) -> dict[int, str]:
    """A colour for each clear label of any recording, the same in all of them; grey once the colours run out."""
    indices = dict.fromkeys(i for labels in zip_longest(*map(clear_labels, insides)) for i in labels if i is not None)
    return {label: LINES[place] if place < len(LINES) else GREY for place, label in enumerate(indices)}


def draw_posteriors(axes: Axes, summary: Summary, colours: dict[int, str]) -> None:
    """The answer if the recording ended at each frame: the likeliest labels in their colours, the others grey."""
    inside = summary.inside
    time = inside.times
    clear = clear_labels(inside)[:SHOWN]
    for i in set(range(len(inside.labels))) - set(clear):
        axes.plot(time, 100 * inside.posteriors[:, i], color="#CCCCCC", linewidth=0.8)
    for i in clear:
        name = f" {inside.labels[i]}"  # matplotlib hides names that begin with _
        axes.plot(time, 100 * inside.posteriors[:, i], color=colours[i], linewidth=2.2, label=name)
    axes.set_ylim(0, 102)
    axes.set_xlim(time[0] - inside.config.hop_ms / 2000, time[-1] + inside.config.hop_ms / 2000)
    axes.set_ylabel("probability, %", fontsize=9)
    axes.tick_params(labelsize=9)
    add_legend(axes, len(clear))
    axes.set_title("the answer if the recording ended here", loc="left", fontsize=11, pad=3)
    axes.set_xlabel("time, s", fontsize=11)
    tidy(axes)


def add_legend(axes: Axes, columns: int) -> None:
    """A legend next to the title, where it covers no curve."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.94),
        fontsize=9,
        frameon=False,
        ncols=columns,
        borderpad=0,
        handlelength=1.4,
        columnspacing=1.2,
    )
