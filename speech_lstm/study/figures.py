"""The figures of a study's report, for a slide or a paper; drawn as in `report.plotting`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.labels import place_labels
from speech_lstm.report.plotting import BLUE, GREEN, GREY, GRID, VERMILION, as_written, tidy
from speech_lstm.report.statistics import Comparison
from speech_lstm.report.tables import counted
from speech_lstm.study.importance import CELL, Curve, Forest, Importance
from speech_lstm.study.results import Results, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = ("learning_rate", "hidden")  # the settings that come first, where they were searched
WIDE = 3.0  # how many times the least the most must be for a logarithmic axis
COLOURS = {"better": GREEN, "worse": VERMILION}  # of a verdict; grey for the others
NAMES = {
    "learning_rate": "learning rate",
    "hidden": "hidden units",
    "noise": "share of recordings with noise",
    CELL: "the cell",
}


def spoken(name: str) -> str:
    """A setting's name on an axis."""
    return NAMES.get(name, name.replace("_", " "))


def boxes_figure(results: Results, tests: dict[str, Comparison]) -> Figure:
    """Accuracy of all trials and of the best tenth of each cell (Greff's figure 3), the first cell on top."""
    from matplotlib.figure import Figure

    cells = list(reversed(results.cells))
    figure = Figure(figsize=(11, 1.9 + 0.42 * max(len(cells), 4)), layout="constrained")
    colours = [BLUE if cell == results.baseline else COLOURS.get(verdict_of(tests, cell), GREY) for cell in cells]
    left, right = figure.subplots(1, 2)
    columns: list[tuple[Axes, str, Callable[[str], list[Training]]]] = [
        (left, "all trials", results.trials),
        (right, "the best tenth", results.best_tenth),
    ]
    for axes, name, chosen in columns:
        values = [[100 * t.accuracy for t in chosen(cell)] for cell in cells]
        draw_boxes(axes, values, colours)
        if axes is right:
            leave_out(axes, np.array([np.median(found) for found in values]), colours)
        if results.baseline in cells:
            median = float(np.median(values[cells.index(results.baseline)]))
            axes.axvline(median, color=BLUE, linewidth=1, linestyle=":", zorder=0)
        axes.set_title(name, fontsize=13)
        axes.set_xlabel("accuracy on the testing split, %", fontsize=11)
        axes.set_ylim(-0.6, len(cells) - 0.4)
    left.set_yticks(range(len(cells)), cells, fontsize=11)
    tenths = [counted(len(results.best_tenth(cell)), "trial") for cell in cells]
    right.set_yticks(range(len(cells)), tenths, fontsize=9)
    handles = [mark(BLUE, f"{results.baseline}, the baseline (median dotted)")]
    handles += [
        mark(colour, f"significantly {name} in the best tenth")
        for name, colour in COLOURS.items()
        if colour in colours
    ]
    handles += [mark(GREY, "not significantly different, or too few trials")] * (GREY in colours)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)
    return as_written(figure)


def verdict_of(tests: dict[str, Comparison], cell: str) -> str:
    return tests[cell].verdict if cell in tests else ""


def draw_boxes(axes: Axes, values: list[list[float]], colours: list[str]) -> None:
    """Boxes from quartile to quartile with the median, whiskers to 1.5 × the box, and every value as a dot."""
    random = np.random.default_rng(0)
    for row, (found, colour) in enumerate(zip(values, colours, strict=True)):
        if len(found) >= 5:
            axes.boxplot(
                [found],
                positions=[row],
                orientation="horizontal",
                widths=0.55,
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
                medianprops={"color": "black", "linewidth": 2},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
        else:
            axes.plot([np.median(found)] * 2, [row - 0.28, row + 0.28], color="black", linewidth=2)
        jitter = random.uniform(-0.16, 0.16, len(found))
        axes.scatter(found, row + jitter, s=14, color=colour, alpha=0.8, linewidths=0, zorder=3)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    tidy(axes)


def leave_out(axes: Axes, medians: NDArray[np.float64], colours: list[str]) -> None:
    """Cells far below the others are named at the edge by their median: they would press the others together."""
    low = floor_of(medians)
    if medians.min() >= low:
        return
    axes.set_xlim(left=low)
    for row in np.flatnonzero(medians < low):
        axes.annotate(
            f"◂ {medians[row]:.1f}", (0.01, row), xycoords=axes.get_yaxis_transform(), va="center", color=colours[row]
        )


def floor_of(values: NDArray[np.float64]) -> float:
    """The value below which some are far out: three times the middle half's width below it (Tukey 1977)."""
    low, high = np.percentile(values, [25, 75])
    return float(min(low - 3 * max(high - low, 0.5), values.max()))


def mark(colour: str, text: str) -> object:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker="s", markersize=9, linestyle="", label=text)


