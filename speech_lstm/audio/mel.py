"""The HTK mel scale and its triangular bands, without torch, which the live view must not import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SAMPLE_RATE

BREAK_HZ = 700.0  # below it the scale is nearly linear, above it logarithmic
MELS_PER_DECADE = 2595.0  # 1000 Hz are then 1000 mel

Floats = NDArray[np.float64]


def mel_of(hertz: Any, log10: Callable[[Any], Any] = np.log10) -> Any:
    """Frequencies in Hz on the mel scale. Tensors need the logarithm of their own library: `torch.log10`."""
    return MELS_PER_DECADE * log10(1 + hertz / BREAK_HZ)


def hertz_of(mel: Any) -> Any:
    """The inverse of `mel_of`, of numbers, arrays and tensors."""
    return BREAK_HZ * (10 ** (mel / MELS_PER_DECADE) - 1)


def band_edges(low_hz: float, high_hz: float, bands: int) -> Floats:
    """Hz, float64 [bands + 2]: band i rises from edge i to its centre, edge i + 1, and falls to edge i + 2."""
    edges: Floats = hertz_of(np.linspace(mel_of(low_hz), mel_of(high_hz), bands + 2))
    return edges


def mel_bands(low_hz: float, high_hz: float, bands: int, fft: int) -> Floats:
    """The share of each bin of a transform of `fft` samples in each band, float64 [fft / 2 + 1, bands]: triangles."""
    edges = band_edges(low_hz, high_hz, bands)
    bins = np.fft.rfftfreq(fft, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    shares: Floats = np.maximum(0, np.minimum(rising, falling))
    return shares
