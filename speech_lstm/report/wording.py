"""Sentences that the reports of studies and searches share."""

from __future__ import annotations

from collections.abc import Iterable

from speech_lstm.report.proportion import wilson
from speech_lstm.report.statistics import LEVEL, POWER, Agreement, Comparison, detectable
from speech_lstm.report.tables import signed

SIGNIFICANCE = (  # how to read a table with `comparison_cells`
    f"p is adjusted by Holm's correction, and a difference is called significant where p is below {LEVEL}; the "
    "interval of a difference is not adjusted. g is Hedges' g, the difference in standard deviations (0.2 is small, "
    "0.8 large)."
)


def power_sentences(tests: Iterable[Comparison], trainings: str) -> list[str]:
    """How large a difference the tests can find, in at most one sentence; `trainings` names what they count."""
    valid = [test for test in tests if test.p is not None]
    if not valid:
        return []
    count = min(min(test.counts) for test in valid)
    return [
        f"With {count} against {count} {trainings}, the test finds a difference of "
        f"{detectable(count, len(valid)):.1f} standard deviations with a probability of {100 * POWER:.0f} %; it may "
        "miss a smaller one."
    ]


def clips_sentence(cell: str, accuracy: float, clips: int) -> str:
    """How exactly the clips of the testing split determine an accuracy such as this cell's."""
    low, high = wilson(round(accuracy * clips), clips) or (0.0, 1.0)
    return (
        f"The test takes the clips as given. The testing split has {clips:,} clips, on which an accuracy such as "
        f"{cell}'s is known to ± {50 * (high - low):.1f} points (95 %): on other clips all cells may shift together, "
        "and a much smaller difference may hold on these clips only."
    )


def agreement_sentence(rankings: str, agreement: Agreement) -> str:
    """Kendall's τ between two rankings."""
    significance = "not significantly" if agreement.p >= LEVEL else "significantly"
    return (
        f"Agreement of {rankings}: Kendall's τ-b = {signed(agreement.tau)}, {significance} different from chance "
        f"(p = {agreement.p:.3f})."
    )
