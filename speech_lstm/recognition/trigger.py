"""Rows of posteriors → commands: the decision alone, without audio and without a network.

It is fast enough to run over hours of stored rows for one threshold after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import DetectionConfig, commands_of, is_number
from speech_lstm.errors import ConfigError, brief

HOP_SECONDS = 0.1  # from row to row
RELEASE = 0.5  # of a word's threshold: below it a word that fired can fire again
# A smoothed row covers 1.2 s. After nearly as much, the sound that made the word fire has left it: a posterior that
# is still high means that the word was said again, without a fall in between.
AGAIN_SECONDS = 1.1
REFRACTORY_SECONDS = 0.5  # after a word fired, in which the same word does not, whatever its posterior does
LOCKOUT_SECONDS = 0.3  # after any word fired, in which no word does: one utterance is one command
WAIT_SECONDS = 0.3  # for which a word that passed its threshold may wait for the pause after it


def check_threshold(threshold: float | None) -> None:
    """Raise ConfigError unless the threshold for all words is a number from 0 to 1, or None."""
    if threshold is not None and not (is_number(threshold) and 0 <= threshold <= 1):
        raise ConfigError(f"threshold is {brief(threshold)}; it must be a number from 0 to 1")


class Firing(NamedTuple):
    """A command that has been decided."""

    label: str
    probability: float  # smoothed
    time: float  # of the row that decided it, seconds
    scores: NDArray[np.float32]  # [labels], the smoothed row


class Trigger:
    """Call it with successive rows, any number at a time; it returns the commands that they decide.

    A word fires when its posterior, averaged over the smoothing time, passes its threshold; of several, the one with
    the highest posterior. It fires again once it has fallen below RELEASE of the threshold in between, but not within
    REFRACTORY_SECONDS; or after AGAIN_SECONDS without a fall. `_unknown_` and `_silence_` never fire.

    If words are to stand alone, one that would fire waits for the first row with enough isolation, for at most
    WAIT_SECONDS, unless it is sure. The commands depend on the rows alone, not on how many come at a time.
    """

    def __init__(
        self,
        labels: Sequence[str],
        detection: DetectionConfig,
        threshold: float | None = None,
        hop_seconds: float = HOP_SECONDS,
    ) -> None:
        """`threshold` replaces those in `detection`, for all words."""
        check_threshold(threshold)
        self.labels = tuple(labels)
        self.words = np.array([labels.index(command) for command in commands_of(labels)], np.intp)
        thresholds = [detection.threshold(labels[i]) if threshold is None else threshold for i in self.words]
        self.thresholds = np.array(thresholds, np.float32)  # [words]
        self.releases = np.float32(RELEASE) * self.thresholds
        self.smoothed, self.again, self.refractory, self.lockout = (
            max(1, round(seconds / hop_seconds))
            for seconds in (detection.smoothing, AGAIN_SECONDS, REFRACTORY_SECONDS, LOCKOUT_SECONDS)
        )
        self.isolation = np.float32(detection.isolation)
        sure = detection.sure if detection.sure < 1 else np.inf
        self.sure = np.maximum(self.thresholds, np.float32(sure))  # [words]
        self.wait = round(WAIT_SECONDS / hop_seconds) if detection.isolation else 0  # rows
        self.reset()

    def reset(self) -> None:
        """Forget every row."""
        self.recent = np.zeros((0, len(self.labels)), np.float32)  # the last rows, fewer than `smoothed`
        self.scores = np.zeros(len(self.labels), np.float32)  # [labels], the newest smoothed row
        self.rows = 0
        self.waiting = np.zeros((0, len(self.labels)), np.float32)  # the last smoothed rows, at most `wait`
        self.falls = np.zeros((1, len(self.words)), np.int64)  # rows below a release: before and in `waiting`
        self.fired = np.full(len(self.words), -self.again)  # number of the row at which each word last fired
        self.fallen = np.full(len(self.words), -1)  # what `falls` was then

    def __call__(
        self,
        times: NDArray[np.float64],
        posteriors: NDArray[np.float32],
        isolations: NDArray[np.float32] | None = None,
    ) -> list[Firing]:
        """Process rows float32 [n, labels] of the times float64 [n], in seconds, one hop apart.

        `isolations` are float32 [n] dB; without them every word stands alone.
        """
        if not len(posteriors):
            return []
        rows, old = np.concatenate([self.waiting, self.smooth(posteriors)]), len(self.waiting)
        heights = rows[:, self.words]
        falls = np.concatenate([self.falls, self.falls[-1] + np.cumsum(heights[old:] < self.releases, 0)])
        firings = []
        for i, alone in self.candidates(heights, isolations, old):
            part = slice(max(0, i - self.wait) if alone else i, i + 1)
            needed = self.thresholds if alone else self.sure
            if (decided := self.consider(self.rows + i - old, heights[part], falls[1:][part], needed)) is not None:
                row, word = part.start + decided[0], decided[1]
                label, probability = self.labels[self.words[word]], float(heights[row, word])
                firings.append(Firing(label, probability, float(times[i - old]), rows[row].copy()))
        self.rows += len(posteriors)
        self.scores = rows[-1].copy()
        first = max(0, len(rows) - self.wait)  # that a later row may still decide
        self.waiting, self.falls = rows[first:].copy(), falls[first:].copy()
        return firings

    def candidates(
        self, heights: NDArray[np.float32], isolations: NDArray[np.float32] | None, old: int
    ) -> list[tuple[int, bool]]:
        """The rows after the first `old` ones in which a word may fire, and whether it stands alone there.

        One that stands alone has passed its threshold in that row or a little before; any other is sure in that row.
        """
        passes = np.asarray((heights >= self.thresholds).any(1))
        waits = passes.copy()
        for back in range(1, self.wait + 1):
            waits[back:] |= passes[:-back]
        alone = np.ones(len(heights), np.bool_)
        if isolations is not None and self.isolation:
            alone[old:] = isolations >= self.isolation
        fires = np.where(alone, waits, (heights >= self.sure).any(1))
        return [(i, bool(alone[i])) for i in np.flatnonzero(fires).tolist() if i >= old]

    def smooth(self, posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each row's mean with the rows just before it, which are fewer at the beginning."""
        recent = len(self.recent)
        rows = np.concatenate([self.recent, posteriors])
        total = np.zeros_like(posteriors)
        count = np.zeros((len(posteriors), 1), np.float32)
        for back in range(min(self.smoothed, len(rows))):
            first = max(0, back - recent)  # of the new rows, that has a row so far back
            total[first:] += rows[recent + first - back : len(rows) - back]
            count[first:] += 1
        self.recent = rows[max(0, len(rows) - self.smoothed + 1) :].copy()
        return total / count

    def consider(
        self, row: int, heights: NDArray[np.float32], falls: NDArray[np.int64], needed: NDArray[np.float32]
    ) -> tuple[int, int] | None:
        """The word that fires at a row, if one does, by the smoothed posteriors and falls [n, words] up to that row.

        `needed` [words] are the thresholds. Returns which of the n rows made it fire, and the word.
        """
        if row - self.fired.max() < self.lockout:
            return None
        since = np.arange(row - len(heights) + 1, row + 1)[:, None] - self.fired
        armed = ((falls > self.fallen) & (since >= self.refractory)) | (since >= self.again)
        ready = armed & (heights >= needed) & (since.min(1, keepdims=True) >= self.lockout)
        if not ready.any():
            return None
        at, word = np.unravel_index(np.where(ready, heights, -1).argmax(), ready.shape)
        self.fired[word], self.fallen[word] = row, falls[-1, word]
        return int(at), int(word)
