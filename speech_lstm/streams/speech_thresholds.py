"""The whole decision, chosen for a rate of false accepts per hour of continuous speech."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

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

SMOOTHINGS = (0.3, 0.4, 0.5, 0.6)  # seconds
ISOLATIONS = (0.0, 6.0, 9.0, 12.0)  # dB
SURE = (1.0, 0.99, 0.98, 0.97, 0.95)  # probabilities from which a command needs no pauses; 1: it always does

Way = tuple[float, float]  # smoothing in seconds, isolation in dB


@dataclass(frozen=True)
class Material:
    """What a decision is chosen on, and the false accepts per hour that it may have."""

    stream: StreamPosteriors  # has the commands
    speech: StreamPosteriors
    rate: float  # in the speech
    stream_rate: float | None = None  # in the stream; None: any

    def allows(self, detection: DetectionConfig) -> bool:
        """Whether a decision has so few false accepts."""
        if self.speech.counts(detection)[1].sum() > self.rate * self.speech.hours:
            return False
        if self.stream_rate is None:
            return True
        return bool(self.stream.counts(detection)[1].sum() <= self.stream_rate * self.stream.hours)


@dataclass(frozen=True)
class Comparison:
    """The commands that are not matched at the rates, for each way to decide; None: no threshold."""

    missed: dict[Way, Proportion | None]

    @property
    def best(self) -> Way | None:
        """The way with the fewest; of several, the one with the least smoothing, then the least isolation."""
        reached = {way: share.hits for way, share in self.missed.items() if share is not None}
        return min(reached, key=lambda way: (reached[way], way), default=None)


def choose_decision(
    material: Material, detection: DetectionConfig, progress: bool = True
) -> tuple[ChosenThresholds, Comparison]:
    """Choose smoothing, isolation and thresholds with the rates of the material that match most commands.

    The threshold is the same for all words, and so is the higher one from which a command needs no pauses:
    an allowed rate is a handful of false accepts, which say little about each word in other speech.
    Raises ThresholdError where no threshold is high enough, and for a stream in which a command does not occur.
    """
    from speech_lstm.progress import Bar

    check_words(material.stream)
    ways = Bar(list(product(SMOOTHINGS, ISOLATIONS)), desc="comparing", unit="way", disable=not progress)
    settings = {way: best_thresholds(material, with_way(detection, way)) for way in ways}
    comparison = Comparison(
        {way: found.score.total.not_matched if found else None for way, found in settings.items()}
    )
    if comparison.best is None or (chosen := settings[comparison.best]) is None:
        raise ThresholdError(
            f"no threshold has at most {material.rate:g} false accepts an hour "
            f"in the {material.speech.hours:.3g} h of speech"
            + ("" if material.stream_rate is None else f" and {material.stream_rate:g} an hour in the stream")
            + "; allow more, or train on the words that are falsely accepted"
        )
    detection = measured(replace(chosen.detection, sound="continuous speech"), material.speech, material.rate)
    return replace(chosen, detection=detection, speech=material.speech.score(detection)), comparison


def best_thresholds(material: Material, detection: DetectionConfig) -> ChosenThresholds | None:
    """`detection` with those thresholds that the material allows and that match most commands; None without any."""
    found = []
    for sure in SURE if detection.isolation else (1.0,):
        if setting := lowest_threshold(material, replace(detection, sure=sure)):
            found.append(ChosenThresholds(setting, material.stream.score(setting), material.rate))
    return min(found, key=lambda chosen: chosen.score.total.not_matched.hits, default=None)


def with_way(detection: DetectionConfig, way: Way) -> DetectionConfig:
    """`detection` with another smoothing and isolation."""
    return replace(detection, smoothing=way[0], isolation=way[1])


def lowest_threshold(material: Material, detection: DetectionConfig) -> DetectionConfig | None:
    """`detection` with the lowest threshold for all words that the material allows; None if it allows none.

    It is searched by halves: a higher threshold has fewer false accepts, but for a few that only move.
    """
    grid = threshold_grid()
    first, end, lowest = 0, len(grid), None
    while first < end:
        middle = (first + end) // 2
        setting = replace(detection, thresholds=dict.fromkeys(material.stream.commands, float(grid[middle])))
        if material.allows(setting):
            lowest, end = setting, middle
        else:
            first = middle + 1
    return lowest
