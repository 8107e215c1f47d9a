"""Random variations of a take, as `audio.augment` makes them in training, with NumPy alone.

Time shift, speed, level, noise and the microphone's response. The response is a filter of the waveform here, and a
sum in the mel bands there, where the vocal tract is stretched too: in a waveform the change of speed does that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.mel import mel_of
from speech_lstm.config import SAMPLE_RATE, FeatureConfig

Floats = NDArray[np.float32]

CURVES = 4  # cosines of which a response is made, see `audio.timbre`
SHIFT = 0.1 * SAMPLE_RATE  # samples, at most, to either side
SPEED = 0.1  # fraction, at most, faster or slower
LEVEL_DB = 10.0
NOISY = 0.6  # fraction of the variations with noise
SNR_DB = (5.0, 35.0)
RESPONSE_DB = 3.0  # amplitude of each curve, at most
QUIETEST_NOISE = 1e-6  # level; quieter noise is not raised


@dataclass(frozen=True)
class Variation:
    """The random numbers of one variation."""

    rate: float  # samples read for each sample written
    shift: float  # samples; later is positive
    gain: float  # factor
    snr: float | None  # dB; None for no noise
    response: NDArray[np.float64]  # [CURVES] dB


def draw(random: np.random.Generator) -> Variation:
    """A variation at random."""
    return Variation(
        rate=random.uniform(1 - SPEED, 1 + SPEED),
        shift=round(random.uniform(-SHIFT, SHIFT)),
        gain=decibels(random.uniform(-LEVEL_DB, LEVEL_DB)),
        snr=random.uniform(*SNR_DB) if random.random() < NOISY else None,
        response=random.uniform(-RESPONSE_DB, RESPONSE_DB, CURVES),
    )


def vary(clip: Floats, variation: Variation, noise: Floats, features: FeatureConfig) -> Floats:
    """A changed copy of a clip float32 [samples]; `noise` has as many samples."""
    changed = filtered(resampled(clip, variation.rate, variation.shift), variation.response, features)
    changed = changed * np.float32(variation.gain)
    if variation.snr is not None:
        ratio = level(changed) / max(level(noise), QUIETEST_NOISE)
        changed = changed + noise * np.float32(ratio * decibels(-variation.snr))
    return np.clip(changed, -1, 1)


def resampled(clip: Floats, rate: float, shift: float) -> Floats:
    """Shift and speed in one pass: linear interpolation at (t − middle − shift) · rate + middle, zeros outside."""
    middle = len(clip) / 2
    times = np.arange(-1, len(clip) + 1)
    places = (np.arange(len(clip)) - middle - shift) * rate + middle
    return np.interp(places, times, np.pad(clip, 1), 0, 0).astype(np.float32)


def filtered(clip: Floats, response: NDArray[np.float64], features: FeatureConfig) -> Floats:
    """A clip as a microphone records it whose response is made of cosines over the mel scale, [CURVES] dB."""
    low, high = mel_of(features.low_hz), mel_of(features.high_hz)
    hertz = np.fft.rfftfreq(len(clip), 1 / SAMPLE_RATE)
    share = np.clip((mel_of(hertz) - low) / (high - low), 0, 1)
    curves = np.cos(math.pi * np.outer(np.arange(1, CURVES + 1), share))
    return np.fft.irfft(np.fft.rfft(clip) * decibels(response @ curves), len(clip)).astype(np.float32)


def decibels(gain: Any) -> Any:
    """The amplitude factor of a gain in dB."""
    return 10 ** (gain / 20)


def level(samples: Floats) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
