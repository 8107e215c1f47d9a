"""The figures of a study's report, for a slide or a paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.boxes import cell_colours, draw_baseline, draw_boxes, draw_legend
from speech_lstm.report.labels import place_labels
from speech_lstm.report.plotting import BLUE, GREY, GRID, as_written, tidy
from speech_lstm.report.statistics import Comparison
from speech_lstm.report.tables import quantity
from speech_lstm.study.importance import CELL, Curve, Forest, Importance
from speech_lstm.study.results import Results, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = ("learning_rate", "hidden")  # the settings to show first, if they were searched
WIDE = 3.0  # ratio of the largest and the smallest value, above which an axis is logarithmic
NAMES = {
    "learning_rate": "learning rate",
    "hidden": "hidden units",
    "noise": "share of recordings with noise",
    CELL: "the cell",
}


def setting_label(name: str) -> str:
    """A setting's name on an axis."""
    return NAMES.get(name, name.replace("_", " "))


def boxes_figure(results: Results, tests: dict[str, Comparison]) -> Figure:
    """Accuracy of all trials and of the best tenth of each cell (Greff's figure 3), the first cell on top."""
    from matplotlib.figure import Figure

    cells = list(reversed(results.cells))
    figure = Figure(figsize=(11, 1.9 + 0.42 * max(len(cells), 4)), layout="constrained")
    colours = cell_colours(cells, results.baseline, tests)
    left, right = figure.subplots(1, 2)
    columns: list[tuple[Axes, str, Callable[[str], list[Training]]]] = [
        (left, "all trials", results.trials),
        (right, "the best tenth", results.best_tenth),
    ]
    for axes, title, trainings in columns:
        values = [[100 * training.accuracy for training in trainings(cell)] for cell in cells]
        draw_boxes(axes, values, colours)
        if axes is right:
            cut_outliers(axes, np.array([np.median(accuracies) for accuracies in values]), colours)
        if results.baseline in cells:
            draw_baseline(axes, values[cells.index(results.baseline)])
        axes.set_title(title, fontsize=13)
        axes.set_xlabel("accuracy on the testing split, %", fontsize=11)
    left.set_yticks(range(len(cells)), cells, fontsize=11)
    tenths = [quantity(len(results.best_tenth(cell)), "trial") for cell in cells]
    right.set_yticks(range(len(cells)), tenths, fontsize=9)
    draw_legend(figure, results.baseline, colours, " in the best tenth")
    return as_written(figure)


def cut_outliers(axes: Axes, medians: NDArray[np.float64], colours: list[str]) -> None:
    """Write the median of cells far below the others at the edge, as their boxes would compress the others."""
    low = floor_of(medians)
    if medians.min() >= low:
        return
    axes.set_xlim(left=low)
    for row in np.flatnonzero(medians < low):
        axes.annotate(
            f"◂ {medians[row]:.1f}", (0.01, row), xycoords=axes.get_yaxis_transform(), va="center", color=colours[row]
        )


def floor_of(values: NDArray[np.float64]) -> float:
    """The value below which others are outliers: three interquartile ranges below the quartiles (Tukey 1977)."""
    low, high = np.percentile(values, [25, 75])
    return float(min(low - 3 * max(high - low, 0.5), values.max()))


