"""Where sound stands out of noise: the levels of short frames, the noise floor, and the stretches above it.

Six finders are built on it: `recognition.activity` (is a hop worth scoring?), `audio.level` (how loud is speech?),
`audio.word_recorder` (the next word of an input), `recognition.detector.find_word` (the last word of a window),
`streams.voices.word_bounds` (the word of a recording) and `training.suspects.is_steady` (is there a word in it?).
Their thresholds differ because their questions do; each constant says why.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE

FRAME = SAMPLE_RATE // 50  # samples: 20 ms, two periods of a deep voice and a small part of a syllable
LOW_HZ, HIGH_HZ = 300, 3500  # the band of speech that rumble, hum and hiss fill least
LEAST_POWER = 1e-12  # added before the logarithm: digital silence has −120 dBFS

Floats = NDArray[np.float64]


def rms(samples: NDArray[np.float32]) -> float:
    """The root of the mean square; 0 if empty."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) if len(samples) else 0.0


def frame_powers(samples: NDArray[np.float32], remainder: bool = False) -> Floats:
    """The mean square of each frame of samples [n]: float64 [n // FRAME].

    With `remainder`, the samples after the last whole frame are one more frame, a shorter one.
    """
    whole = len(samples) // FRAME * FRAME
    powers: Floats = np.square(samples[:whole].reshape(-1, FRAME), dtype=np.float64).mean(axis=1)
    if remainder and whole < len(samples):
        powers = np.append(powers, np.square(samples[whole:], dtype=np.float64).mean())
    return powers


def frame_levels(samples: NDArray[np.float32]) -> Floats:
    """The level of each whole frame of samples [n], in dB of full scale: float64 [n // FRAME]."""
    levels: Floats = 10 * np.log10(frame_powers(samples) + LEAST_POWER)
    return levels


def noise_floor(levels: Collection[float], percent: float) -> float:
    """The level that so many percent of the frames lie below, in the unit of `levels`; 0 is the quietest frame."""
    return float(np.percentile(np.fromiter(levels, np.float64), percent) if percent else min(levels))


def stretches(loud: NDArray[np.bool_], pause: int) -> list[tuple[int, int]]:
    """Runs of loud frames, bool [n]: the first frame of each and the one after its last.

    Loud frames up to `pause` frames apart belong to one run.
    """
    places = np.flatnonzero(loud)
    runs = np.split(places, np.flatnonzero(np.diff(places) > pause) + 1)
    return [(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
