"""The statistics of studies and searches: what the tests say of too few values, of equal values and of noise."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.contingency_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from speech_lstm.report.statistics import (
    LEVEL,
    POWER,
    Comparison,
    adjust,
    agreement,
    detectable,
    hedges,
    holm,
    mcnemar,
    mean_of,
    welch,
)

A, B = [0.91, 0.93, 0.90, 0.94, 0.92], [0.88, 0.91, 0.86, 0.90]


def test_welch_by_its_formulas() -> None:
    """Welch (1947): the degrees of freedom of unequal deviations, and from them p and the interval."""
    squared = [np.var(values, ddof=1) / len(values) for values in (A, B)]
    freedom = sum(squared) ** 2 / (squared[0] ** 2 / 4 + squared[1] ** 2 / 3)
    difference, error = np.mean(A) - np.mean(B), math.sqrt(sum(squared))
    half = scipy.stats.t.ppf(0.975, freedom) * error
    test = welch(A, B)
    assert test.difference == pytest.approx(difference)
    assert (test.low, test.high) == pytest.approx((difference - half, difference + half))
    assert test.p == pytest.approx(2 * scipy.stats.t.sf(difference / error, freedom))
    assert test.counts == (5, 4)


def test_hedges_by_hand() -> None:
    """Means 3 and 1, deviations 1 and 1: d = 2; the correction for 3 + 3 values is 1 − 3 / 15."""
    assert hedges([2, 3, 4], [0, 1, 2]) == pytest.approx(2 * (1 - 3 / 15))


def test_too_few_values_have_no_test() -> None:
    test = welch([0.9, 0.8], [0.1, 0.2, 0.3])
    assert (test.p, test.low, test.high, test.effect) == (None, None, None, None)
    assert test.difference == pytest.approx(0.65)
    assert test.verdict == "too few to say anything"


@pytest.mark.parametrize("value", [0.5, 0.1])  # the sum of three 0.1 is not 0.3
def test_values_without_a_deviation(value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert welch([value] * 3, [value + 0.1] * 3).p is None
        assert adjust({"same": welch([value] * 3, [value] * 3)})["same"].verdict == "not significant"
        one_sided = welch([value] * 3, [value - 0.02, value - 0.01, value - 0.03])
    assert one_sided.p is not None


def test_holm_by_hand() -> None:
    """Four p values times 4, 3, 2 and 1 in their order, never below the one before and never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_correction_counts_only_tests_with_a_p() -> None:
    tests = {"a": welch(A, B), "few": welch([0.9], [0.8])}
    adjusted = adjust(tests)
    assert adjusted["a"].adjusted == tests["a"].p
    assert adjusted["few"].adjusted is None
    assert adjust({"few": tests["few"]})["few"].adjusted is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 200))
def test_mcnemar_is_statsmodels(own: int, baseline: int, both: int) -> None:
    first = np.array([True] * own + [False] * baseline + [True] * both)
    second = np.array([False] * own + [True] * baseline + [True] * both)
    test = mcnemar(first, second)
    assert (test.only_own, test.only_baseline, test.clips) == (own, baseline, own + baseline + both)
    if test.p is None:
        assert 0 < own + baseline < 6  # all on one side gives 2 · 0.5⁵ = 0.0625
    else:
        table = [[both, own], [baseline, 0]]
        reference = statsmodels.stats.contingency_tables.mcnemar(table, exact=True).pvalue
        assert test.p == pytest.approx(min(1.0, reference))


@pytest.mark.parametrize(("count", "comparisons"), [(3, 1), (4, 8), (20, 8)])
def test_the_detectable_effect_is_statsmodels(count: int, comparisons: int) -> None:
    effect = detectable(count, comparisons)
    assert TTestIndPower().power(effect, count, LEVEL / comparisons) == pytest.approx(POWER, abs=1e-3)


@pytest.mark.parametrize(("count", "comparisons"), [(3, 11), (4, 100), (200, 1)])  # where statsmodels fails
def test_the_detectable_effect_is_found_as_often_as_it_says(count: int, comparisons: int) -> None:
    random, draws = np.random.default_rng(1), 20_000
    own = random.normal(detectable(count, comparisons), 1, (draws, count))
    p = scipy.stats.ttest_ind(own, random.normal(0, 1, (draws, count)), axis=1).pvalue
    assert (p < LEVEL / comparisons).mean() == pytest.approx(POWER, abs=4 * math.sqrt(POWER * (1 - POWER) / draws))


def test_mean_and_interval_by_hand() -> None:
    """Of 1, 2, 3: mean 2, deviation 1, t of 2 degrees of freedom 4.303."""
    estimate = mean_of([1.0, 2.0, 3.0])
    half = 4.3027 / math.sqrt(3)
    assert (estimate.mean, estimate.deviation) == (2, 1)
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half), abs=1e-4)
    assert mean_of([0.5]).deviation is None


def test_kendall_with_ties_by_hand() -> None:
    """Of 6 pairs 5 agree and 1 is tied in the first: τ-b = 5 / √(5 · 6)."""
    assert agreement([1, 1, 2, 3], [1, 2, 3, 4]).tau == pytest.approx(5 / math.sqrt(30))
    assert agreement([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).tau == pytest.approx(-1)


def test_noise_is_rarely_significant() -> None:
    """Eight cells equal to the baseline, 30 times: a family with a significant one is as rare as the level says,
    within the noise of 30 draws."""
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(30):
        baseline = random.normal(0.9, 0.02, 4)
        tests = adjust({str(i): welch(random.normal(0.9, 0.02, 4), baseline) for i in range(8)})
        wrong += any(test.verdict in ("better", "worse") for test in tests.values())
    assert wrong / 30 <= LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / 30)


def test_a_large_difference_is_significant_and_has_a_side() -> None:
    random = np.random.default_rng(2)
    high, low = random.normal(0.9, 0.01, 6), random.normal(0.7, 0.01, 6)
    tests: dict[str, Comparison] = adjust({"up": welch(high, low), "down": welch(low, high)})
    assert [test.verdict for test in tests.values()] == ["better", "worse"]
