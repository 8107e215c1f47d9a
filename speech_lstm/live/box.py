"""A box of characters around lines, put together by hand: rich's panels and layouts cost five times as much."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, OverflowMethod
from rich.segment import Segment
from rich.text import Text

Line = list[Segment]

ROUND = ("╭", "─", "╮", "│", "╰", "╯")  # upper corner, line, upper corner, side, lower corners
ASCII = ("+", "-", "+", "|", "+", "+")


def box(
    console: Console,
    lines: Sequence[Text | Line],
    width: int,
    height: int,
    title: Text | str,
    footer: Text | str = "",
    ascii_only: bool = False,
) -> list[Line]:
    """Exactly `height` lines of `width` cells, of which `lines` have 4 less: texts are cut or filled to that."""
    left, across, right, side, lower_left, lower_right = ASCII if ascii_only else ROUND
    inner = max(0, width - 4)
    first, last = Segment(f"{side} "), Segment(f" {side}")
    rows = [
        [first, *(line if isinstance(line, list) else fitted(console, line, inner)), last]
        for line in lines[: height - 2]
    ]
    rows += [[Segment(f"{side} {' ' * inner} {side}")]] * (height - 2 - len(rows))
    dots: OverflowMethod = "crop" if ascii_only else "ellipsis"
    top = edge(console, title, width, (left, across, right), dots)
    bottom = edge(console, footer, width, (lower_left, across, lower_right), dots)
    return [row if width >= 4 else cut(row, width) for row in [top, *rows, bottom][:height]]


def edge(console: Console, text: Text | str, width: int, drawn: tuple[str, str, str], dots: OverflowMethod) -> Line:
    """The upper or lower edge of a box, with a text in it."""
    left, across, right = drawn
    text = Text(text) if isinstance(text, str) else text.copy()
    text.truncate(max(0, width - 6), overflow=dots)
    if not text:
        return [Segment(left + across * (width - 2) + right)]
    end = f" {across * (width - 5 - text.cell_len)}{right}"
    return [Segment(f"{left}{across} "), *text.render(console), Segment(end)]


def fitted(console: Console, text: Text, width: int) -> Line:
    """A text cut or filled to so many cells."""
    segments = list(text.render(console))
    missing = width - text.cell_len
    if missing < 0:
        return cut(segments, width)
    return [*segments, Segment(" " * missing)]


def cut(line: Line, width: int) -> Line:
    """A line brought to so many cells."""
    return Segment.adjust_line_length(line, width)
