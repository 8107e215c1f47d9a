"""The numbers of a report as text: the cells of its tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from speech_lstm.report.statistics import LEVEL, Comparison, Mean, Paired, detectable
from speech_lstm.report.tables import percent

# How a table with `difference_cells` is to be read.
SIGNIFICANCE = (
    f"p is after Holm's correction, and below {LEVEL} a difference is called significant; the interval of a "
    "difference is without that correction. g is Hedges' g: the difference in deviations (0.2 is small, 0.8 large)."
)


def power_sentences(tests: Iterable[Comparison], trainings: str) -> list[str]:
    """How large a difference must be to be found, in at most one sentence; `trainings` is what is counted."""
    asked = [test for test in tests if test.p is not None]
    if not asked:
        return []
    count = min(min(test.counts) for test in asked)
    return [
        f"With {count} against {count} {trainings}, a difference is found with a chance of 80 % only from "
        f"{detectable(count, len(asked)):.1f} deviations up; a smaller one may be there and stay unseen."
    ]


def difference_cells(test: Comparison) -> list[str]:
    """Difference with its interval, effect, p, verdict."""
    interval = "" if test.low is None or test.high is None else f" ({points(test.low)} to {points(test.high)})"
    effect = "–" if test.effect is None else signed(test.effect)
    return [points(test.difference) + interval, effect, probability(test.adjusted), test.verdict]


def seed_cells(seen: Mean | None) -> list[str]:
    """How many seeds, their mean and deviation, the interval of the mean."""
    if seen is None:
        return ["0", "–", "–"]
    if seen.deviation is None or seen.low is None or seen.high is None:
        return [str(seen.count), percent(seen.mean), "–"]
    middle = f"{100 * seen.mean:.1f} ± {100 * seen.deviation:.1f} %"
    return [str(seen.count), middle, f"{100 * seen.low:.1f} to {100 * seen.high:.1f} %"]


def paired_cells(test: Paired) -> list[str]:
    """Clips that one of the two had right, difference, p, verdict."""
    counts = [f"{test.only_own:,}", f"{test.only_baseline:,}"]
    return [*counts, points(test.difference), probability(test.adjusted), test.verdict]


def agreement_sentence(paper: str, tau: float, p: float) -> str:
    """Kendall's τ in words."""
    strength = "does not differ significantly from chance" if p >= LEVEL else "is more than chance gives"
    return f"The order found and that of {paper}: Kendall's τ-b = {signed(tau)}, which {strength} (p = {p:.3f})."


def points(share: float) -> str:
    """`+1.2`, in percentage points."""
    return signed(100 * share, 1)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, a minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def probability(p: float | None) -> str:
    """A p, a dash where no test was made."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def number(value: Any) -> str:
    """A setting's value, to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def drawn_from(identity: dict[str, Any]) -> dict[str, str]:
    """The search space in words."""
    told = {}
    for name, text in identity["space"].items():
        item: dict[str, Any] = json.loads(text)["attributes"]
        if "choices" in item:
            told[name] = ", ".join(map(str, item["choices"]))
        else:
            told[name] = f"{number(item['low'])} to {number(item['high'])}{', logarithmic' * item['log']}"
    return told