def importance_figure(importance: Importance) -> Figure:
    """The share of the variance that each setting explains alone, and the rest, explained by several together."""
    from matplotlib.figure import Figure

    shares = {setting_label(name): 100 * share for name, share in importance.pooled.items()}
    shares["several together"] = max(0.0, 100 - sum(shares.values()))
    names = list(reversed(shares))
    figure = Figure(figsize=(8.5, 1.6 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, [shares[name] for name in names], color=[GREY, *[BLUE] * (len(names) - 1)], height=0.45)
    axes.bar_label(bars, fmt="%.0f %%", padding=4, fontsize=11)
    for own in importance.own.values():
        points = {setting_label(name): 100 * share for name, share in own.items()}
        rows = [names.index(name) - 0.36 for name in points]
        axes.scatter(
            list(points.values()), rows, s=20, facecolors="none", edgecolors="black", clip_on=False, zorder=3
        )
    note = " (circles: of one cell's trials alone)" if importance.own else ""
    axes.set_xlabel(f"share of the variance of the accuracy, %{note}", fontsize=11)
    axes.set_xlim(0, 108)
    axes.tick_params(axis="y", length=0, labelsize=12)
    tidy(axes)
    return as_written(figure)


def marginals_figure(results: Results, forest: Forest) -> Figure:
    """Accuracy against each setting, averaged over the others: the forest's mean and deviation, and the trials."""
    from matplotlib.figure import Figure

    names = sorted(forest.space, key=lambda name: (name not in ORDER, name not in ORDER[:1]))
    figure = Figure(figsize=(4.6 * len(names) + 0.6, 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    trainings = [t for cell in results.cells for t in results.trials(cell)]
    for axes, name in zip(panels, names, strict=True):
        curve = forest.curve(name)
        axes.scatter(
            [t.drawn[name] for t in trainings],
            [100 * t.accuracy for t in trainings],
            s=12,
            color=GREY,
            alpha=0.55,
            linewidths=0,
            label="a trial",
        )
        mean, deviation = 100 * curve.mean, 100 * curve.deviation
        axes.fill_between(
            curve.values, mean - deviation, mean + deviation, color=BLUE, alpha=0.25, linewidth=0, label="± deviation"
        )
        axes.plot(curve.values, mean, color=BLUE, linewidth=2.5, label="mean over all other settings and cells")
        scale(axes, curve)
        axes.grid(color=GRID)
        tidy(axes)
    panels[0].set_ylabel("accuracy on the testing split, %", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return as_written(figure)


def scale(axes: Axes, curve: Curve) -> None:
    """The axis of a setting, logarithmic if its values were drawn so."""
    axes.set_xlabel(setting_label(curve.name), fontsize=11)
    axes.set_xlim(curve.values[0], curve.values[-1])
    if curve.log:
        set_logarithmic(axes, "x")


def set_logarithmic(axes: Axes, side: str) -> None:
    """A logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if side == "x" else axes.yaxis
    (axes.set_xscale if side == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if side == "x" else axes.get_ylim()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 6, 8), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def interaction_figure(forest: Forest, first: str, second: str) -> Figure:
    """Accuracy against two settings together."""
    from matplotlib.figure import Figure

    plane = forest.plane(first, second)
    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.subplots()
    image = axes.pcolormesh(*plane.values, 100 * plane.mean, cmap="viridis", shading="gouraud", rasterized=True)
    lines = axes.contour(*plane.values, 100 * plane.mean, levels=6, colors="white", linewidths=0.8)
    axes.clabel(lines, fmt="%.0f", fontsize=9)
    for side, log in zip("xy", plane.logs, strict=True):
        if log:
            set_logarithmic(axes, side)
    axes.set_xlabel(setting_label(first), fontsize=12)
    axes.set_ylabel(setting_label(second), fontsize=12)
    figure.colorbar(image, ax=axes).set_label("predicted accuracy, %, averaged over the other settings", fontsize=10)
    return as_written(figure)


COSTS: dict[str, tuple[str, Callable[[Training], float]]] = {
    "parameters": ("parameters", lambda t: float(t.outcome["parameters"])),
    "latency": ("one recording, ms", lambda t: 1e3 * (t.outcome["latency"] or np.nan)),
    "training": ("training, s", lambda t: t.seconds),
}


def pareto_figure(results: Results) -> Figure:
    """Accuracy of the best configurations against their costs, with the Pareto front."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 12), layout="constrained")  # not wider: its text is read on a page
    panels = figure.subplots(len(COSTS), 1, sharey=True)
    accuracy = np.array([100 * best_accuracy(results, cell) for cell in results.cells])
    low = floor_of(accuracy)
    names = [f"{cell} ({a:.1f} %)" if a < low else cell for cell, a in zip(results.cells, accuracy, strict=True)]
    heights = np.maximum(accuracy, low)  # outliers lie on the edge, with their accuracy
    for axes, (text, cost) in zip(panels, COSTS.values(), strict=True):
        costs = np.array([typical_cost(results, cell, cost) for cell in results.cells])
        front = pareto(costs, accuracy)
        axes.scatter(costs, heights, s=46, color=[BLUE if on else GREY for on in front], zorder=3)
        order = np.argsort(costs[front])
        axes.plot(costs[front][order], heights[front][order], color=BLUE, linewidth=1.5, drawstyle="steps-post")
        axes.set_xlabel(text, fontsize=12)
        axes.grid(color=GRID)
        axes.margins(x=0.18, y=0.1)
        if np.nanmax(costs) > WIDE * np.nanmin(costs):
            set_logarithmic(axes, "x")
        axes.xaxis.set_major_formatter("{x:,g}")
        tidy(axes)
    figure.supylabel("accuracy on the testing split, %", fontsize=12)
    figure.draw_without_rendering()  # sets the limits of the axes
    for axes, (_, cost) in zip(panels, COSTS.values(), strict=True):
        costs = np.array([typical_cost(results, cell, cost) for cell in results.cells])
        place_labels(axes, costs, heights, names, pareto(costs, accuracy))
    return as_written(figure)


def best_accuracy(results: Results, cell: str) -> float:
    """Of the best configuration on the testing split: the mean of its repeats, or the trial itself without any."""
    return float(np.mean([t.accuracy for t in results.repeats(cell) or [results.best(cell)]]))


def typical_cost(results: Results, cell: str, cost: Callable[[Training], float]) -> float:
    """The median cost of the best configuration's trainings."""
    return float(np.nanmedian([cost(t) for t in [results.best(cell), *results.repeats(cell)]]))


def pareto(costs: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The Pareto front of points [n], those that no other beats in both cost and accuracy: bool [n]."""
    better = (costs[None] <= costs[:, None]) & (accuracy[None] >= accuracy[:, None])
    strictly = (costs[None] < costs[:, None]) | (accuracy[None] > accuracy[:, None])
    return np.asarray(~(better & strictly).any(1))
