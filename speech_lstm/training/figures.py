"""Figures of a training and of an evaluation, for a slide or a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speech_lstm.report.plotting import BLUE, GRID, VERMILION, as_written, empty_figure, tidy
from speech_lstm.training.report import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from speech_lstm.training.evaluation import Evaluation

# The lines of a curve.
TRAINING = {"color": BLUE, "label": "training (augmented clips)"}
VALIDATION = {"color": VERMILION, "linestyle": "--", "label": "validation"}


def confusion_figure(evaluation: Evaluation) -> Figure:
    """The confusion matrix: a row is the truth, its colour the share of the row, the numbers recordings."""
    from matplotlib.colors import PowerNorm

    count = len(evaluation.labels)
    side = max(7.0, 2.2 + 0.62 * count if count <= 16 else 2.6 + 0.37 * count)  # inches
    figure, axes = empty_figure(side + 1.2, side, "compressed")
    support = evaluation.confusion.sum(axis=1, keepdims=True)
    shares = np.where(support > 0, 100 * evaluation.confusion / np.maximum(support, 1), np.nan)
    # The root scale makes 1 % of a row visible.
    image = axes.imshow(np.ma.masked_invalid(shares), cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    axes.set_facecolor("#EEEEEE")  # a label without recordings has no shares
    for row, column in zip(*evaluation.confusion.nonzero(), strict=True):
        axes.text(
            column,
            row,
            f"{evaluation.confusion[row, column]:,}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 30 else "black",
            fontsize=cell_size(count, int(evaluation.confusion.max())),
            fontweight="bold" if row == column else "normal",
        )
    size = 11 if count <= 16 else 10
    axes.set_xticks(range(count), evaluation.labels, rotation=45 if count <= 16 else 90, fontsize=size)
    if count <= 16:
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), evaluation.labels, fontsize=size)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#D9D9D9", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("answer of the model", fontsize=12)
    axes.set_ylabel("truth", fontsize=12)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[0, 1, 5, 10, 25, 50, 100])
    bar.set_label("share of the row's recordings, %", fontsize=11)
    add_title(axes, "Confusion matrix", evaluation)
    return as_written(figure)


def recall_figure(evaluation: Evaluation) -> Figure:
    """Precision, recall and F1 of every label as dots, the best F1 on top, labels without F1 at the bottom."""
    from matplotlib.ticker import MaxNLocator

    labels = sorted(evaluation.by_label, key=lambda counts: (counts.f1 is not None, counts.f1 or 0.0))
    figure, axes = empty_figure(8.5, 2.0 + 0.3 * max(len(labels), 6))
    measured = [
        [math.nan if value is None else 100 * value for value in (counts.precision, counts.recall, counts.f1)]
        for counts in labels
    ]
    for row, values in enumerate(measured):
        known = [value for value in values if not math.isnan(value)]
        if known:
            axes.plot([min(known), max(known)], [row, row], color="#C8C8C8", linewidth=2, zorder=1)
    # A dot inside an open diamond: both are visible if precision and recall are equal.
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("precision", {"marker": "o", "s": 38, "facecolors": BLUE, "edgecolors": BLUE}),
        ("recall", {"marker": "D", "s": 88, "facecolors": "none", "edgecolors": VERMILION, "linewidths": 2}),
        ("F1", {"marker": "|", "s": 190, "c": "black", "linewidths": 2}),
    ]
    for column, (name, style) in enumerate(kinds):
        values = [row[column] for row in measured]
        axes.scatter(values, range(len(labels)), label=name, zorder=3, clip_on=False, **style)
    lowest = min((value for row in measured for value in row if not math.isnan(value)), default=0.0)
    axes.set_xlim(max(0.0, 5 * math.floor((lowest - 1) / 5)), 100)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10]))
    names = [f"{counts.label}  ({counts.support:,})" for counts in labels]
    axes.set_yticks(range(len(labels)), names, fontsize=11)
    axes.set_ylim(-0.7, len(labels) - 0.3)
    axes.tick_params(axis="y", length=0, pad=8)  # a mark at the left edge leaves the labels free
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    tidy(axes)
    axes.set_xlabel("share, %", fontsize=12)
    axes.set_ylabel("label  (recordings)", fontsize=12)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    add_title(axes, "Precision, recall and F1 of each label", evaluation)
    return as_written(figure)


def curve_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss and accuracy over the epochs, the best validation accuracy marked.

    An item of `history` is an epoch: `epoch`, `train_loss`, `validation_loss` (nats), `train_accuracy` and
    `validation_accuracy` (0 to 1); a value that is missing, None or NaN leaves a gap. The accuracy in training is
    of the augmented clips as they pass, so it can be below the other one.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [int(item["epoch"]) for item in history]
    marker = "o" if len(epochs) <= 40 else None
    style: dict[str, Any] = {"marker": marker, "markersize": 3.5, "linewidth": 2}
    for axes, measure, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for part, line in (("train", TRAINING), ("validation", VALIDATION)):
            axes.plot(epochs, [factor * v for v in column(history, f"{part}_{measure}")], **line, **style)
    loss.set_ylabel("loss, nats", fontsize=12)
    accuracy.set_ylabel("accuracy, %", fontsize=12)
    mark_best(accuracy, epochs, [100 * value for value in column(history, "validation_accuracy")])
    loss.legend(loc="upper right", frameon=False, fontsize=11)  # where the curves leave room
    accuracy.legend(loc="lower right", frameon=False, fontsize=11)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch", fontsize=12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color=GRID)
        tidy(axes)
    figure.suptitle(f"Training, {len(epochs):,} epoch{'s' * (len(epochs) != 1)}", fontsize=14, fontweight="bold")
    return figure


def mark_best(axes: Axes, epochs: Sequence[int], values: Sequence[float]) -> None:
    """Mark the first of the highest values with a ring, and say in the legend's words which it is."""
    measured = [(value, -epoch) for epoch, value in zip(epochs, values, strict=True) if not math.isnan(value)]
    if not measured:
        return
    value, negative = max(measured)
    best, label = -negative, f"best: {value:.1f} % in epoch {-negative}"
    axes.scatter([best], [value], s=130, facecolors="none", edgecolors="black", linewidths=1.8, zorder=4, label=label)


def column(history: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """One value of every epoch, NaN if it is missing."""
    return [math.nan if item.get(key) is None else float(item[key]) for item in history]


def cell_size(labels: int, largest: int) -> float:
    """The size, in points, at which the largest number fits into a cell of the confusion matrix."""
    return min(12 if labels <= 16 else 9, (31 if labels <= 16 else 23) / (0.62 * len(f"{largest:,}")))


def add_title(axes: Axes, name: str, evaluation: Evaluation) -> None:
    """Write the figure's name and, below it, the headline of the evaluation."""
    axes.set_title(name, fontsize=15, fontweight="bold", pad=28)
    axes.annotate(headline(evaluation), (0.5, 1), (0, 9), "axes fraction", "offset points", ha="center", fontsize=11)
