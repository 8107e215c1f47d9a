"""Detection-error trade-off: commands not matched against false accepts per hour, on a logarithmic axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speech_lstm.report.plotting import BLUE, GREY, GRID, VERMILION, as_written, empty_figure, tidy
from speech_lstm.streams.tradeoff import TradeOff

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4  # panels in a row
RIGHT = 0.6  # of the width; to the right of it there is no room for text
HIGH = 90  # %; above it there is no room for text
TARGET = 0.5  # false accepts per hour, a usual requirement


def total_figure(curve: TradeOff, speech: bool = False) -> Figure:
    """The curve of all commands together, against the false accepts in the recording or in continuous `speech`."""
    figure, axes = empty_figure(8.5, 5.6)
    draw(axes, curve, None, 12, speech)
    frame(axes, curve, speech)
    if least(curve, speech) < TARGET:
        axes.axvline(TARGET, color=GREY, linestyle=":", linewidth=1.5, zorder=1)
        place = (TARGET, 1), (5, -4), ("data", "axes fraction"), "offset points"
        axes.annotate(f"{TARGET:g} an hour", *place, va="top", color="#555")
    sound = "continuous speech" if speech else "the recording"
    axes.set_xlabel(f"false accepts an hour of {sound}, all words together", fontsize=12)
    axes.set_ylabel("commands not matched, %", fontsize=12)
    axes.set_title("Missed commands against false accepts", fontsize=15, fontweight="bold", pad=26)
    commands = f"{curve.occurrences.sum():,} commands, {duration(curve.of(speech).hours)} of {sound}"
    facts = f"{commands}; line: all thresholds moved together, ◆: the model's"
    axes.annotate(facts, (0.5, 1), (0, 9), "axes fraction", "offset points", ha="center", fontsize=11)
    return as_written(figure)


def word_figure(curve: TradeOff) -> Figure:
    """A panel for each command that occurs."""
    from matplotlib.figure import Figure

    words = [word for word, count in zip(curve.commands, curve.occurrences, strict=True) if count]
    columns = min(COLUMNS, len(words))
    rows = math.ceil(len(words) / columns)
    figure = Figure(figsize=(0.8 + 2.9 * columns, 1.4 + 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, word in zip(panels, words, strict=False):
        draw(panel, curve, word, 9)
        frame(panel, curve)
        count = curve.occurrences[curve.commands.index(word)]
        panel.set_title(f"{word} ({count:,} spoken)", fontsize=11, fontweight="bold")
    for panel in panels[len(words) :]:
        panel.set_visible(False)
    figure.supxlabel("false accepts of the word an hour", fontsize=12)
    figure.supylabel("not matched, %", fontsize=12)
    figure.suptitle("Each word: missed against false accepts", fontsize=14, fontweight="bold")
    return as_written(figure)


def least(curve: TradeOff, speech: bool) -> float:
    """Where a rate of zero is drawn, because a logarithmic axis has no zero."""
    return 0.3 / curve.of(speech).hours


def duration(hours: float) -> str:
    """A time for people: minutes below two hours."""
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:.1f} h"


def draw(axes: Axes, curve: TradeOff, word: str | None, size: float, speech: bool = False) -> None:
    """The least share not matched for each rate, as steps, and the operating point."""
    rates, missed = curve.curve(word, speech)
    order = np.lexsort((missed, rates))
    steps = np.maximum(rates[order], least(curve, speech)), 100 * np.minimum.accumulate(missed[order])
    axes.step(*steps, where="post", color=BLUE, linewidth=2.2, zorder=3)
    rate, share = float(rates[curve.operating]), 100 * float(missed[curve.operating])
    point = max(rate, least(curve, speech)), share
    axes.plot(*point, "D", color=VERMILION, markeredgecolor="white", markersize=9, zorder=5, clip_on=False)
    low, high = limits(curve, speech)
    right = math.log(point[0] / low) > RIGHT * math.log(high / low)
    axes.annotate(
        f"{share:.1f} % at {rate:,.1f} an hour",
        point,
        (-8 if right else 8, -7 if share > HIGH else 7),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if share > HIGH else "bottom",
        fontsize=size,
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
    )


def limits(curve: TradeOff, speech: bool = False) -> tuple[float, float]:
    """The rates at both ends of the axis."""
    low = least(curve, speech)
    return low, max(10.0, 20 * low, min(1000.0, 2 * curve.curve(speech=speech)[0].max()))


def frame(axes: Axes, curve: TradeOff, speech: bool = False) -> None:
    """The axes: from no false accept to the highest rate of the curve."""
    low, high = limits(curve, speech)
    axes.set_xscale("log")
    axes.set_xlim(low * 0.9, high)
    axes.set_ylim(0, 100)
    decades = [10.0**power for power in range(-3, 4)]
    ticks = [tick for tick in decades if 3 * low < tick < high]
    axes.set_xticks([low, *ticks], ["0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    tidy(axes)
