"""The threshold of each word, chosen so that all words together have at most so many false accepts an hour."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from speech_lstm.config import DetectionConfig
from speech_lstm.corpus.speech_commands import listing
from speech_lstm.errors import SpeechLSTMError
from speech_lstm.streams.score import Rate, StreamScore
from speech_lstm.streams.tradeoff import (
    HIGHEST,
    LOGIT_STEP,
    LOWEST,
    Scored,
    TradeOff,
    logit,
    sweep,
    with_thresholds,
)

NONE = -(10**9)  # matched by a word that no threshold brings to so few false accepts
ENOUGH = 5  # false accepts that a stream should hold at the wanted rate, for a rate to be known by them


class CalibrationError(SpeechLSTMError):
    """A rate of false accepts that no thresholds give."""


@dataclass(frozen=True)
class Calibration:
    """Thresholds with what they did on the stream that they were chosen on."""

    detection: DetectionConfig
    score: StreamScore
    rate: float  # false accepts an hour that were wanted

    @property
    def notes(self) -> list[str]:
        """What the stream is too short to know, for people."""
        hours = self.score.hours
        expected = self.rate * hours
        if expected >= ENOUGH:
            return []
        low, high = Rate(int(expected), hours).interval
        return [
            f"the stream is too short to know the rate: {self.rate:g} an hour are {expected:.1f} in {hours:g} h, "
            f"and {int(expected)} may come of {low:.2f} to {high:.2f} an hour; --hours {ENOUGH / self.rate:g} tells"
        ]


def calibrate(scored: Scored, detection: DetectionConfig, rate: float, progress: bool = True) -> Calibration:
    """Choose thresholds with at most `rate` false accepts an hour in all and the fewest commands not matched.

    First all words are tried at one threshold after another; from those curves the best share of the false accepts
    for each word follows. As words also stand in each other's way, what comes out is decided anew, with a smaller
    number to share out as long as there are too many. Raises CalibrationError where no threshold is high enough, and
    for a stream in which a command is not said.
    """
    said = {event.word for event in scored.events}
    if silent := [word for word in scored.commands if word not in said]:
        raise CalibrationError(
            f"in {scored.hours:g} h nobody says {listing(silent)}; take a longer stream with --hours"
        )
    grid = np.round(expit(np.arange(logit(LOWEST), logit(HIGHEST), LOGIT_STEP)), 4)
    curve = sweep(scored, detection, np.repeat(grid[:, None], len(scored.commands), 1), progress=progress)
    most = int(rate * scored.hours)
    tried = curve
    for budget in range(most, -1, -1):
        shared = sweep(scored, detection, shared_out(curve, budget)[None], progress=False)
        tried = tried.joined(shared)
        if shared.false.sum() <= most:
            break
    allowed = np.flatnonzero(tried.false.sum(1) <= most)
    if not len(allowed):
        raise CalibrationError(
            f"even thresholds of {grid[-1]:g} give {curve.false[-1].sum()} false accepts in {scored.hours:g} h, "
            f"and {rate:g} an hour allows {most}; allow more, or train on what it takes for commands"
        )
    best = allowed[tried.matched[allowed].sum(1).argmax()]
    chosen = with_thresholds(detection, scored.commands, tried.thresholds[best])
    chosen = replace(chosen, false_accepts_per_hour=rate)
    score = StreamScore(scored.hours, scored.commands, scored.events, scored.decide(chosen))
    return Calibration(chosen, score, rate)


def shared_out(curve: TradeOff, budget: int) -> NDArray[np.float64]:
    """The threshold of each word, float64 [commands], by which `budget` false accepts are shared out so that most
    commands are matched, as if no word stood in another's way.

    Of thresholds that do the same for a word the middle one is taken: the next stream is a little different.
    """
    words, counts = range(len(curve.commands)), range(budget + 1)
    # What a word matches with at most n false accepts of its own, int64 [words, counts].
    alone = np.array([[curve.matched[curve.false[:, w] <= n, w].max(initial=NONE) for n in counts] for w in words])
    best = np.zeros(budget + 1, np.int64)  # matched by the words so far, with at most n false accepts in all
    given = np.zeros((len(words), budget + 1), np.int64)  # how many of the n are the word's own
    for w in words:
        sums = [best[n::-1] + alone[w, : n + 1] for n in counts]
        given[w] = [row.argmax() for row in sums]
        best = np.array([row.max() for row in sums])
    thresholds, left = np.zeros(len(words)), budget
    for w in reversed(words):
        own = given[w, left]
        left -= own
        equal = np.flatnonzero((curve.false[:, w] <= own) & (curve.matched[:, w] == alone[w, own]))
        thresholds[w] = curve.thresholds[equal[len(equal) // 2] if len(equal) else -1, w]
    return thresholds
