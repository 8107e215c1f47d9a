"""A stream of audio → commands with their times: a one-second window is scored again and again."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, THRESHOLD, UNKNOWN
from speech_lstm.recognition.prediction import Prediction, Scorer

HOP_SECONDS = 0.1  # from window to window
SMOOTHED = 3  # windows whose posteriors are averaged: a word fills about five
REFRACTORY_SECONDS = 0.8  # after a command, in which nothing else is reported: one word is one command
FRAME = SAMPLE_RATE // 50  # samples: the grain of a command's start and end
LOUD_SHARE = 0.15  # of the loudest frame's amplitude: what counts as a part of the word
# Silence put before and after the stream, so that a word at its edge has full windows. No more than a quarter of a
# window: noise that sets in from digital silence can sound like a word.
MARGIN = CLIP_SAMPLES // 4


class Detector:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns what became certain with each.

    A command is reported when its smoothed posterior, having passed the threshold, stops rising. The answers
    depend on the samples alone, not on how they were cut into blocks.
    """

    def __init__(self, recognizer: Scorer, threshold: float = THRESHOLD, hop_seconds: float = HOP_SECONDS) -> None:
        self.recognizer, self.threshold = recognizer, threshold
        self.hop = round(hop_seconds * SAMPLE_RATE)
        self.commands = [i for i, label in enumerate(recognizer.labels) if label not in (SILENCE, UNKNOWN)]
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self.buffer = np.zeros(MARGIN, np.float32)
        self.heard = 0  # samples of the stream
        self.offset = -MARGIN  # place in the stream of the buffer's first sample
        self.recent: deque[NDArray[np.float32]] = deque(maxlen=SMOOTHED)
        self.candidate: Prediction | None = None
        self.quiet_until = 0.0
        self.scores = dict.fromkeys(self.recognizer.labels, 0.0)

    @property
    def seconds(self) -> float:
        """How much audio was heard."""
        return self.heard / SAMPLE_RATE

    def __call__(self, block: NDArray[np.float32]) -> list[Prediction]:
        """Hear float32 [samples]; returns the commands that are now certain."""
        self.heard += len(block)
        return self.advance(block)

    def finish(self) -> list[Prediction]:
        """The stream has ended: the commands that were still open. Hear nothing after it but a `reset`."""
        found = self.advance(np.zeros(MARGIN + self.hop, np.float32))
        if self.candidate is not None:
            found.append(self.candidate)
            self.candidate = None
        return found

    def advance(self, block: NDArray[np.float32]) -> list[Prediction]:
        """Score every window that is complete with these samples."""
        self.buffer = np.concatenate([self.buffer, block])
        count = max(0, (len(self.buffer) - CLIP_SAMPLES) // self.hop + 1)
        if not count:
            return []
        windows = np.lib.stride_tricks.sliding_window_view(self.buffer, CLIP_SAMPLES)[:: self.hop][:count]
        found = []
        for window, posterior in zip(windows, self.recognizer.posteriors(windows), strict=True):
            found += self.consider(window, posterior)
            self.offset += self.hop
        self.buffer = self.buffer[count * self.hop :].copy()
        return found

    def consider(self, window: NDArray[np.float32], posterior: NDArray[np.float32]) -> list[Prediction]:
        """Take one more window into account."""
        self.recent.append(posterior)
        smoothed = np.mean(self.recent, axis=0)
        self.scores = {label: float(p) for label, p in zip(self.recognizer.labels, smoothed, strict=True)}
        best = max(self.commands, key=lambda i: smoothed[i])
        candidate = self.candidate
        if candidate and smoothed[best] <= candidate.probability:
            self.candidate = None
            self.quiet_until = candidate.end + REFRACTORY_SECONDS
            return [candidate]
        begin, end = (self.offset / SAMPLE_RATE + edge for edge in loud_stretch(window))
        likeliest = smoothed[best] == smoothed.max()
        if likeliest and smoothed[best] >= self.threshold and (begin + end) / 2 >= self.quiet_until:
            self.candidate = Prediction(
                self.recognizer.labels[best],
                float(smoothed[best]),
                max(0.0, begin),
                min(self.seconds, end),
                self.scores,
            )
        return []


def loud_stretch(window: NDArray[np.float32]) -> tuple[float, float]:
    """Where the sound lies in a window float32 [samples], in seconds: from the first to the last loud frame."""
    frames = window[: len(window) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.sqrt(np.square(frames).mean(1))
    loud = np.flatnonzero(levels >= LOUD_SHARE * levels.max())
    return float(loud[0]) * FRAME / SAMPLE_RATE, float(loud[-1] + 1) * FRAME / SAMPLE_RATE
