"""Whether anything is heard: quiet stretches and constant noise need no network."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE

GRAIN = SAMPLE_RATE // 50  # samples of a level
FLOOR_SECONDS = 5.0  # the quietest hop of so long a time is the noise floor
RISE = 10**0.3  # 3 dB: of the noise floor's power, above which something is heard
QUIETEST = 1e-9  # mean power (-90 dB of full scale) below which nothing is heard, as in 16-bit quantisation noise
HELD_SECONDS = 0.9  # after the last sound: so long a part of it lies in the window


class Gate:
    """Call it with the samples of hop after hop; it says which of them end a window worth scoring.

    The noise floor is the lowest mean power of a hop in the last FLOOR_SECONDS: it follows a noise that ceases at
    once and one that sets in after that time, and speech, which pauses, does not raise it. Until so much was heard
    it is taken to be 0, so that everything passes.
    """

    def __init__(self, hop: int) -> None:
        """`hop` is in samples."""
        self.floors = max(1, round(FLOOR_SECONDS * SAMPLE_RATE / hop))
        self.held = round(HELD_SECONDS * SAMPLE_RATE / hop)
        self.reset()

    def reset(self) -> None:
        """Forget the noise."""
        self.powers = deque([0.0] * self.floors, self.floors)
        self.since = 0  # hops since the last sound

    def __call__(self, hops: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Hops float32 [n, samples] → bool [n]."""
        # The difference of neighbours lets rumble and a constant offset count little.
        steep = np.diff(hops, axis=1, prepend=hops[:, :1])
        grains = np.square(steep[:, : max(GRAIN, steep.shape[1] // GRAIN * GRAIN)])
        powers = grains.mean(1)
        peaks = grains.reshape(len(hops), -1, min(GRAIN, grains.shape[1])).mean(2).max(1)
        return np.array([self.passes(*pair) for pair in zip(powers.tolist(), peaks.tolist(), strict=True)], bool)

    def passes(self, power: float, peak: float) -> bool:
        """Take in one hop by its mean power and that of its loudest grain."""
        floor = min(self.powers)
        self.powers.append(power)
        self.since = 0 if peak > max(RISE * floor, QUIETEST) else self.since + 1
        return self.since <= self.held
