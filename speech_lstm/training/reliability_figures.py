"""Figures of how far a model's answers can be trusted: the reliability diagram, and how it rejects unknown words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speech_lstm.report.plotting import BLUE, GREEN, GREY, GRID, PURPLE, VERMILION, as_written, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from speech_lstm.training.open_set import OpenSet
    from speech_lstm.training.reliability import Reliability

FEW = 5  # recordings in a bin

# What `command_scores` computes, in a few words.
SCORES = {
    "posterior": "probability of the likeliest command",
    "not _unknown_": "one less the probability of _unknown_",
    "margin": "odds of the likeliest command against _unknown_",
    "entropy": "how few commands share the probability",
    "command energy": "size of the commands' logits",
    "energy": "size of all logits",
}

# Colours and dashes of the scores, in their order.
STYLES: list[dict[str, Any]] = [
    {"color": BLUE, "linewidth": 2.6},
    {"color": VERMILION, "linestyle": "--"},
    {"color": "black", "linestyle": ":"},
    {"color": GREEN, "linestyle": "-."},
    {"color": PURPLE, "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": GREY},
]


def reliability_figure(reliability: Reliability) -> Figure:
    """The reliability diagram: the proportion of correct answers at each confidence, and the number of answers."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    figure = Figure(figsize=(7.6, 8.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    width = 100 / len(reliability.counts)
    centres = width * (np.arange(len(reliability.counts)) + 0.5)
    bars: dict[str, Any] = {"width": width, "color": "#B3D4E8", "edgecolor": BLUE, "linewidth": 0.8}
    above.plot([0, 100], [0, 100], color="black", linestyle="--", linewidth=1.4, label="accuracy equals confidence")
    filled = reliability.counts > 0
    accuracy = 100 * reliability.hits[filled] / reliability.counts[filled]
    ends = 100 * np.array([bin_.interval for bin_ in reliability.accuracies if bin_.of]).T
    enough = reliability.counts[filled] >= FEW  # of fewer the interval says nothing, and would hide the others
    above.bar(centres[filled][enough], accuracy[enough], label="accuracy of a bin", **bars)
    faint = bars | {"color": "none", "edgecolor": GREY, "linestyle": ":"}
    above.bar(centres[filled][~enough], accuracy[~enough], label=f"of fewer than {FEW} recordings", **faint)
    above.errorbar(
        (100 * reliability.confidence[filled] / reliability.counts[filled])[enough],
        accuracy[enough],
        np.maximum(np.abs(ends - accuracy), 0)[:, enough],
        fmt="o",
        color=VERMILION,
        markersize=6,
        linewidth=2,
        capsize=4,
        clip_on=False,
        label="95 % interval",
    )
    above.set(xlim=(0, 100), ylim=(0, 103))
    above.set_ylabel("accuracy, %", fontsize=12)
    bins = below.bar(centres, reliability.counts, **bars)
    below.bar_label(bins, [f"{count:,}" if count else "" for count in reliability.counts], fontsize=9, padding=2)
    below.set_ylim(0, 1.25 * reliability.counts.max())
    below.set_ylabel("recordings", fontsize=12)
    below.set_xlabel("confidence: probability of the answer, %", fontsize=12)
    below.xaxis.set_major_locator(MultipleLocator(10))
    for axes in (above, below):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        tidy(axes)
    figure.legend(
        *above.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9.5
    )
    above.set_title("Reliability of the probabilities", fontsize=15, fontweight="bold", pad=28)
    caption = (
        f"expected calibration error {100 * reliability.error:.1f} % in {reliability.counts.sum():,} recordings; "
        f"chance alone gives up to {100 * reliability.by_chance:.1f} %"
    )
    above.annotate(caption, (0.5, 1), (0, 9), "axes fraction", "offset points", ha="center", fontsize=11)
    return figure


def open_set_figure(sets: Sequence[OpenSet], details: bool = False) -> Figure:
    """The commands accepted against the unknown words accepted, by a threshold on the posterior: ROC curves.

    With `details`, by a threshold on each score.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6 * len(sets), 7.2 if details else 6.0), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, open_set in zip(panels, sets, strict=True):
        draw_curves(axes, open_set, details)
    figure.suptitle("Unknown words rejected by a threshold", fontsize=15, fontweight="bold")
    return as_written(figure)


def draw_curves(axes: Axes, open_set: OpenSet, details: bool) -> None:
    """The curves of one set of unknown words, and the point of the plain answer."""
    count = open_set.plain_unknown.of
    least = 100 / count / 2  # half a recording instead of none: the axis is logarithmic
    shown = open_set.separations if details else open_set.separations[:1]
    for item, style in zip(shown, STYLES, strict=False):
        unknown, commands = 100 * item.curve
        label = f"{item.name} ({SCORES[item.name]}), AUC {item.auc:.3f}"
        axes.plot(np.maximum(unknown, least), commands, drawstyle="steps-post", label=label, **style)
    recall = 100 * (open_set.plain_commands.share or 0)
    axes.scatter(
        max(100 * (open_set.plain_unknown.share or 0), least),
        recall,
        s=90,
        marker="D",
        facecolors="white",
        edgecolors="black",
        linewidths=2,
        zorder=5,
        label="no threshold: the likeliest label is the answer",
    )
    axes.set_xscale("log")
    axes.set(xlim=(least, 100), ylim=(50 if recall > 60 else 0, 100.5))
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick > 1.5 * least]
    axes.set_xticks([least, *ticks], ["0", *(f"{tick:g}" for tick in ticks)])
    axes.minorticks_off()
    axes.set_xlabel(f"{open_set.words} accepted, % of {count:,}", fontsize=12)
    axes.set_ylabel(f"commands accepted, % of {open_set.plain_commands.of:,}", fontsize=12)
    axes.grid(color=GRID)
    tidy(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=10, frameon=False)  # no curve is there
