"""A stream of audio → rows of posteriors, one for each hop: windows of a second, scored again and again.

Nothing here needs torch: what scores the windows is given, as NumPy in and NumPy out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE
from speech_lstm.recognition.activity import ActivityGate

# Silence put before and after the stream, so that a word at its edge has full windows. No more than a quarter of a
# window: noise that sets in from digital silence can sound like a word.
MARGIN = CLIP_SAMPLES // 4


class Rows(NamedTuple):
    """What a stream gives for some samples."""

    times: NDArray[np.float64]  # [n] seconds of the stream at which each window ends
    posteriors: NDArray[np.float32]  # [n, labels]


class Scorer(Protocol):
    """What scores the windows of a stream, which follow each other at `hop` samples."""

    labels: tuple[str, ...]
    hop: int

    def reset(self) -> None:
        """Forget the stream."""
        ...

    def __call__(self, samples: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Hear float32 [samples] that follow those of the last call and end with a window, the last of so many new
        ones as `wanted` bool [n] has items; returns the posteriors of those wanted, float32 [wanted, labels].

        The first window begins with the first sample.
        """
        ...


class Stream:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns the rows that are complete with each."""

    def __init__(self, scorer: Scorer, gated: bool = True) -> None:
        """Where it is `gated`, windows in which nothing is heard aren't scored: all of them is `_silence_`."""
        self.scorer, self.hop, self.labels = scorer, scorer.hop, scorer.labels
        self.margin = MARGIN // self.hop * self.hop
        self.gate = ActivityGate(self.hop) if gated else None
        self.silent = np.array([label == SILENCE for label in self.labels], np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self.scorer.reset()
        if self.gate is not None:
            self.gate.reset()
        self.waiting = np.zeros(self.margin, np.float32)  # samples after the last window's end
        self.rows = 0

    def __call__(self, block: NDArray[np.float32]) -> Rows:
        """Hear float32 [samples]."""
        self.waiting = np.concatenate([self.waiting, block])
        first = 0 if self.rows else CLIP_SAMPLES - self.hop  # samples beside a hop that the next window takes
        count = max(0, (len(self.waiting) - first) // self.hop)
        size = first + count * self.hop if count else 0
        samples, self.waiting = self.waiting[:size], self.waiting[size:].copy()
        ends = self.rows * self.hop + CLIP_SAMPLES - self.margin + self.hop * np.arange(count)
        self.rows += count
        return Rows(ends / SAMPLE_RATE, self.posteriors(samples, count))

    def finish(self) -> Rows:
        """The stream has ended: the windows that reach into the silence behind it. Hear nothing after but a reset."""
        return self(np.zeros(self.margin + self.hop, np.float32))

    def posteriors(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """The rows float32 [count, labels] of the windows that end in these samples."""
        rows = np.tile(self.silent, (count, 1))
        if count:
            hops = samples[len(samples) - count * self.hop :].reshape(count, self.hop)
            wanted = np.ones(count, bool) if self.gate is None else self.gate(hops)
            rows[wanted] = self.scorer(samples, wanted)
        return rows


class WaveformScorer:
    """Scores windows of samples: for a recogniser that has its front end inside."""

    def __init__(
        self,
        labels: tuple[str, ...],
        hop: int,
        posteriors: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> None:
        """`posteriors` makes of windows float32 [n, CLIP_SAMPLES] the probabilities float32 [n, labels]."""
        self.labels, self.hop, self.score = labels, hop, posteriors
        self.reset()

    def reset(self) -> None:
        self.samples = np.zeros(0, np.float32)  # from the next window's start

    def __call__(self, samples: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        held = np.concatenate([self.samples, samples])
        windows = np.lib.stride_tricks.sliding_window_view(held, CLIP_SAMPLES)[:: self.hop]
        self.samples = held[len(windows) * self.hop :].copy()
        return self.score(windows[wanted])
