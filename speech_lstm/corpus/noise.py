"""Background noise, which is mixed with the words and which `_silence_` consists of."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.corpus.speech_commands import Corpus, Split

# Every noise recording is cut into stretches that go to the splits in turn: each split gets all kinds of sounds of
# the recording, and no stretch is both in training and in scoring. If there are so few that a split would have none,
# it gets all of them.
STRETCH = 3 * SAMPLE_RATE
TURNS: tuple[Split, ...] = (
    *("training", "training", "training", "validation", "training"),
    *("training", "training", "testing", "training", "training"),
)
SPEEDS = (0.6, 0.8, 1.25, 1.6)  # the training stretches also at these: other taps, other dishes
COLOURS = (-0.5, 0.0, 0.5, 1.0, 1.5)  # exponents α of the power law 1/f^(2α) of generated noise; 0 is white
GENERATED_SECONDS = 20
SEED = 60  # of the generated noise and of the silence clips for scoring


def noise_of(corpus: Corpus, split: Split) -> NDArray[np.float32]:
    """The split's stretches of all noise recordings, one after the other, float32 [samples] at 16 kHz.

    A corpus without noise recordings gets generated noise.
    """
    sources = [read_recording(corpus.root / name) for name in corpus.noise] or generated_noise(SEED + 1)
    stretches = [wave[start : start + STRETCH] for wave in sources for start in range(0, len(wave), STRETCH)]
    # The turns continue from recording to recording, otherwise short ones would all begin with training.
    own = [wave for i, wave in enumerate(stretches) if TURNS[i % len(TURNS)] == split] or stretches
    noise = np.concatenate(own).astype(np.float32)
    # Repeated until a clip can be cut out anywhere.
    return np.tile(noise, 1 + 2 * CLIP_SAMPLES // len(noise))


def training_noise(corpus: Corpus) -> NDArray[np.float32]:
    """The noise to train with, float32 [samples]: the training stretches, at several speeds, and generated noise."""
    recorded = noise_of(corpus, "training")
    varied = [soxr.resample(recorded, speed * SAMPLE_RATE, SAMPLE_RATE, "MQ") for speed in SPEEDS]
    return np.concatenate([recorded, *varied, *generated_noise(SEED)])


def generated_noise(seed: int) -> list[NDArray[np.float32]]:
    """Noise of several colours at a tenth of full scale, reproducible by its seed."""
    random = np.random.default_rng(seed)
    noises = []
    for colour in COLOURS:
        spectrum = np.fft.rfft(random.standard_normal(GENERATED_SECONDS * SAMPLE_RATE))
        wave = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** colour)
        noises.append((0.1 * wave / wave.std()).astype(np.float32))
    return noises


def silences(noise: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Clips of `_silence_` for scoring, float32 [count, CLIP_SAMPLES]: cut at random places, at volumes of 0 to 1."""
    random = np.random.default_rng(SEED)
    starts = random.integers(0, len(noise) - CLIP_SAMPLES, count)
    volumes = random.uniform(0, 1, count).astype(np.float32)
    clips = [noise[start : start + CLIP_SAMPLES] for start in starts]
    return np.stack(clips) * volumes[:, None] if clips else np.zeros((0, CLIP_SAMPLES), np.float32)
