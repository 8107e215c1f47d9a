"""Background noise: every split has its own stretches, and always enough to cut a clip from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.corpus.noise import STRETCH, generated_noise, noise_of, silences, training_noise
from speech_lstm.corpus.speech_commands import SPLITS, Corpus, scan
from support.corpus_files import clip, speakers, touch_clips


def corpus_with(root: Path, *seconds: float) -> Corpus:
    """A corpus with noise recordings of these lengths, every sample of them another one's."""
    touch_clips(root, speakers("yes", 2))
    (root / "_background_noise_").mkdir()
    for number, length in enumerate(seconds):
        samples = clip(number, round(length * SAMPLE_RATE))
        soundfile.write(root / "_background_noise_" / f"{number}.wav", samples, SAMPLE_RATE, "PCM_16")
    return scan(root)


def windows(noise: np.ndarray) -> set[bytes]:
    """All stretches of 8 samples: of two random recordings they are never the same."""
    whole = np.rint(noise * 32768).astype(np.int16)
    return {row.tobytes() for row in np.lib.stride_tricks.sliding_window_view(whole, 8)}


def test_no_stretch_is_heard_in_two_splits_and_none_is_lost(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path, 31, 17.5)
    noises = {split: noise_of(corpus, split) for split in SPLITS}
    assert sum(map(len, noises.values())) == 48.5 * SAMPLE_RATE
    assert len(noises["training"]) > 6 * len(noises["testing"]) - STRETCH
    # Where two stretches meet, some windows of both lie in neither recording; they are no one's twice.
    parts = [windows(noise) for noise in noises.values()]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_training_hears_its_own_stretches_also_at_other_speeds(tmp_path: Path) -> None:
    corpus = corpus_with(tmp_path, 31)
    recorded, noise = noise_of(corpus, "training"), training_noise(corpus)
    assert noise.dtype == np.float32
    assert np.array_equal(noise[: len(recorded)], recorded)
    assert len(noise) > 4 * len(recorded)
    assert np.isfinite(noise).all()
    assert not windows(noise[: len(recorded)]) & windows(noise_of(corpus, "testing"))


@pytest.mark.parametrize("seconds", [(0.001,), (0.5, 0.2), (1.0,), (2.5,)])
def test_short_noise_is_repeated(tmp_path: Path, seconds: tuple[float, ...]) -> None:
    corpus = corpus_with(tmp_path, *seconds)
    for split in SPLITS:
        noise = noise_of(corpus, split)
        assert len(noise) > CLIP_SAMPLES
        assert silences(noise, 5).shape == (5, CLIP_SAMPLES)


def test_without_recordings_noise_is_generated(tmp_path: Path) -> None:
    touch_clips(tmp_path, speakers("yes", 2))
    corpus = scan(tmp_path)
    for split in SPLITS:
        noise = noise_of(corpus, split)
        assert noise.dtype == np.float32
        assert 0.05 < noise.std() < 0.2
    assert all(np.array_equal(a, b) for a, b in zip(generated_noise(1), generated_noise(1), strict=True))


def test_generated_noise_has_its_colours() -> None:
    slopes = []
    for wave in generated_noise(1):
        power = np.abs(np.fft.rfft(wave)) ** 2
        low, high = power[200:2000].mean(), power[20_000:100_000].mean()
        slopes.append(np.log10(low / high))
    assert slopes == sorted(slopes)
    assert slopes[0] < -1 < abs(slopes[1]) + 0.9 < 1.1
    assert slopes[-1] > 3


def test_silence_for_scoring_is_always_the_same_and_of_every_volume() -> None:
    noise = generated_noise(1)[1]
    clips = silences(noise, 200)
    assert clips.dtype == np.float32
    assert np.array_equal(clips, silences(noise, 200))
    levels = clips.std(1) / noise.std()
    assert levels.min() < 0.05
    assert levels.max() > 0.95
    assert silences(noise, 0).shape == (0, CLIP_SAMPLES)
