"""The statistics of a study, against statsmodels and values worked out by hand, and on data without a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.contingency_tables
import statsmodels.stats.multitest
import statsmodels.stats.power
import statsmodels.stats.weightstats
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_lstm.report.statistics import (
    LEVEL,
    POWER,
    Comparison,
    agreement,
    corrected,
    detectable,
    hedges,
    holm,
    mcnemar,
    mean_of,
    welch,
)

A, B = [0.91, 0.93, 0.90, 0.94, 0.92], [0.88, 0.91, 0.86, 0.90]


def test_welch_is_statsmodels() -> None:
    found = welch(A, B)
    _, p, freedom = statsmodels.stats.weightstats.ttest_ind(A, B, usevar="unequal")
    assert found.p == pytest.approx(p)
    assert found.difference == pytest.approx(np.mean(A) - np.mean(B))
    half = scipy.stats.t.ppf(0.975, freedom) * math.sqrt(np.var(A, ddof=1) / 5 + np.var(B, ddof=1) / 4)
    assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half))
    assert found.counts == (5, 4)


def test_hedges_by_hand() -> None:
    """Means 3 and 1, deviations 1 and 1: d = 2; the correction for 3 + 3 values is 1 − 3 / 15."""
    assert hedges([2, 3, 4], [0, 1, 2]) == pytest.approx(2 * (1 - 3 / 15))


def test_too_few_values_say_nothing() -> None:
    assert welch([0.9, 0.8], [0.1, 0.2, 0.3]).verdict == "too few to say anything"
    assert welch([0.5] * 4, [0.6] * 4).p is None  # no deviation to measure the difference by
    assert corrected({"same": welch([0.5] * 4, [0.5] * 4)})["same"].verdict == "not significant"


@pytest.mark.parametrize("values", [[0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.02, 0.02, 0.9, 1e-9, 0.011]])
def test_holm_is_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(statsmodels.stats.multitest.multipletests(values, method="holm")[1])


def test_only_tests_that_were_made_are_corrected_for() -> None:
    tests = {"a": welch(A, B), "few": welch([0.9], [0.8])}
    found = corrected(tests)
    assert found["a"].adjusted == tests["a"].p
    assert found["few"].adjusted is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 200))
def test_mcnemar_is_statsmodels(own: int, baseline: int, both: int) -> None:
    first = np.array([True] * own + [False] * baseline + [True] * both)
    second = np.array([False] * own + [True] * baseline + [True] * both)
    found = mcnemar(first, second)
    assert (found.only_own, found.only_baseline, found.clips) == (own, baseline, own + baseline + both)
    if found.p is None:
        assert 0 < own + baseline < 6  # all on one side gives 2 · 0.5⁵ = 0.0625
    else:
        table = [[both, own], [baseline, 0]]
        reference = statsmodels.stats.contingency_tables.mcnemar(table, exact=True).pvalue
        assert found.p == pytest.approx(min(1.0, reference))


@pytest.mark.parametrize(("count", "comparisons"), [(3, 1), (4, 8), (20, 8)])
def test_what_can_be_detected_is_statsmodels(count: int, comparisons: int) -> None:
    power = statsmodels.stats.power.TTestIndPower()
    effect = detectable(count, comparisons)
    assert power.power(effect, count, LEVEL / comparisons) == pytest.approx(POWER, abs=1e-3)


def test_mean_and_interval_by_hand() -> None:
    """Of 1, 2, 3: mean 2, deviation 1, t of 2 degrees of freedom 4.303."""
    found = mean_of([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation) == (2, 1)
    assert (found.low, found.high) == pytest.approx((2 - 4.3027 / math.sqrt(3), 2 + 4.3027 / math.sqrt(3)), abs=1e-4)
    assert mean_of([0.5]).deviation is None


def test_kendall_with_ties_by_hand() -> None:
    """Of 6 pairs 5 agree and 1 is tied in the first: τ-b = 5 / √(5 · 6)."""
    assert agreement([1, 1, 2, 3], [1, 2, 3, 4]).tau == pytest.approx(5 / math.sqrt(30))
    assert agreement([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).tau == pytest.approx(-1)


def test_without_a_difference_hardly_any_is_found() -> None:
    """Eight cells like the baseline, 60 times: a family with a significant one is rarer than the level says, and
    the noise of 60 draws."""
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(60):
        baseline = random.normal(0.9, 0.02, 4)
        found = corrected({str(i): welch(random.normal(0.9, 0.02, 4), baseline) for i in range(8)})
        wrong += any(test.verdict in ("better", "worse") for test in found.values())
    assert wrong / 60 <= LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / 60)


def test_a_large_difference_is_found_and_has_a_side() -> None:
    random = np.random.default_rng(2)
    high, low = random.normal(0.9, 0.01, 6), random.normal(0.7, 0.01, 6)
    found: dict[str, Comparison] = corrected({"up": welch(high, low), "down": welch(low, high)})
    assert [test.verdict for test in found.values()] == ["better", "worse"]
