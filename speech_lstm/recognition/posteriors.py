"""A stream of audio → rows of posteriors, one for each hop: windows of a second that overlap.

Nothing here needs torch: the scorer of the windows is an argument, NumPy in and NumPy out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import sample_block
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE
from speech_lstm.progress import Bar
from speech_lstm.recognition.activity import ActivityGate
from speech_lstm.recognition.isolation import PAUSE_SECONDS, IsolationMeter

# Silence put before and after the stream, so that a word at its edge has full windows. No more than a quarter of a
# window: noise that sets in after digital silence can sound like a word.
MARGIN = CLIP_SAMPLES // 4


class Rows(NamedTuple):
    """Posteriors of successive windows."""

    times: NDArray[np.float64]  # [n] seconds of the stream at which each window ends
    posteriors: NDArray[np.float32]  # [n, labels]
    isolations: NDArray[np.float32]  # [n] dB by which the pauses around the word in each window lie below it

    @staticmethod
    def join(parts: Sequence[Rows]) -> Rows:
        """All rows of the parts, one after the other."""
        return Rows(*map(np.concatenate, zip(*parts, strict=True)))


class Scorer(Protocol):
    """Scores the windows of a stream, each `hop` samples after the last."""

    labels: tuple[str, ...]
    hop: int

    def reset(self) -> None:
        """Forget the stream."""
        ...

    def __call__(self, samples: NDArray[np.float32], selected: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The posteriors float32 [selected, labels] of the windows that `selected` bool [n] marks, of n new ones.

        float32 [samples] follow those of the last call and end with the last new window. The stream's first window
        begins with its first sample.
        """
        ...


class Stream:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns the rows that each completes."""

    def __init__(self, scorer: Scorer, gated: bool = True) -> None:
        """If `gated`, windows without sound are not scored: they are `_silence_` with certainty."""
        self.scorer, self.hop, self.labels = scorer, scorer.hop, scorer.labels
        self.margin = MARGIN // self.hop * self.hop
        self.gate = ActivityGate(self.hop) if gated else None
        self.meter = IsolationMeter(self.hop)
        self.silence_row = np.array([label == SILENCE for label in self.labels], np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.scorer.reset()
        self.meter.reset()
        if self.gate is not None:
            self.gate.reset()
        self.waiting = np.zeros(self.margin, np.float32)  # samples after the last window's end
        self.rows = 0

    def __call__(self, block: NDArray[np.float32]) -> Rows:
        """The rows that float32 [samples] complete. Raises RecordingError for what are no samples."""
        self.waiting = np.concatenate([self.waiting, sample_block(block)])
        first = 0 if self.rows else CLIP_SAMPLES - self.hop  # samples that the next window needs besides a hop
        count = max(0, (len(self.waiting) - first) // self.hop)
        size = first + count * self.hop if count else 0
        samples, self.waiting = self.waiting[:size], self.waiting[size:].copy()
        ends = self.rows * self.hop + CLIP_SAMPLES - self.margin + self.hop * np.arange(count)
        self.rows += count
        return Rows(ends / SAMPLE_RATE, self.posteriors(samples, count), self.isolations(samples, count))

    def finish(self) -> Rows:
        """The stream has ended: the rows of the windows that reach into the silence after it. `reset` comes next."""
        self.meter.ended = True
        rows = self(np.zeros(self.margin + self.hop, np.float32))
        pause = self.meter(np.zeros((math.ceil(PAUSE_SECONDS * SAMPLE_RATE / self.hop), self.hop), np.float32))
        rows.isolations[-1:] = np.maximum(rows.isolations[-1:], pause[-1])  # the silence goes on
        return rows

    def posteriors(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """The rows float32 [count, labels] of the windows that end in these samples."""
        rows = np.tile(self.silence_row, (count, 1))
        if count:
            hops = samples[len(samples) - count * self.hop :].reshape(count, self.hop)
            selected = np.ones(count, bool) if self.gate is None else self.gate(hops)
            rows[selected] = self.scorer(samples, selected)
        return rows

    def isolations(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """The isolations float32 [count] at the ends of these windows; the first samples are more than their hops."""
        hops = len(samples) // self.hop
        return self.meter(samples[len(samples) - hops * self.hop :].reshape(hops, self.hop))[hops - count :]


def whole_stream(
    stream: Stream, blocks: Iterable[NDArray[np.float32]], seconds: float | None = None, progress: bool = True
) -> tuple[Rows, float]:
    """The rows of a stream from its first block to its end, and its length in seconds.

    `seconds` is the length for the bar of progress, if it is known before.
    """
    parts, samples, total = [], 0, None if seconds is None else round(seconds)
    with Bar(desc="recognising", total=total, unit="s", disable=not progress) as bar:
        for block in blocks:
            parts.append(stream(block))
            samples += len(block)
            bar.update(samples // SAMPLE_RATE - bar.n)
    return Rows.join([*parts, stream.finish()]), samples / SAMPLE_RATE


class WaveformScorer:
    """Scores windows of samples, for a recogniser that includes its front end."""

    def __init__(
        self,
        labels: tuple[str, ...],
        hop: int,
        posteriors: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> None:
        """`posteriors` maps windows float32 [n, CLIP_SAMPLES] to probabilities float32 [n, labels]."""
        self.labels, self.hop, self.score = labels, hop, posteriors
        self.reset()

    def reset(self) -> None:
        self.samples = np.zeros(0, np.float32)  # from the next window's start

    def __call__(self, samples: NDArray[np.float32], selected: NDArray[np.bool_]) -> NDArray[np.float32]:
        joined = np.concatenate([self.samples, samples])
        windows = np.lib.stride_tricks.sliding_window_view(joined, CLIP_SAMPLES)[:: self.hop]
        self.samples = joined[len(windows) * self.hop :].copy()
        return self.score(windows[selected])
