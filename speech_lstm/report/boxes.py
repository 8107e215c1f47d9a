"""Box plots of accuracies, coloured by how each cell compares with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from speech_lstm.report.plotting import BLUE, GREEN, GREY, GRID, VERMILION, tidy
from speech_lstm.report.statistics import BETTER, WORSE, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {BETTER: GREEN, WORSE: VERMILION}  # of a verdict; grey for the others, blue for the baseline
FEWEST = 5  # values of a box; fewer have only a line at the median


def cell_colours(cells: Sequence[str], baseline: str, tests: Mapping[str, Comparison]) -> list[str]:
    """A colour for each cell: the baseline's, or that of its test's verdict."""
    verdicts = {cell: test.verdict for cell, test in tests.items()}
    return [BLUE if cell == baseline else COLOURS.get(verdicts.get(cell, ""), GREY) for cell in cells]


def draw_boxes(axes: Axes, values: Sequence[Sequence[float]], colours: Sequence[str]) -> None:
    """Boxes from quartile to quartile with the median, whiskers to 1.5 × the box, and every value as a dot."""
    random = np.random.default_rng(0)
    for row, (box, colour) in enumerate(zip(values, colours, strict=True)):
        if len(box) >= FEWEST:
            axes.boxplot(
                [box],
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
            axes.plot([np.median(box)] * 2, [row - 0.28, row + 0.28], color="black", linewidth=2)
        jitter = random.uniform(-0.16, 0.16, len(box))
        axes.scatter(box, row + jitter, s=14, color=colour, alpha=0.8, linewidths=0, zorder=3)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    tidy(axes)


def draw_baseline(axes: Axes, values: Sequence[float]) -> None:
    """A dotted line at the baseline's median."""
    axes.axvline(float(np.median(values)), color=BLUE, linewidth=1, linestyle=":", zorder=0)


def draw_legend(figure: Figure, baseline: str, colours: Sequence[str], sample: str = "") -> None:
    """Below the figure, what the colours mean; `sample` says which trainings are tested."""
    from matplotlib.lines import Line2D

    labels = {BLUE: f"{baseline}, the baseline (median dotted)"}
    labels |= {colour: f"significantly {verdict}{sample}" for verdict, colour in COLOURS.items() if colour in colours}
    labels |= {GREY: "not significantly different, or too few trainings"} if GREY in colours else {}
    squares = [
        Line2D([], [], color=colour, marker="s", markersize=9, linestyle="", label=label)
        for colour, label in labels.items()
    ]
    figure.legend(handles=squares, loc="outside lower center", ncols=len(squares), frameon=False, fontsize=10)
