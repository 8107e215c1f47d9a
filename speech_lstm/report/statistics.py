"""The tests of a study, on plain arrays: each says how large a difference is, how sure, and whether it can say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

LEVEL = 0.05  # of significance, after Holm's correction
POWER = 0.8  # a difference that would be found four times in five
FEWEST = 3  # trainings on each side, below which Welch's test is not asked
LARGEST_EFFECT = 1e3  # deviations; what even the fewest trainings find

Test = TypeVar("Test", "Comparison", "Paired")


@dataclass(frozen=True)
class Mean:
    """Mean, deviation and 95 % interval (Student's t) of some values; None where one value says nothing."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Comparison:
    """One against the baseline: `difference` of the means, positive where it is the better, and its 95 % interval.

    `effect` is Hedges' g. `p` is of Welch's test, `adjusted` after Holm's correction; both None with too few values.
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


@dataclass(frozen=True)
class Paired:
    """Two models on the same clips: how many only one of them had right. `p` is of McNemar's exact test."""

    only_own: int
    only_baseline: int
    clips: int
    p: float | None
    adjusted: float | None = None

    @property
    def difference(self) -> float:
        """Of the accuracies, positive where it is the better."""
        return (self.only_own - self.only_baseline) / self.clips

    @property
    def verdict(self) -> str:
        return verdict(self.adjusted, self.difference)


def verdict(adjusted: float | None, difference: float) -> str:
    """What a test says, in words."""
    if adjusted is None:
        return "too few to say anything"
    if adjusted >= LEVEL:
        return "not significant"
    return "better" if difference > 0 else "worse"


def mean_of(values: Sequence[float]) -> Mean:
    """Mean, deviation (of a sample) and interval of at least one value."""
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Mean(mean, None, None, None, count)
    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return Mean(mean, deviation, mean - half, mean + half, count)


def welch(own: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """Welch's t-test, which takes the two deviations as different, and Hedges' g."""
    difference, counts = float(np.mean(own) - np.mean(baseline)), (len(own), len(baseline))
    if min(counts) < FEWEST:
        return Comparison(difference, None, None, None, counts, None)
    squared = np.array([np.var(own, ddof=1) / len(own), np.var(baseline, ddof=1) / len(baseline)])
    if squared.sum() == 0:  # all alike: there is nothing to measure a difference by
        return Comparison(difference, None, None, None, counts, None if difference else 1.0)
    error = math.sqrt(squared.sum())
    freedom = squared.sum() ** 2 / (squared**2 / (np.array(counts) - 1)).sum()  # Welch 1947
    half = float(stats.t.ppf(0.975, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return Comparison(difference, difference - half, difference + half, hedges(own, baseline), counts, p)


def hedges(own: Sequence[float], baseline: Sequence[float]) -> float:
    """Hedges' g (1981): the difference in pooled deviations, with the usual correction for small samples."""
    first, second = len(own), len(baseline)
    pooled = ((first - 1) * np.var(own, ddof=1) + (second - 1) * np.var(baseline, ddof=1)) / (first + second - 2)
    return float((np.mean(own) - np.mean(baseline)) / math.sqrt(pooled) * (1 - 3 / (4 * (first + second) - 9)))


def detectable(count: int, comparisons: int) -> float:
    """The smallest effect, in deviations, that a test of `count` against `count` finds with a chance of POWER.

    At the strictest level that Holm's correction asks of so many comparisons; from the noncentral t distribution.
    """
    freedom, level = 2 * count - 2, LEVEL / comparisons
    bound = stats.t.ppf(1 - level / 2, freedom)

    def missing(effect: float) -> float:
        return POWER - float(stats.nct.sf(bound, freedom, effect * math.sqrt(count / 2)))

    high = 1.0
    while missing(high) > 0 and high < LARGEST_EFFECT:
        high *= 2
    return float(optimize.brentq(missing, 1e-6, high))


def mcnemar(own: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> Paired:
    """McNemar's exact test on which clips, bool [n], each model had right (McNemar 1947, as a binomial test)."""
    only_own, only_baseline = int((own & ~baseline).sum()), int((~own & baseline).sum())
    differ = only_own + only_baseline
    if 2 * 0.5**differ >= LEVEL and differ:  # not even all on one side would be significant
        return Paired(only_own, only_baseline, len(own), None)
    p = float(stats.binomtest(only_own, differ).pvalue) if differ else 1.0
    return Paired(only_own, only_baseline, len(own), p)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's (1979) correction for several tests: adjusted p, to be held against the level."""
    order = np.argsort(values)
    scaled = np.asarray(values, float)[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]


def corrected(tests: dict[str, Test]) -> dict[str, Test]:
    """The tests with their adjusted p; those that can't say anything are not counted."""
    asked = {name: test.p for name, test in tests.items() if test.p is not None}
    adjusted = dict(zip(asked, holm(list(asked.values())), strict=True))
    return {name: replace(test, adjusted=adjusted.get(name)) for name, test in tests.items()}


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ-b between two rankings, from −1 (reversed) to 1 (the same), and the p of its test."""

    tau: float
    p: float
    count: int


def agreement(published: Sequence[float], found: Sequence[float]) -> Agreement:
    """Kendall's τ-b, which allows equal ranks (Kendall 1945)."""
    result = stats.kendalltau(published, found)
    return Agreement(float(result.statistic), float(result.pvalue), len(found))
