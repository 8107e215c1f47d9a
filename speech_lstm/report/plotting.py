"""The style of figures: the palette, empty axes, and writing a figure to a file.

Figures use matplotlib's objects without pyplot: no global state changes and no display is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from speech_lstm.files import OutputError, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), which colour-blind readers can distinguish; figures vary shapes as well.
BLUE, SKY_BLUE, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
BLACK, GREY = "#000000", "#8C8C8C"
GRID = "#E3E3E3"  # of the lines behind a plot
SHARES, SIGNED = "viridis", "PuOr_r"  # colour maps of gates and of values around 0; both safe for the colour-blind
DPI = 150


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` in the format of the suffix (PNG without one), atomically.

    Raises OutputError, one line, if the path cannot be written to or the suffix is not a format.
    """
    suffix = Path(path).suffix[1:].lower() or "png"
    formats = figure.canvas.get_supported_filetypes()
    if suffix not in formats:
        raise OutputError(f"{path}: .{suffix} is not a figure format; use one of {', '.join(sorted(formats))}")
    figure.set_dpi(DPI)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)  # savefig would repeat the layout for each format and draw everything twice
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=DPI)


def empty_figure(
    width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained"
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    return figure, figure.subplots()


def symmetric(values: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """Limits around 0 that contain all but the largest 0.5 % of the values."""
    largest = float(np.percentile(np.abs(np.concatenate([value.ravel() for value in values])), 99.5)) or 1.0
    return -largest, largest


def as_written(figure: Figure) -> Figure:
    """The figure, with a $ in its texts taken literally: names of files and labels are not formulas."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
