"""The front end gives what librosa gives and what the definition says, in batches, on any device."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import example, given, settings
from numpy.typing import NDArray

from speech_lstm.audio.mel import band_edges, hertz_of, mel_bands, mel_of
from speech_lstm.audio.mfcc import LOG_OFFSET, FrontEnd, fft_length
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.errors import ConfigError, RecordingError
from support.sounds import VARIED, sounds, triangles

SMALL = FeatureConfig(window_ms=25, hop_ms=10, mels=40, coefficients=13)


def definition(waveform: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float64]:
    """The features of one waveform from the formulas alone, in float64."""
    n_fft = fft_length(config)
    time = np.arange(config.window)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / config.window)
    transform = np.exp(-2j * np.pi * np.outer(time, np.arange(n_fft // 2 + 1)) / n_fft)
    bands = triangles(config)
    rows = []
    for start in range(0, len(waveform) - config.window + 1, config.hop):
        frame = waveform[start : start + config.window].astype(np.float64)
        rows.append(np.log(bands @ np.abs((frame * window) @ transform) ** 2 + LOG_OFFSET))
    if config.kind == "log-mel":
        return np.array(rows)
    k, m = np.arange(config.coefficients)[:, None], np.arange(config.mels)
    dct = np.cos(np.pi * k * (2 * m + 1) / (2 * config.mels)) * np.sqrt(2 / config.mels)
    dct[0] /= np.sqrt(2)
    return np.array(rows) @ dct.T


def features(waveforms: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    answer = FrontEnd(config)(torch.from_numpy(waveforms))
    assert answer.dtype == torch.float32
    return answer.numpy()


@settings(max_examples=12, deadline=None)
@given(config=VARIED)
@example(config=FeatureConfig())
@example(config=FeatureConfig(kind="log-mel"))
@example(config=FeatureConfig(window_ms=481 / 16, hop_ms=1.0))  # an odd window, a hop that divides the rest
def test_the_definition(config: FeatureConfig) -> None:
    waveform = sounds(1, 3200)
    expected = definition(waveform[0], config)
    found = features(waveform, config)[0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("config", [FeatureConfig(), FeatureConfig(kind="log-mel"), SMALL])
def test_the_definition_when_computed_in_float64(config: FeatureConfig) -> None:
    waveform = sounds(1, 3200)
    found = FrontEnd(config).double()(torch.from_numpy(waveform).double())
    assert found.dtype == torch.float64
    assert np.abs(found.numpy()[0] - definition(waveform[0], config)).max() < 1e-4  # torchaudio's bands are float32


@settings(max_examples=8, deadline=None)
@given(config=VARIED)
@example(config=FeatureConfig())
def test_librosa_with_the_same_settings(config: FeatureConfig) -> None:
    waveform = sounds(1)[0]
    n_fft = fft_length(config)
    missing = n_fft - config.window  # librosa sets the window in the middle of n_fft samples
    around = np.pad(waveform, (missing // 2, missing - missing // 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torch's window function, none of ours
        mel = librosa.feature.melspectrogram(
            y=around,
            sr=SAMPLE_RATE,
            n_fft=n_fft,
            hop_length=config.hop,
            win_length=config.window,
            center=False,
            n_mels=config.mels,
            fmin=config.low_hz,
            fmax=config.high_hz,
            htk=True,
            norm=None,
        )
    logs = np.log(mel + LOG_OFFSET)
    if config.kind == "log-mel":
        expected = logs
    else:
        expected = librosa.feature.mfcc(S=logs, n_mfcc=config.coefficients)
        again = scipy.fft.dct(logs, axis=0, norm="ortho")[: config.coefficients]
        assert np.allclose(expected, again, atol=1e-4)
    found = features(waveform[None], config)[0].T
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 3e-3  # float32 transforms differ most in bands with little energy


@pytest.mark.parametrize(("low", "high", "bands", "fft"), [(20, 7600, 80, 512), (100, 7000, 16, 1024)])
def test_the_mel_scale_and_its_bands_are_librosas(low: float, high: float, bands: int, fft: int) -> None:
    edges = band_edges(low, high, bands)
    assert np.allclose(edges, librosa.mel_frequencies(bands + 2, fmin=low, fmax=high, htk=True))
    assert np.allclose(hertz_of(mel_of(edges)), edges)
    assert np.allclose(mel_of(torch.from_numpy(edges), torch.log10).numpy(), mel_of(edges))
    expected = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=fft, n_mels=bands, fmin=low, fmax=high, htk=True, norm=None)
    assert np.allclose(mel_bands(low, high, bands, fft), expected.T, atol=1e-6)


def test_a_batch_is_its_recordings_one_by_one() -> None:
    waveforms = sounds(37)  # more than are worked on at once, and not a multiple of that
    together = features(waveforms, SMALL)
    alone = np.concatenate([features(row[None], SMALL) for row in waveforms])
    assert np.abs(together - alone).max() < 1e-4


def test_an_empty_batch_has_no_rows() -> None:
    assert features(np.zeros((0, SAMPLE_RATE), np.float32), SMALL).shape == (0, 98, 13)


@pytest.mark.parametrize(("hop_ms", "frames"), [(10.0, 98), (20.0, 49), (30.0, 33)])
def test_the_number_of_frames(hop_ms: float, frames: int) -> None:
    config = FeatureConfig(hop_ms=hop_ms)
    assert FrontEnd(config).frames(SAMPLE_RATE) == frames
    assert features(sounds(1), config).shape == (1, frames, 40)


def test_frames_are_whole_windows_of_any_length() -> None:
    front_end = FrontEnd(SMALL)
    for samples, frames in [(399, 0), (400, 1), (559, 1), (560, 2), (561, 2)]:
        assert front_end.frames(samples) == frames
        if frames:
            assert front_end(torch.zeros(1, samples)).shape[1] == frames


def test_a_frame_hears_its_own_window_only() -> None:
    waveform = sounds(1, 4000)
    changed = waveform.copy()
    changed[0, 400 + 160 :] = 0  # the third frame begins before it, the second ends at it
    before, after = features(waveform, SMALL)[0], features(changed, SMALL)[0]
    assert np.array_equal(before[:2], after[:2])
    assert not np.allclose(before[2], after[2])


def test_less_than_a_window_is_refused_in_one_line() -> None:
    with pytest.raises(RecordingError, match=r"399 samples .* window of 400") as caught:
        FrontEnd(SMALL)(torch.zeros(1, 399))
    assert "\n" not in str(caught.value)


def test_digital_silence_and_full_scale_are_finite() -> None:
    waveforms = np.stack([np.zeros(SAMPLE_RATE), np.ones(SAMPLE_RATE), -np.ones(SAMPLE_RATE)]).astype(np.float32)
    assert np.isfinite(features(waveforms, FeatureConfig())).all()


@pytest.mark.parametrize(
    "config",
    [FeatureConfig(), FeatureConfig(hop_ms=20), FeatureConfig(mels=256), FeatureConfig(window_ms=2, hop_ms=2)],
)
def test_no_band_is_empty_and_nothing_is_warned_of(config: FeatureConfig) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        front_end = FrontEnd(config)
    assert (front_end.mel_scale.fb.sum(0) > 0).all()


def test_the_default_transform_is_the_window_s_next_power_of_two() -> None:
    assert fft_length(FeatureConfig()) == 512


def test_bands_too_narrow_to_tell_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="80 mel bands from 100 to 101 Hz") as caught:
        FrontEnd(FeatureConfig(low_hz=100, high_hz=101))
    assert "\n" not in str(caught.value)


def test_nothing_of_it_is_stored_or_trained() -> None:
    front_end = FrontEnd(FeatureConfig())
    assert not list(front_end.parameters())
    assert not front_end(torch.zeros(1, SAMPLE_RATE)).requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device is missing")
def test_a_gpu_gives_the_same() -> None:
    waveforms = torch.from_numpy(sounds(19))
    front_end = FrontEnd(FeatureConfig())
    on_cpu = front_end(waveforms)
    on_gpu = front_end.cuda()(waveforms.cuda()).cpu()
    assert (on_cpu - on_gpu).abs().max() < 1e-3
