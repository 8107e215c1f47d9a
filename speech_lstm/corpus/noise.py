"""Background noise: what lies behind the words, and what `_silence_` is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.corpus.speech_commands import Corpus, Split

# Every noise recording is cut by time, so that no stretch is heard both in training and in scoring.
STRETCHES: dict[Split, tuple[float, float]] = {
    "training": (0.0, 0.7),
    "validation": (0.7, 0.85),
    "testing": (0.85, 1.0),
}
SILENCE_SEED = 60
GENERATED_SECONDS = 30


def noise_of(corpus: Corpus, split: Split) -> NDArray[np.float32]:
    """The split's stretches of all noise recordings, one after the other, float32 [samples] at 16 kHz.

    A corpus without noise recordings gets white and pink noise that is generated here.
    """
    sources = [read_recording(corpus.root / name) for name in corpus.noise] or generated_noise()
    low, high = STRETCHES[split]
    parts = [wave[int(low * len(wave)) : int(high * len(wave))] for wave in sources]
    joined = np.concatenate(parts).astype(np.float32)
    # Short recordings are repeated until a clip can be cut out anywhere.
    return np.tile(joined, 1 + 2 * CLIP_SAMPLES // max(1, len(joined)))


def generated_noise() -> list[NDArray[np.float32]]:
    """White and pink noise at a tenth of full scale, always the same."""
    random = np.random.default_rng(SILENCE_SEED)
    spectrum = np.fft.rfft(random.standard_normal(GENERATED_SECONDS * SAMPLE_RATE))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))
    white = random.standard_normal(GENERATED_SECONDS * SAMPLE_RATE)
    return [(0.1 * wave / wave.std()).astype(np.float32) for wave in (white, pink)]


def silences(noise: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Clips of `_silence_` for scoring, float32 [count, CLIP_SAMPLES]: cut at drawn places, at volumes of 0–1."""
    random = np.random.default_rng(SILENCE_SEED)
    starts = random.integers(0, len(noise) - CLIP_SAMPLES, count)
    volumes = random.uniform(0, 1, count).astype(np.float32)
    clips = [noise[start : start + CLIP_SAMPLES] for start in starts]
    return np.stack(clips) * volumes[:, None] if clips else np.zeros((0, CLIP_SAMPLES), np.float32)
