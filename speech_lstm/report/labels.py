"""Names beside the points of a figure that overlap neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.plotting import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 9  # of the font, in points
HEIGHT = 1.15 * SIZE  # of a line of text, roughly
GAP = 6  # points between the centre of a point and its name
RADIUS = 4  # of a point, in points
RINGS = 6  # of places around a point

Box = tuple[float, float, float, float]  # left, bottom, right, top, in points


def place_labels(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: Sequence[str], bold: NDArray[np.bool_]
) -> None:
    """Write each name at the first free place around its point; a line leads to names that are further away."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.patheffects import withStroke
    from matplotlib.textpath import TextPath

    scale = 72 / axes.figure.dpi  # points per dot
    left, right = axes.bbox.x0 * scale, axes.bbox.x1 * scale
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    occupied = [box(px - RADIUS, py - RADIUS, 2 * RADIUS, 2 * RADIUS) for px, py in points]
    for index in sorted(range(len(names)), key=lambda i: (not bold[i], -y[i])):
        weight = "bold" if bold[index] else "normal"
        path = TextPath((0, 0), names[index], size=SIZE, prop=FontProperties(weight=weight))
        width = path.get_extents().width
        offsets = [offset for ring in range(1, RINGS + 1) for offset in around(width, ring)]
        boxes = [box(points[index][0] + dx, points[index][1] + dy, width, HEIGHT) for dx, dy in offsets]
        free = (
            place
            for place, candidate in enumerate(boxes)
            if left <= candidate[0] and candidate[2] <= right and not any(overlap(candidate, o) for o in occupied)
        )
        place = next(free, 0)
        occupied.append(boxes[place])
        axes.annotate(
            names[index],
            (x[index], y[index]),
            offsets[place],
            textcoords="offset points",
            fontsize=SIZE,
            fontweight=weight,
            va="bottom",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=5,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if place > 3 else None,
        )


def around(width: float, ring: int) -> list[tuple[float, float]]:
    """Offsets of a name's lower left corner from its point, in points; ring 1: right, left, above, below."""
    distance = GAP + (ring - 1) * HEIGHT
    above, below = distance, -distance - HEIGHT
    if ring == 1:
        return [(GAP, -HEIGHT / 2), (-GAP - width, -HEIGHT / 2), (-width / 2, above), (-width / 2, below)]
    right, left = distance / 2, -distance / 2 - width
    return [(right, above), (right, below), (left, above), (left, below), (-width / 2, above), (-width / 2, below)]


def box(left: float, bottom: float, width: float, height: float) -> Box:
    return left, bottom, left + width, bottom + height


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
