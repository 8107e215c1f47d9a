"""The statistical tests of studies and searches, on plain numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests

LEVEL = 0.05  # of significance, after Holm's correction
POWER = 0.8  # probability of finding a difference that exists
FEWEST = 3  # trainings on each side that Welch's test needs
LARGEST_EFFECT = 1e3  # deviations; even the fewest trainings find it

TOO_FEW, NOT_SIGNIFICANT, BETTER, WORSE = "too few to say anything", "not significant", "better", "worse"

Test = TypeVar("Test", "Comparison", "PairedComparison")


@dataclass(frozen=True)
class Estimate:
    """Mean, deviation and 95 % interval (Student's t) of some values; None for a single value."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Comparison:
    """A cell against the baseline: `difference` of the means, positive if it is better, and its 95 % interval.

    `effect` is Hedges' g. `p` is that of Welch's test, `adjusted` after Holm's correction; None with too few values.
    """

    difference: float
    low: float | None
    high: float | None
    effect: float | None
    counts: tuple[int, int]
    p: float | None
    adjusted: float | None = None

    @property
    def verdict(self) -> str:
        return verdict(self.adjusted, self.difference)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class PairedComparison:
    """Two models on the same clips: how many only one of them answered correctly. `p` is of McNemar's exact test."""

    only_own: int
    only_baseline: int
    clips: int
    p: float | None
    adjusted: float | None = None

    @property
    def difference(self) -> float:
        """Of the accuracies, positive if it is better."""
        return (self.only_own - self.only_baseline) / self.clips

    @property
    def verdict(self) -> str:
        return verdict(self.adjusted, self.difference)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def verdict(adjusted: float | None, difference: float) -> str:
    """The outcome of a test in words."""
    if adjusted is None:
        return TOO_FEW
    if adjusted >= LEVEL:
        return NOT_SIGNIFICANT
    return BETTER if difference > 0 else WORSE


def mean_of(values: Sequence[float]) -> Estimate:
    """The estimate of at least one value."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Estimate(mean, None, None, None, count)
    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return Estimate(mean, deviation, mean - half, mean + half, count)


def welch(own: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """Welch's t-test, which does not assume equal deviations, and Hedges' g."""
    difference, counts = float(np.mean(own) - np.mean(baseline)), (len(own), len(baseline))
    if min(counts) < FEWEST:
        return Comparison(difference, None, None, None, counts, None)
    if np.ptp(own) == np.ptp(baseline) == 0:  # there is no deviation to measure a difference by
        return Comparison(difference, None, None, None, counts, None if difference else 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of equal values on one side, which are a valid sample
        test = stats.ttest_ind(own, baseline, equal_var=False)
    interval = test.confidence_interval()
    effect = hedges(own, baseline)
    return Comparison(difference, float(interval.low), float(interval.high), effect, counts, float(test.pvalue))


def hedges(own: Sequence[float], baseline: Sequence[float]) -> float:
    """Hedges' g (1981): the difference in pooled deviations, corrected for small samples."""
    first, second = ((np.mean(values), np.std(values, ddof=1), len(values)) for values in (own, baseline))
    return float(effectsize_smd(*first, *second)[0])


def detectable(count: int, comparisons: int) -> float:
    """The smallest effect, in deviations, that a t-test of `count` against `count` finds with probability POWER.

    The level is the strictest that Holm's correction applies to so many comparisons. The power follows from the
    noncentral t distribution; statsmodels' `TTestIndPower` is NaN for large effects.
    """
    freedom, level = 2 * count - 2, LEVEL / comparisons
    bound = stats.t.ppf(1 - level / 2, freedom)

    def shortfall(effect: float) -> float:
        return POWER - float(stats.nct.sf(bound, freedom, effect * math.sqrt(count / 2)))

    high = 1.0
    while shortfall(high) > 0 and high < LARGEST_EFFECT:
        high *= 2
    return float(optimize.brentq(shortfall, 1e-6, high))


def mcnemar(own: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> PairedComparison:
    """McNemar's exact test (1947), as a binomial test; bool [clips]: what each model answered correctly."""
    only_own, only_baseline = int((own & ~baseline).sum()), int((~own & baseline).sum())
    discordant = only_own + only_baseline
    if 2 * 0.5**discordant >= LEVEL and discordant:  # not even all on one side would be significant
        return PairedComparison(only_own, only_baseline, len(own), None)
    p = float(stats.binomtest(only_own, discordant).pvalue) if discordant else 1.0
    return PairedComparison(only_own, only_baseline, len(own), p)


def adjust(tests: Mapping[str, Test]) -> dict[str, Test]:
    """The tests with p adjusted by Holm's correction (1979); those without a p do not count."""
    values = {name: test.p for name, test in tests.items() if test.p is not None}
    adjusted = dict(zip(values, holm(list(values.values())), strict=True))
    return {name: replace(test, adjusted=adjusted.get(name)) for name, test in tests.items()}


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p values, to compare with LEVEL."""
    return [float(p) for p in multipletests(values, method="holm")[1]] if values else []


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ-b between two rankings, from −1 (reversed) to 1 (the same), and the p value of its test."""

    tau: float
    p: float
    count: int


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Kendall's τ-b (1945), which allows equal ranks."""
    result = stats.kendalltau(first, second)
    return Agreement(float(result.statistic), float(result.pvalue), len(first))
