"""How often a word is accepted falsely: an extrapolation from the margins of other speech."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np

from speech_lstm.teaching.bank import Floats

SHARE = 0.05  # of the seconds, those with the highest margins, tell how fast the rest falls off
SECONDS = 3600  # an hour's windows that do not overlap
# A window above the margin is not always a detection: the windows beside it may lie below, and a word of a sentence
# has no pauses around it. For 100 such windows there were 10 to 60 detections (docs/teach.md).
DETECTED = 0.25


class Tail(NamedTuple):
    """The margins of seconds of speech above a start, whose excess falls off exponentially."""

    start: float  # exceeded by SHARE of the seconds
    scale: float  # the mean excess
    above: int  # seconds above the start

    @classmethod
    def of(cls, margins: Floats) -> Self:
        """The tail of margins float32 [seconds]."""
        start = float(np.quantile(margins, 1 - SHARE))
        excess = margins[margins > start] - start
        return cls(start, max(0.1, float(excess.mean())) if len(excess) else 1.0, len(excess))

    def margin(self, rate: float) -> float:
        """The margin with so many false accepts an hour."""
        return self.start + self.scale * math.log(DETECTED * SECONDS * SHARE / rate)

    def rate(self, margin: float, scale: float = 0.0) -> float:
        """False accepts an hour, of the seconds above a margin."""
        return DETECTED * SECONDS * SHARE * math.exp(-(margin - self.start) / (scale or self.scale))

    def interval(self, margin: float) -> tuple[float, float]:
        """The 95 % interval of `rate`, as the mean of so many exponential numbers has it."""
        error = 1.96 / math.sqrt(max(1, self.above))
        low, high = (self.rate(margin, self.scale * (1 + sign * error)) for sign in (-1, 1))
        return low, high
