"""The house style of figures: its palette, empty axes, and writing them whole or not at all.

Figures are made with matplotlib's objects, without pyplot: nothing global changes and no display is needed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from speech_lstm.files import OutputError, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), which colour-blind readers can distinguish; figures vary shapes as well.
BLUE, SKY_BLUE, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
BLACK, GREY = "#000000", "#8C8C8C"
GRID = "#E3E3E3"  # of the lines behind a plot
DPI = 150


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` in the format of the suffix (PNG without one), whole or not at all.

    Raises OutputError, one line, for a place that can't be written to or a suffix that is no format.
    """
    kind = Path(path).suffix[1:].lower() or "png"
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise OutputError(f"{path}: .{kind} is not a format of figures; known are {', '.join(sorted(known))}")
    figure.set_dpi(DPI)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)  # savefig would lay out every format anew, and draw everything twice for it
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI)


def empty_figure(
    width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained"
) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    return figure, figure.subplots()


def as_written(figure: Figure) -> Figure:
    """The figure, in whose texts a $ is a dollar sign: names of files and labels are no formulas."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
