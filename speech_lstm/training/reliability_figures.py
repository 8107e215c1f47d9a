"""Figures of what a model knows about its own answers: the reliability diagram, and how unknown words are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speech_lstm.report.plotting import BLUE, GREEN, GREY, GRID, PURPLE, VERMILION, as_written, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from speech_lstm.training.open_set import OpenSet
    from speech_lstm.training.reliability import Calibration

# Colours and dashes of the scores, in their order.
STYLES: list[dict[str, Any]] = [
    {"color": BLUE, "linewidth": 2.6},
    {"color": VERMILION, "linestyle": "--"},
    {"color": "black", "linestyle": ":"},
    {"color": GREEN, "linestyle": "-."},
    {"color": PURPLE, "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": GREY},
]


def calibration_figure(calibration: Calibration) -> Figure:
    """The reliability diagram: how many of the answers of each confidence are right, and how many there are."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    figure = Figure(figsize=(7.6, 8.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    width = 100 / len(calibration.counts)
    centres = width * (np.arange(len(calibration.counts)) + 0.5)
    bars: dict[str, Any] = {"width": width, "color": "#B3D4E8", "edgecolor": BLUE, "linewidth": 0.8}
    above.plot([0, 100], [0, 100], color="black", linestyle="--", linewidth=1.4, label="as right as confident")
    there = calibration.counts > 0
    shares = [share for share in calibration.shares if share.of]
    accuracy = 100 * calibration.hits[there] / calibration.counts[there]
    ends = 100 * np.array([share.interval for share in shares]).T
    above.bar(centres[there], accuracy, label="accuracy of a bin", **bars)
    above.errorbar(
        100 * calibration.confidence[there] / calibration.counts[there],
        accuracy,
        np.maximum(np.abs(ends - accuracy), 0),
        fmt="o",
        color=VERMILION,
        markersize=6,
        linewidth=2,
        capsize=4,
        clip_on=False,
        label="its mean confidence, 95 % interval",
    )
    above.set(xlim=(0, 100), ylim=(0, 103))
    above.set_ylabel("accuracy, %", fontsize=12)
    counted = below.bar(centres, calibration.counts, **bars)
    below.bar_label(counted, [f"{count:,}" if count else "" for count in calibration.counts], fontsize=9, padding=2)
    below.set_ylim(0, 1.25 * calibration.counts.max())
    below.set_ylabel("recordings", fontsize=12)
    below.set_xlabel("confidence: probability of the answer, %", fontsize=12)
    below.xaxis.set_major_locator(MultipleLocator(10))
    for axes in (above, below):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        tidy(axes)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    above.set_title("Reliability of the probabilities", fontsize=15, fontweight="bold", pad=28)
    told = (
        f"expected calibration error {100 * calibration.error:.1f} % in {calibration.counts.sum():,} recordings; "
        f"chance alone gives up to {100 * calibration.by_chance:.1f} %"
    )
    above.annotate(told, (0.5, 1), (0, 9), "axes fraction", "offset points", ha="center", fontsize=11)
    return figure


def open_set_figure(sets: Sequence[OpenSet]) -> Figure:
    """How many commands each score's threshold accepts for how many unknown words: a ROC curve for each score."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6 * len(sets), 6.4), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, compared in zip(panels, sets, strict=True):
        draw_curves(axes, compared)
    figure.suptitle("Unknown words refused by a threshold on a score", fontsize=15, fontweight="bold")
    return as_written(figure)


def draw_curves(axes: Axes, compared: OpenSet) -> None:
    """The curves of one set of unknown words and the point of the plain answer."""
    count = compared.plain_unknown.of
    least = 100 / count / 2  # half a recording stands for none: the axis is logarithmic
    for item, style in zip(compared.separations, STYLES, strict=True):
        unknown, commands = 100 * item.curve
        label = f"{item.name}, AUC {item.auc:.3f}"
        axes.plot(np.maximum(unknown, least), commands, drawstyle="steps-post", label=label, **style)
    recall = 100 * (compared.plain_commands.share or 0)
    axes.scatter(
        max(100 * (compared.plain_unknown.share or 0), least),
        recall,
        s=90,
        marker="D",
        facecolors="white",
        edgecolors="black",
        linewidths=2,
        zorder=5,
        label="plain answer: the likeliest label",
    )
    axes.set_xscale("log")
    axes.set(xlim=(least, 100), ylim=(50 if recall > 60 else 0, 100.5))
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick > least]
    axes.set_xticks([least, *ticks], ["0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()
    axes.set_xlabel(f"{compared.words} accepted, % of {count:,}", fontsize=12)
    axes.set_ylabel(f"commands accepted, % of {compared.plain_commands.of:,}", fontsize=12)
    axes.grid(color=GRID)
    tidy(axes)
    axes.legend(loc="lower right", fontsize=10.5, framealpha=0.95)
