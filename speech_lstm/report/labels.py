"""Names beside the points of a figure, where they cover neither one another nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.plotting import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 9  # points of the letters
HEIGHT = 1.15 * SIZE  # of a letter, about
GAP = 6  # points between a point's middle and its name
RADIUS = 4  # points


def place_labels(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: Sequence[str], bold: NDArray[np.bool_]
) -> None:
    """Write each name at the first free place around its point; a line leads to those that stand apart."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.patheffects import withStroke
    from matplotlib.textpath import TextPath

    scale = 72 / axes.figure.dpi  # dots to points
    left, right = axes.bbox.x0 * scale, axes.bbox.x1 * scale
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    taken = [box(px - RADIUS, py - RADIUS, 2 * RADIUS, 2 * RADIUS) for px, py in points]
    for index in sorted(range(len(names)), key=lambda i: (not bold[i], -y[i])):
        weight = "bold" if bold[index] else "normal"
        letters = TextPath((0, 0), names[index], size=SIZE, prop=FontProperties(weight=weight))
        width = letters.get_extents().width
        places = [(dx, dy) for ring in range(1, 7) for dx, dy in around(width, ring)]
        boxes = [box(points[index][0] + dx, points[index][1] + dy, width, HEIGHT) for dx, dy in places]
        inside = [i for i, one in enumerate(boxes) if left <= one[0] and one[2] <= right]
        free = [i for i in inside if not any(overlap(boxes[i], other) for other in taken)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        axes.annotate(
            names[index],
            (x[index], y[index]),
            places[chosen],
            textcoords="offset points",
            fontsize=SIZE,
            fontweight=weight,
            va="bottom",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=5,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6} if chosen > 3 else None,
        )


def around(width: float, ring: int) -> list[tuple[float, float]]:
    """Places of a name's lower left corner relative to its point, in points: right, left, above, below."""
    far = GAP + (ring - 1) * HEIGHT
    sides = [(GAP, -HEIGHT / 2), (-GAP - width, -HEIGHT / 2), (-width / 2, GAP), (-width / 2, -GAP - HEIGHT)]
    if ring == 1:
        return sides
    corners = [(far / 2, far), (far / 2, -far - HEIGHT), (-far / 2 - width, far), (-far / 2 - width, -far - HEIGHT)]
    return [*corners, (-width / 2, far), (-width / 2, -far - HEIGHT)]


Box = tuple[float, float, float, float]


def box(left: float, low: float, width: float, height: float) -> Box:
    return left, low, left + width, low + height


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
