"""Does a word stand alone? By how much the pauses before and after it lie below it.

A command is said alone, a word of a sentence is not. The level of a word is that of its loudest 60 ms, the level of a
pause that of its loudest 20 ms: a mean would let through the beginning of the next word.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from speech_lstm.audio.energy import FRAME, LEAST_POWER
from speech_lstm.config import SAMPLE_RATE

PAUSE_SECONDS = 0.3  # before and after the word; within a sentence few are as long
LONGEST_SECONDS = 0.9  # of a word with its pauses in sight; no more fits into a window of the network
PEAK_FRAMES = 3  # that make the level of a word
FLOOR_SECONDS = 5.0  # the quietest pause of these is noise alone, as for `activity`
OVER_FLOOR = 10**0.4  # 4 dB: up to so many times the power of that pause, a pause is noise alone
# Above such pauses a word needs no more: in a noise 10 dB below it, it cannot lie 12 dB above its pauses.
LEAST_DB = 6.0
MOST_DB = 60.0  # the isolation of such a word, and the highest that can be asked for


class IsolationMeter:
    """Call it with the samples of hop after hop; it returns the isolation of the word before the end of each, in dB.

    The word is the loudest sound of the last 1.5 s that leaves room for a pause before and after it. Before the
    stream and after its end there is silence, which is a pause, but not the quietest of the stream.
    """

    def __init__(self, hop: int) -> None:
        """`hop` is in samples."""
        self.frames = max(1, round(hop / FRAME))  # in a hop
        self.frame = hop // self.frames  # samples
        self.pause, longest, floor = (
            round(seconds * SAMPLE_RATE / self.frame) for seconds in (PAUSE_SECONDS, LONGEST_SECONDS, FLOOR_SECONDS)
        )
        self.span, self.floor = longest + 2 * self.pause, floor
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.powers = np.zeros(self.floor + self.pause, np.float32)  # of the last frames
        self.noises = np.full_like(self.powers, np.inf)  # the same, without frames outside of the stream
        self.ended = False  # what comes now is the silence after the stream

    def __call__(self, hops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hops float32 [n, samples] → float32 [n] dB, at most MOST_DB."""
        frames = hops[:, : self.frames * self.frame].reshape(-1, self.frame)
        new = np.square(frames).mean(1)
        powers = np.concatenate([self.powers, new])
        noises = np.concatenate([self.noises, np.full_like(new, np.inf) if self.ended else new])
        ends = len(self.powers) + self.frames * np.arange(1, len(hops) + 1)  # of each hop, in frames
        kept = len(powers) - len(self.powers)
        self.powers, self.noises = powers[kept:].copy(), noises[kept:].copy()
        return self.isolations(powers, noises, ends) if len(hops) else np.zeros(0, np.float32)

    def isolations(
        self, powers: NDArray[np.float32], noises: NDArray[np.float32], ends: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The isolation at each of `ends`, the number of frames that have passed by then, at least `span` of them."""
        pauses = sliding_window_view(powers, self.pause).max(1)  # that begin at each frame
        windows = sliding_window_view(powers, self.span)[ends - self.span]
        levels = sliding_window_view(windows[:, self.pause - 1 : self.span - self.pause + 1], PEAK_FRAMES, 1).mean(2)
        peaks = self.pause + levels.argmax(1)[:, None]  # [n, 1], the middle frame of the word's loudest ones
        beginnings = np.arange(self.span - self.pause + 1)
        quiet = sliding_window_view(pauses, len(beginnings))[ends - self.span]  # the pauses within each window
        before = np.where(beginnings <= peaks - self.pause, quiet, np.inf).min(1)
        after = np.where(beginnings > peaks, quiet, np.inf).min(1)
        louder = np.maximum(before, after)
        noise_pauses = sliding_window_view(noises, self.pause).max(1)
        floors = sliding_window_view(noise_pauses, self.floor - self.pause + 1)[ends - self.floor].min(1)
        isolations = 10 * np.log10((levels.max(1) + LEAST_POWER) / (louder + LEAST_POWER))
        alone = (louder <= OVER_FLOOR * floors) & np.isfinite(floors) & (isolations >= LEAST_DB)
        return np.where(alone, MOST_DB, np.minimum(isolations, MOST_DB)).astype(np.float32)
