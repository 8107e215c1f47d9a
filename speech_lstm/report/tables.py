"""Numbers as text, and rows of them as lines of equal columns, for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def percent(share: float | None) -> str:
    """`97.5 %`, or a dash for what was not measured."""
    return "–" if share is None else f"{100 * share:.1f} %"


def counted(number: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def span(interval: tuple[float, float]) -> str:
    """`95.6–97.7 %`."""
    low, high = interval
    return f"{100 * low:.1f}–{percent(high)}"


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows of equally many cells as lines; a letter of `sides`, l or r, says how a column is set."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    justify: dict[str, Callable[[str, int], str]] = {"l": str.ljust, "r": str.rjust}
    return [
        "  ".join(justify[side](cell, width) for cell, side, width in zip(row, sides, widths, strict=True))
        for row in rows
    ]
