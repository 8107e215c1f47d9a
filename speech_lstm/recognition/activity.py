"""Voice activity: quiet hops and constant noise need no network."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import HIGH_HZ, LOW_HZ, noise_floor
from speech_lstm.config import SAMPLE_RATE

FRAME_SECONDS = 0.05  # about; the 20 ms of `audio.energy` vary more in constant noise, and no word is located here
FLOOR_SECONDS = 5.0  # speech pauses at least this often
FLOOR_PERCENT = 0  # the quietest hop: the mean of a hop varies little, and speech may fill all others
RISE = 10**0.4  # 4 dB: times the noise floor's power, from which a frame is active
QUIETEST = 1e-9  # of full scale's power, -90 dB: less is lost in the front end's logarithm
HOLD_SECONDS = 0.7  # after the last active frame: a word that ended earlier is too early in the window


class ActivityGate:
    """Call it with the samples of hop after hop; it returns which of them end a window worth scoring.

    The noise floor is the lowest mean power of a hop in the last FLOOR_SECONDS: it follows a noise that ceases at
    once and one that sets in after that time, and speech, which pauses, does not raise it. In the first FLOOR_SECONDS
    it is 0, so everything passes.
    """

    def __init__(self, hop: int) -> None:
        """`hop` is in samples."""
        self.frames = max(1, round(hop / SAMPLE_RATE / FRAME_SECONDS))  # in a hop
        self.frame = hop // self.frames  # samples
        self.window = np.hanning(self.frame + 2)[1:-1].astype(np.float32)
        hertz = np.fft.rfftfreq(self.frame, 1 / SAMPLE_RATE)
        self.band = slice(*np.searchsorted(hertz, [LOW_HZ, HIGH_HZ]))
        self.floor_hops = max(1, round(FLOOR_SECONDS * SAMPLE_RATE / hop))
        self.hold_hops = round(HOLD_SECONDS * SAMPLE_RATE / hop)
        self.reset()

    def reset(self) -> None:
        """Forget the noise."""
        self.powers = deque([0.0] * self.floor_hops, self.floor_hops)
        self.since = 0  # hops since the last active one

    def __call__(self, hops: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Hops float32 [n, samples] → bool [n]."""
        frames = hops[:, : self.frames * self.frame].reshape(-1, self.frames, self.frame) * self.window
        spectra = np.fft.rfft(frames)[..., self.band]
        powers = (spectra.real**2 + spectra.imag**2).sum(2) * 2 / self.frame / np.square(self.window).sum()
        return np.array([self.passes(row.mean(), row.max()) for row in powers], bool)

    def passes(self, power: float, peak: float) -> bool:
        """Whether one more hop passes, by its mean power in the band and that of its loudest frame."""
        floor = noise_floor(self.powers, FLOOR_PERCENT)
        self.powers.append(power)
        self.since = 0 if peak > max(RISE * floor, QUIETEST) else self.since + 1
        return self.since <= self.hold_hops
