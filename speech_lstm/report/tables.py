"""Numbers as text, the cells of tables, and tables as lines of the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_lstm.report.statistics import Comparison, Estimate, PairedComparison

NONE = "–"  # the cell of what was not measured


def percent(share: float | None) -> str:
    """`97.5 %`, or a dash for what was not measured."""
    return NONE if share is None else f"{100 * share:.1f} %"


def span(interval: tuple[float, float]) -> str:
    """`95.6–97.7 %`."""
    low, high = interval
    return f"{100 * low:.1f}–{percent(high)}"


def quantity(count: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign; the minus is as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def points(share: float) -> str:
    """`+1.2`: a difference of proportions in percentage points."""
    return signed(100 * share, 1)


def probability(p: float | None) -> str:
    """A p value, or a dash if there was no test."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def number(value: Any) -> str:
    """The value of a setting, a float to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def estimate_cells(estimate: Estimate | None) -> list[str]:
    """Number of values, mean and deviation, interval of the mean."""
    if estimate is None:
        return ["0", NONE, NONE]
    if estimate.deviation is None or estimate.low is None or estimate.high is None:
        return [str(estimate.count), percent(estimate.mean), NONE]
    middle = f"{100 * estimate.mean:.1f} ± {100 * estimate.deviation:.1f} %"
    return [str(estimate.count), middle, f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"]


def comparison_cells(test: Comparison) -> list[str]:
    """Difference with its interval, effect, p, verdict."""
    interval = "" if test.low is None or test.high is None else f" ({points(test.low)} to {points(test.high)})"
    effect = NONE if test.effect is None else signed(test.effect)
    return [points(test.difference) + interval, effect, probability(test.adjusted), test.verdict]


def paired_cells(test: PairedComparison) -> list[str]:
    """Clips that only one of the two answered correctly, difference, p, verdict."""
    counts = [f"{test.only_own:,}", f"{test.only_baseline:,}"]
    return [*counts, points(test.difference), probability(test.adjusted), test.verdict]


def space_rows(space: Mapping[str, str]) -> list[list[str]]:
    """The settings of a search space, each as Optuna writes it in JSON, with what they are drawn from."""
    rows = []
    for name, text in space.items():
        item = json.loads(text)["attributes"]
        if "choices" in item:
            rows.append([name, ", ".join(map(str, item["choices"]))])
        else:
            rows.append([name, f"{number(item['low'])} to {number(item['high'])}{', logarithmic' * item['log']}"])
    return rows


def align(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows of equally many cells as lines; a letter of `sides`, l or r, aligns each column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    justify: dict[str, Callable[[str, int], str]] = {"l": str.ljust, "r": str.rjust}
    return [
        "  ".join(justify[side](cell, width) for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def paragraphs(*parts: list[str]) -> str:
    """The parts that have lines, with an empty line between them."""
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)
