"""Background noise: what lies behind the words, and what `_silence_` is made of."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.corpus.speech_commands import Corpus, Split

# Every noise recording is cut into stretches that go to the splits in turn: each split hears all of the
# recording's sounds, and no stretch is heard both in training and in scoring. Only where there are so few that a
# split would have none it hears all.
STRETCH = 3 * SAMPLE_RATE
TURNS: tuple[Split, ...] = (
    *("training", "training", "training", "validation", "training"),
    *("training", "training", "testing", "training", "training"),
)
SPEEDS = (0.6, 0.8, 1.25, 1.6)  # at which training hears the stretches too: other taps, other dishes
COLOURS = (-0.5, 0.0, 0.5, 1.0, 1.5)  # exponents α of the power law 1/f^(2α) of generated noise; 0 is white
GENERATED_SECONDS = 20
SEED = 60  # of the generated noise and of the silence clips for scoring


def noise_of(corpus: Corpus, split: Split) -> NDArray[np.float32]:
    """The split's stretches of all noise recordings, one after the other, float32 [samples] at 16 kHz.

    A corpus without noise recordings gets generated ones.
    """
    sources = [read_recording(corpus.root / name) for name in corpus.noise] or generated_noise(SEED + 1)
    stretches = [wave[start : start + STRETCH] for wave in sources for start in range(0, len(wave), STRETCH)]
    # The turns go on from recording to recording, so that short ones don't all begin with training.
    own = [wave for i, wave in enumerate(stretches) if TURNS[i % len(TURNS)] == split] or stretches
    joined = np.concatenate(own).astype(np.float32)
    # Short recordings are repeated until a clip can be cut out anywhere.
    return np.tile(joined, 1 + 2 * CLIP_SAMPLES // len(joined))


def training_noise(corpus: Corpus) -> NDArray[np.float32]:
    """The noise to train with, float32 [samples]: the training stretches, also at other speeds, and generated."""
    recorded = noise_of(corpus, "training")
    varied = [soxr.resample(recorded, speed * SAMPLE_RATE, SAMPLE_RATE, "MQ") for speed in SPEEDS]
    return np.concatenate([recorded, *varied, *generated_noise(SEED)])


def generated_noise(seed: int) -> list[NDArray[np.float32]]:
    """Noise of several colours at a tenth of full scale, the same for the same seed."""
    random = np.random.default_rng(seed)
    noises = []
    for colour in COLOURS:
        spectrum = np.fft.rfft(random.standard_normal(GENERATED_SECONDS * SAMPLE_RATE))
        wave = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** colour)
        noises.append((0.1 * wave / wave.std()).astype(np.float32))
    return noises


def silences(noise: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Clips of `_silence_` for scoring, float32 [count, CLIP_SAMPLES]: cut at drawn places, at volumes of 0–1."""
    random = np.random.default_rng(SEED)
    starts = random.integers(0, len(noise) - CLIP_SAMPLES, count)
    volumes = random.uniform(0, 1, count).astype(np.float32)
    clips = [noise[start : start + CLIP_SAMPLES] for start in starts]
    return np.stack(clips) * volumes[:, None] if clips else np.zeros((0, CLIP_SAMPLES), np.float32)
