"""Whether anything is heard: quiet stretches and constant noise need no network."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE

LOW_HZ, HIGH_HZ = 300, 3500  # the band of speech that rumble, hum and hiss fill least
GRAIN_SECONDS = 0.05  # of a level, about: shorter ones vary more in constant noise
FLOOR_SECONDS = 5.0  # the quietest hop of so long a time is the noise floor
RISE = 10**0.4  # 4 dB: times the noise floor's power, from which something is heard
QUIETEST = 1e-9  # of full scale's power, -90 dB: what lies below is lost in the front end's logarithm
HELD_SECONDS = 0.7  # after the last sound: a word that ended so long ago lies too early in the window


class ActivityGate:
    """Call it with the samples of hop after hop; it says which of them end a window worth scoring.

    The noise floor is the lowest mean power of a hop in the last FLOOR_SECONDS: it follows a noise that ceases at
    once and one that sets in after that time, and speech, which pauses, does not raise it. Until so much was heard
    it is taken to be 0, so that everything passes.
    """

    def __init__(self, hop: int) -> None:
        """`hop` is in samples."""
        self.grains = max(1, round(hop / SAMPLE_RATE / GRAIN_SECONDS))  # of a hop
        self.grain = hop // self.grains  # samples
        self.window = np.hanning(self.grain + 2)[1:-1].astype(np.float32)
        hertz = np.fft.rfftfreq(self.grain, 1 / SAMPLE_RATE)
        self.band = slice(*np.searchsorted(hertz, [LOW_HZ, HIGH_HZ]))
        self.floors = max(1, round(FLOOR_SECONDS * SAMPLE_RATE / hop))
        self.held = round(HELD_SECONDS * SAMPLE_RATE / hop)
        self.reset()

    def reset(self) -> None:
        """Forget the noise."""
        self.powers = deque([0.0] * self.floors, self.floors)
        self.since = 0  # hops since the last sound

    def __call__(self, hops: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Hops float32 [n, samples] → bool [n]."""
        grains = hops[:, : self.grains * self.grain].reshape(-1, self.grains, self.grain) * self.window
        spectra = np.fft.rfft(grains)[..., self.band]
        powers = (spectra.real**2 + spectra.imag**2).sum(2) * 2 / self.grain / np.square(self.window).sum()
        return np.array([self.passes(row.mean(), row.max()) for row in powers], bool)

    def passes(self, power: float, peak: float) -> bool:
        """Take in one hop by its mean power in the band and that of its loudest grain."""
        floor = min(self.powers)
        self.powers.append(power)
        self.since = 0 if peak > max(RISE * floor, QUIETEST) else self.since + 1
        return self.since <= self.held
