"""The threshold of each word, chosen for a rate of false accepts per hour of all words together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from speech_lstm.config import DetectionConfig
from speech_lstm.corpus.speech_commands import listing
from speech_lstm.errors import SpeechLSTMError
from speech_lstm.streams.replay import StreamPosteriors
from speech_lstm.streams.score import StreamScore
from speech_lstm.streams.tradeoff import (
    HIGHEST,
    LOGIT_STEP,
    LOWEST,
    TradeOff,
    logit,
    sweep,
    with_thresholds,
)

NONE = -(10**9)  # matches of a word for which no threshold has so few false accepts


class ThresholdError(SpeechLSTMError):
    """A rate of false accepts that no thresholds reach."""


@dataclass(frozen=True)
class ChosenThresholds:
    """Thresholds, and the score that they reach on the streams that they were chosen on."""

    detection: DetectionConfig
    score: StreamScore
    rate: float  # the false accepts per hour that they were chosen for, in speech if there is any
    speech: StreamScore | None = None


def choose_thresholds(
    posteriors: StreamPosteriors, detection: DetectionConfig, rate: float, progress: bool = True
) -> ChosenThresholds:
    """Choose thresholds with at most `rate` false accepts per hour in all and the fewest commands not matched.

    First one threshold after another is tried for all words; these curves give the best share of the false accepts
    for each word. Because words also affect each other, the decisions are then replayed with these thresholds, with
    fewer false accepts to share out as long as there are too many. Raises ThresholdError where no threshold is high
    enough, and for a stream in which a command does not occur.
    """
    check_words(posteriors)
    grid = threshold_grid()
    curve = sweep(posteriors, detection, np.repeat(grid[:, None], len(posteriors.commands), 1), progress=progress)
    most = int(rate * posteriors.hours)
    settings = curve
    for budget in range(most, -1, -1):
        candidate = sweep(posteriors, detection, share_out(curve, budget)[None], progress=False)
        settings = settings.join(candidate)
        if candidate.false.sum() <= most:
            break
    allowed = np.flatnonzero(settings.false.sum(1) <= most)
    if not len(allowed):
        raise ThresholdError(
            f"thresholds of {grid[-1]:g} still give {curve.false[-1].sum()} false accepts in {posteriors.hours:g} h, "
            f"and {rate:g} an hour allows {most}; allow more, or train on the words that are falsely accepted"
        )
    best = allowed[settings.matched[allowed].sum(1).argmax()]
    chosen = with_thresholds(detection, posteriors.commands, settings.thresholds[best])
    chosen = replace(chosen, sound="single words")
    return ChosenThresholds(measured(chosen, posteriors, rate), posteriors.score(chosen), rate)


def check_words(posteriors: StreamPosteriors) -> None:
    """Raise ThresholdError for a stream in which a command does not occur."""
    words = {event.word for event in posteriors.events}
    if absent := [word for word in posteriors.commands if word not in words]:
        raise ThresholdError(
            f"{posteriors.hours:g} h of stream do not contain {listing(absent)}; make a longer one with --hours"
        )


def threshold_grid() -> NDArray[np.float64]:
    """The thresholds that are tried, the lowest first."""
    return np.round(expit(np.arange(logit(LOWEST), logit(HIGHEST), LOGIT_STEP)), 4)


def measured(detection: DetectionConfig, posteriors: StreamPosteriors, rate: float) -> DetectionConfig:
    """`detection` with the rate that it was chosen for, and the false accepts counted in these posteriors."""
    false = int(posteriors.counts(detection)[1].sum())
    return replace(detection, false_accepts_per_hour=rate, false_accepts=false, hours=posteriors.hours)


def share_out(curve: TradeOff, budget: int) -> NDArray[np.float64]:
    """The thresholds, float64 [commands], that share out `budget` false accepts so that most commands are matched.

    Words are taken as if they did not affect each other.
    Of thresholds with the same counts the middle one is taken, because the next stream is a little different.
    """
    words, counts = range(len(curve.commands)), range(budget + 1)
    # Matches of a word with at most n false accepts of its own, int64 [words, counts].
    alone = np.array([[curve.matched[curve.false[:, w] <= n, w].max(initial=NONE) for n in counts] for w in words])
    best = np.zeros(budget + 1, np.int64)  # matches of the words so far, with at most n false accepts in all
    own = np.zeros((len(words), budget + 1), np.int64)  # how many of the n are the word's own
    for w in words:
        sums = [best[n::-1] + alone[w, : n + 1] for n in counts]
        own[w] = [row.argmax() for row in sums]
        best = np.array([row.max() for row in sums])
    thresholds, remaining = np.zeros(len(words)), budget
    for w in reversed(words):
        count = own[w, remaining]
        remaining -= count
        equal = np.flatnonzero((curve.false[:, w] <= count) & (curve.matched[:, w] == alone[w, count]))
        thresholds[w] = curve.thresholds[equal[len(equal) // 2] if len(equal) else -1, w]
    return thresholds
