"""The whole decision, chosen for a rate of false accepts per hour of continuous speech."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from speech_lstm.config import DetectionConfig
from speech_lstm.report.proportion import Proportion
from speech_lstm.streams.replay import StreamPosteriors
from speech_lstm.streams.thresholds import (
    ChosenThresholds,
    ThresholdError,
    check_words,
    measured,
    threshold_grid,
)
from speech_lstm.streams.tradeoff import TradeOff, sweep

SMOOTHINGS = (0.3, 0.4, 0.5, 0.6)  # seconds
ISOLATIONS = (0.0, 6.0, 9.0, 12.0)  # dB

Way = tuple[float, float]  # smoothing in seconds, isolation in dB


@dataclass(frozen=True)
class Material:
    """What a decision is chosen on, and the false accepts per hour that it may have."""

    stream: StreamPosteriors  # has the commands
    speech: StreamPosteriors
    rate: float  # in the speech
    stream_rate: float | None = None  # in the stream; None: any

    def allows(self, counts: TradeOff) -> bool:
        """Whether the only setting of these counts has so few false accepts."""
        most = np.inf if self.stream_rate is None else self.stream_rate * self.stream.hours
        return bool(counts.of(True).false.sum() <= self.rate * self.speech.hours and counts.false.sum() <= most)

    def counts(self, detection: DetectionConfig, threshold: float) -> TradeOff:
        """The counts of a setting: one threshold for all words."""
        thresholds = np.full((1, len(self.stream.commands)), threshold)
        return sweep(self.stream, detection, thresholds, progress=False, speech=self.speech)


@dataclass(frozen=True)
class Comparison:
    """The commands not matched at the rates, for each way to decide; None where no threshold reaches them."""

    missed: dict[Way, Proportion | None]

    @property
    def best(self) -> Way | None:
        """The way with the fewest; of several, the one with the least smoothing, then the least isolation."""
        reached = {way: share.hits for way, share in self.missed.items() if share is not None}
        return min(reached, key=lambda way: (reached[way], way), default=None)


def choose_decision(
    material: Material, detection: DetectionConfig, progress: bool = True
) -> tuple[ChosenThresholds, Comparison]:
    """Choose smoothing, isolation and a threshold with the rates of the material and the fewest commands not matched.

    The threshold is the same for all words: an allowed rate is a handful of false accepts, which say little about
    each word in other speech. Raises ThresholdError where no threshold is high enough, and for a stream in which a
    command does not occur.
    """
    from tqdm import tqdm

    check_words(material.stream)
    ways = tqdm(list(product(SMOOTHINGS, ISOLATIONS)), desc="comparing", unit="way", disable=not progress, delay=2)
    lowest = {way: lowest_threshold(material, with_way(detection, way)) for way in ways}
    comparison = Comparison({way: found and missed_of(found[1]) for way, found in lowest.items()})
    if comparison.best is None or (found := lowest[comparison.best]) is None:
        raise ThresholdError(
            f"no threshold has at most {material.rate:g} false accepts an hour "
            f"in the {material.speech.hours:.3g} h of speech"
            + ("" if material.stream_rate is None else f" and {material.stream_rate:g} an hour in the stream")
            + "; allow more, or train on the words that are falsely accepted"
        )
    thresholds = dict.fromkeys(material.stream.commands, found[0])
    chosen = replace(with_way(detection, comparison.best), thresholds=thresholds, sound="continuous speech")
    chosen = measured(chosen, material.speech, material.rate)
    scores = material.stream.score(chosen), material.speech.score(chosen)
    return ChosenThresholds(chosen, scores[0], material.rate, scores[1]), comparison


def with_way(detection: DetectionConfig, way: Way) -> DetectionConfig:
    """`detection` with another smoothing and isolation."""
    return replace(detection, smoothing=way[0], isolation=way[1])


def lowest_threshold(material: Material, detection: DetectionConfig) -> tuple[float, TradeOff] | None:
    """The lowest threshold for all words that the material allows, and its counts; None if it allows none.

    It is searched by halves: a higher threshold has fewer false accepts, but for a few that only move.
    """
    grid = threshold_grid()
    first, end, found = 0, len(grid), None
    while first < end:
        middle = (first + end) // 2
        counts = material.counts(detection, float(grid[middle]))
        if material.allows(counts):
            found, end = (float(grid[middle]), counts), middle
        else:
            first = middle + 1
    return found


def missed_of(counts: TradeOff) -> Proportion:
    """The spoken commands that the only setting of these counts does not match."""
    said = int(counts.occurrences.sum())
    return Proportion(said - int(counts.matched.sum()), said)
