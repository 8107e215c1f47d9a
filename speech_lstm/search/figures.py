"""The figures of a search's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speech_lstm.report.boxes import cell_colours, draw_baseline, draw_boxes, draw_legend
from speech_lstm.report.plotting import BLUE, GREY, GRID, VERMILION, as_written, tidy
from speech_lstm.report.statistics import Comparison
from speech_lstm.search.progress import fallen
from speech_lstm.search.results import SearchResults
from speech_lstm.search.stages import CANDIDATE, PASSED, STAGES, TriedCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def history_figure(results: SearchResults) -> Figure:
    """The accuracy of each candidate in the order of the search, the best so far, and the stage each one reached."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 6.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    candidates = [one for one in results.tried if one.slot.cell == CANDIDATE]
    draw_scores(above, results, candidates)
    draw_stages(below, candidates)
    below.set_xlabel("candidate", fontsize=11)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    return as_written(figure)


def draw_scores(axes: Axes, results: SearchResults, candidates: list[TriedCell]) -> None:
    """Accuracies on the validation split: candidates as dots, published cells as lines."""
    trained = [one for one in candidates if one.outcome["draws"]]
    numbers = np.array([one.slot.number + 1 for one in trained])
    accuracy = np.array([100 * one.best["validation"]["accuracy"] for one in trained])
    passed = np.array([one.stage == PASSED for one in trained], bool)
    last = max((one.slot.number + 1 for one in candidates), default=1)
    axes.scatter(numbers[~passed], accuracy[~passed], s=26, facecolors="none", edgecolors=GREY, label="dropped")
    axes.scatter(numbers[passed], accuracy[passed], s=26, color=BLUE, linewidths=0, label="passed all stages")
    if passed.any():
        best = np.maximum.accumulate(accuracy[passed])
        ends = [*numbers[passed], last], [*best, best[-1]]
        axes.step(*ends, where="post", color=VERMILION, linewidth=2, label="best so far")
    lines: dict[float, list[str]] = {}
    for one in results.published:
        lines.setdefault(100 * one.best["validation"]["accuracy"], []).append(one.label)
    for height, names in lines.items():
        axes.axhline(height, color="black", linewidth=0.8, linestyle=":", zorder=0)
        place = 1.005, height
        axes.annotate(", ".join(names), place, xycoords=axes.get_yaxis_transform(), va="center", fontsize=10)
    axes.set_ylabel("accuracy on the validation split, %", fontsize=11)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=10)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    tidy(axes)


def draw_stages(axes: Axes, candidates: list[TriedCell]) -> None:
    """A row of marks for each stage: the candidates that stopped there."""
    counts, stages = fallen(candidates), list(reversed(STAGES))
    for row, stage in enumerate(stages):
        numbers = [one.slot.number + 1 for one in candidates if one.stage == stage]
        colour = BLUE if stage == PASSED else GREY
        axes.scatter(numbers, [row] * len(numbers), marker="|", s=110, color=colour, linewidths=1.5)
    axes.set_yticks(range(len(stages)), [f"{STAGES[stage]}: {counts[stage]:,}" for stage in stages], fontsize=10)
    axes.set_ylim(-0.6, len(stages) - 0.4)
    axes.tick_params(axis="y", length=0)
    tidy(axes)


def finalists_figure(results: SearchResults, tests: dict[str, Comparison]) -> Figure:
    """The further trainings of the published cells and the best candidates, on the testing split."""
    from matplotlib.figure import Figure

    rows = list(reversed(results.finalists))
    names, baseline = [one.label for one in rows], results.search.baseline
    figure = Figure(figsize=(9, 1.7 + 0.42 * max(len(rows), 4)), layout="constrained")
    axes = figure.subplots()
    colours = cell_colours(names, baseline, tests)
    values = [[100 * training["testing"]["accuracy"] for training in results.repeats(one)] for one in rows]
    draw_boxes(axes, values, colours)
    if baseline in names:
        draw_baseline(axes, values[names.index(baseline)])
    axes.set_yticks(range(len(rows)), names, fontsize=11)
    axes.set_xlabel("accuracy on the testing split, %, of trainings with fresh seeds", fontsize=11)
    draw_legend(figure, baseline, colours)
    return as_written(figure)


def splits_figure(results: SearchResults) -> Figure:
    """Accuracy of the best hundred and the published cells on the validation split against the testing split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6), layout="constrained")
    axes = figure.subplots()
    random = np.random.default_rng(0)
    step = 100 / len(results.facts["validation"]["names"])  # one recording; the jitter separates equal dots
    groups = [
        (results.best, BLUE, "o", "the best candidates"),
        (results.published, VERMILION, "D", "published cells"),
    ]
    for cells, colour, marker, label in groups:
        across, up = (
            np.array([100 * one.best[split]["accuracy"] for one in cells])
            + random.uniform(-0.25, 0.25, len(cells)) * step
            for split in ("validation", "testing")
        )
        axes.scatter(across, up, s=32, color=colour, marker=marker, alpha=0.75, linewidths=0, label=label)
    low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":", zorder=0)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("accuracy on the validation split (used for the choice), %", fontsize=11)
    axes.set_ylabel("accuracy on the testing split, % (dots slightly jittered)", fontsize=11)
    axes.legend(loc="upper left", frameon=False, fontsize=10)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    tidy(axes)
    return as_written(figure)
