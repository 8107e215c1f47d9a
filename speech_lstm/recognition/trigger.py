"""Rows of posteriors → commands: the decision alone, without audio and without a network.

It is quick enough to be run over hours of stored rows for one threshold after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SILENCE, UNKNOWN, DetectionConfig

HOP_SECONDS = 0.1  # from row to row
SMOOTHED_SECONDS = 0.3  # of rows that are averaged
RELEASE = 0.7  # of a word's threshold: below it a word that was found can be found again
REFRACTORY_SECONDS = 0.7  # after a word was found, in which it is not found again
LOCKOUT_SECONDS = 0.4  # after any word was found, in which no other is: one utterance is one command


class Firing(NamedTuple):
    """A command that was decided on."""

    label: str
    probability: float  # smoothed
    time: float  # seconds: that of the row at which it was decided
    scores: NDArray[np.float32]  # [labels], the smoothed row


class Trigger:
    """Call it with rows that follow each other, any number at a time; it returns the commands decided on with them.

    A word fires when its posterior, averaged over SMOOTHED_SECONDS, passes its threshold; it fires again only
    after it has fallen below RELEASE of that, and REFRACTORY_SECONDS after it last fired. `_unknown_` and
    `_silence_` never fire. What it decides depends on the rows alone, not on how many come at a time.
    """

    def __init__(
        self,
        labels: Sequence[str],
        detection: DetectionConfig,
        threshold: float | None = None,
        hop_seconds: float = HOP_SECONDS,
    ) -> None:
        """`threshold` takes the place of those in `detection`, for all words."""
        self.labels = tuple(labels)
        self.words = np.array([i for i, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)], np.intp)
        thresholds = [detection.threshold(labels[i]) if threshold is None else threshold for i in self.words]
        self.thresholds = np.array(thresholds, np.float32)  # [words]
        self.releases = np.float32(RELEASE) * self.thresholds
        self.smoothed = max(1, round(SMOOTHED_SECONDS / hop_seconds))
        self.reset()

    def reset(self) -> None:
        """Forget every row."""
        self.recent = np.zeros((0, len(self.labels)), np.float32)  # the last rows, fewer than `smoothed`
        self.scores = np.zeros(len(self.labels), np.float32)  # [labels], the newest smoothed row
        self.armed = np.ones(len(self.words), bool)
        self.fired = np.full(len(self.words), -np.inf)  # seconds: when each word last fired

    def __call__(self, times: NDArray[np.float64], posteriors: NDArray[np.float32]) -> list[Firing]:
        """Take in rows float32 [n, labels] of the times float64 [n], in seconds, which rise."""
        if not len(posteriors):
            return []
        rows = self.smooth(posteriors)
        self.scores = rows[-1]
        heights = rows[:, self.words]
        found = []
        eventful = np.flatnonzero((heights >= self.releases).any(1)).tolist()
        before = -1
        for i in eventful:
            if i > before + 1:  # there were rows in which every word lay below its release
                self.armed[:] = True
            before = i
            if (firing := self.consider(float(times[i]), heights[i])) is not None:
                found.append(
                    Firing(self.labels[self.words[firing]], float(heights[i, firing]), float(times[i]), rows[i])
                )
        if before < len(rows) - 1:
            self.armed[:] = True
        return found

    def smooth(self, posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each row's mean with the rows just before it, of which there are fewer at the beginning."""
        known = len(self.recent)
        rows = np.concatenate([self.recent, posteriors])
        total = np.zeros_like(posteriors)
        count = np.zeros((len(posteriors), 1), np.float32)
        for back in range(self.smoothed):
            first = max(0, back - known)  # of the new rows, that has a row so far back
            total[first:] += rows[known + first - back : len(rows) - back]
            count[first:] += 1
        self.recent = rows[max(0, len(rows) - self.smoothed + 1) :].copy()
        return total / count

    def consider(self, time: float, heights: NDArray[np.float32]) -> int | None:
        """The word that fires at a row whose words have these smoothed posteriors, if one does."""
        self.armed |= heights < self.releases
        if time - self.fired.max(initial=-np.inf) < LOCKOUT_SECONDS:
            return None
        ready = self.armed & (heights >= self.thresholds) & (time - self.fired >= REFRACTORY_SECONDS)
        if not ready.any():
            return None
        best = int(np.where(ready, heights, -1).argmax())
        self.armed[best] = False
        self.fired[best] = time
        return best