def importance_figure(importance: Importance) -> Figure:
    """The share of the variance that each setting explains alone, and what is left for them together."""
    from matplotlib.figure import Figure

    shares = {spoken(name): 100 * share for name, share in importance.pooled.items()}
    shares["several together"] = max(0.0, 100 - sum(shares.values()))
    names = list(reversed(shares))
    figure = Figure(figsize=(8.5, 1.6 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, [shares[name] for name in names], color=[GREY, *[BLUE] * (len(names) - 1)], height=0.45)
    axes.bar_label(bars, fmt="%.0f %%", padding=4, fontsize=11)
    for found in importance.own.values():
        points = {spoken(name): 100 * share for name, share in found.items()}
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
    """Accuracy against each setting, whatever the others: the forest's mean and deviation, and the trials."""
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
        axes.grid(color="#E9E9E9")
        tidy(axes)
    panels[0].set_ylabel("accuracy on the testing split, %", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return as_written(figure)


def scale(axes: Axes, curve: Curve) -> None:
    """The axis of a setting, in logarithms where it was drawn so."""
    axes.set_xlabel(spoken(curve.name), fontsize=11)
    axes.set_xlim(curve.values[0], curve.values[-1])
    if curve.log:
        logarithmic(axes, "x")


def logarithmic(axes: Axes, side: str) -> None:
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
            logarithmic(axes, side)
    axes.set_xlabel(spoken(first), fontsize=12)
    axes.set_ylabel(spoken(second), fontsize=12)
    figure.colorbar(image, ax=axes).set_label("predicted accuracy, %, whatever the other settings", fontsize=10)
    return as_written(figure)


COSTS: dict[str, tuple[str, Callable[[Training], float]]] = {
    "parameters": ("parameters", lambda t: float(t.kept["parameters"])),
    "latency": ("one recording, ms", lambda t: 1e3 * (t.kept["latency"] or np.nan)),
    "training": ("training, s", lambda t: t.seconds),
}


def pareto_figure(results: Results) -> Figure:
    """Accuracy of the best configurations against what they cost; the line joins those that nothing beats in both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5.2), layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    accuracy = np.array([100 * best_accuracy(results, cell) for cell in results.cells])
    low = floor_of(accuracy)
    names = [f"{cell} ({a:.1f} %)" if a < low else cell for cell, a in zip(results.cells, accuracy, strict=True)]
    shown = np.maximum(accuracy, low)  # those far below lie on the edge, with their accuracy
    for axes, (text, cost) in zip(panels, COSTS.values(), strict=True):
        costs = np.array([typical(results, cell, cost) for cell in results.cells])
        front = pareto(costs, accuracy)
        axes.scatter(costs, shown, s=46, color=[BLUE if on else GREY for on in front], zorder=3)
        order = np.argsort(costs[front])
        axes.plot(costs[front][order], shown[front][order], color=BLUE, linewidth=1.5, drawstyle="steps-post")
        axes.set_xlabel(text, fontsize=12)
        axes.grid(color="#E9E9E9")
        axes.margins(x=0.18, y=0.1)
        if np.nanmax(costs) > WIDE * np.nanmin(costs):
            logarithmic(axes, "x")
        axes.xaxis.set_major_formatter("{x:,g}")
        tidy(axes)
    panels[0].set_ylabel("accuracy on the testing split, %", fontsize=12)
    figure.draw_without_rendering()  # so that the axes know their limits
    for axes, (_, cost) in zip(panels, COSTS.values(), strict=True):
        costs = np.array([typical(results, cell, cost) for cell in results.cells])
        place_labels(axes, costs, shown, names, pareto(costs, accuracy))
    return as_written(figure)


def best_accuracy(results: Results, cell: str) -> float:
    """Of the best configuration on the testing split: the seeds' mean, or the trial's own where there are none."""
    return float(np.mean([t.accuracy for t in results.repeats(cell) or [results.best(cell)]]))


def typical(results: Results, cell: str, cost: Callable[[Training], float]) -> float:
    """What the best configuration costs: the median of its trainings."""
    return float(np.nanmedian([cost(t) for t in [results.best(cell), *results.repeats(cell)]]))


def pareto(costs: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Which points [n] no other beats in cost and accuracy at once: bool [n]."""
    better = (costs[None] <= costs[:, None]) & (accuracy[None] >= accuracy[:, None])
    strictly = (costs[None] < costs[:, None]) | (accuracy[None] > accuracy[:, None])
    return np.asarray(~(better & strictly).any(1))
