"""Sounds and settings of the front end."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import fft_length
from speech_lstm.config import SAMPLE_RATE, FeatureConfig


def sounds(count: int = 2, samples: int = SAMPLE_RATE, seed: int = 0) -> NDArray[np.float32]:
    """Chirps of different level in a little noise: energy in every band, loud and quiet."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / SAMPLE_RATE
    rows = []
    for level in 0.5 ** np.arange(count):
        chirp = np.sin(2 * np.pi * (100 + 3500 * time) * time + random.uniform(0, 6))
        rows.append(level * (0.5 * chirp + 0.01 * random.standard_normal(samples)))
    return np.stack(rows).astype(np.float32)


def triangles(config: FeatureConfig) -> NDArray[np.float64]:
    """The weight of every bin in every mel band, from the HTK formula."""
    low, high = 2595 * np.log10(1 + np.array([config.low_hz, config.high_hz]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, config.mels + 2) / 2595) - 1)
    hz = np.arange(fft_length(config) // 2 + 1) * SAMPLE_RATE / fft_length(config)
    bands = []
    for left, middle, right in zip(edges, edges[1:], edges[2:], strict=False):
        bands.append(np.clip(np.minimum((hz - left) / (middle - left), (right - hz) / (right - middle)), 0, None))
    return np.array(bands)


VARIED = st.builds(
    FeatureConfig,
    kind=st.sampled_from(["mfcc", "log-mel"]),
    window_ms=st.sampled_from([20.0, 25.0, 30.0, 32.0, 40.0]) | st.floats(12, 64),
    hop_ms=st.sampled_from([5.0, 10.0, 12.0]),
    mels=st.integers(20, 90),
    coefficients=st.integers(1, 20),
    low_hz=st.floats(0, 300),
    high_hz=st.floats(3000, 8000),
).filter(lambda config: triangles(config).max(1).min() > 0.1)  # one bin at a band's edge magnifies rounding
