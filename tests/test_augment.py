"""What the augmentation does to a batch is what its settings and its draws say."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.audio.augment import Augment, Draws, decibels, level, mask_of
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, AugmentConfig, FeatureConfig
from speech_lstm.errors import ConfigError

OFF = AugmentConfig(shift_ms=0, speed=0, level_db=0, noise=0, time_masks=0, frequency_masks=0)
TIME = torch.arange(CLIP_SAMPLES) / SAMPLE_RATE


def noise(seconds: float = 3.0, seed: int = 1) -> Tensor:
    return 0.1 * torch.randn(round(seconds * SAMPLE_RATE), generator=torch.Generator().manual_seed(seed))


def augment(config: AugmentConfig, hop_ms: float = 10.0) -> Augment:
    return Augment(config, noise(), CLIP_SAMPLES, FeatureConfig(hop_ms=hop_ms))


def words(count: int) -> Tensor:
    """Waveforms of small level, so that nothing is clipped."""
    return 0.05 * torch.randn(count, CLIP_SAMPLES, generator=torch.Generator().manual_seed(2))


def none_silent(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.bool)


def changed(config: AugmentConfig, waveforms: Tensor, seed: int = 7) -> tuple[Tensor, Draws]:
    """The waveforms changed as `config` says, and what was drawn for them."""
    process = augment(config)
    draws = process.draw(len(waveforms), seed)
    before = waveforms.clone()
    after = process.waveforms(waveforms, none_silent(len(waveforms)), draws)
    assert torch.equal(waveforms, before)  # a copy is changed, not what was given
    assert torch.isfinite(after).all()
    assert after.shape == waveforms.shape
    return after, draws


def test_all_off_changes_nothing() -> None:
    waveforms = words(20)
    assert torch.equal(changed(OFF, waveforms)[0], waveforms)
    features = torch.randn(3, 98, 40)
    process = augment(OFF)
    assert torch.equal(process.features(features, process.draw(3, 1)), features)


@pytest.mark.parametrize(
    "one",
    [{"shift_ms": 100.0}, {"speed": 0.15}, {"level_db": 10.0}, {"noise": 1.0}, {"noise": 1.0, "noise_by": "volume"}],
)
def test_each_item_alone_changes_something(one: dict[str, float]) -> None:
    waveforms = words(4)
    after, _ = changed(replace(OFF, **one), waveforms)
    assert all(not torch.equal(new, old) for new, old in zip(after, waveforms, strict=True))


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    waveforms = words(3)
    first, second, other = (changed(AugmentConfig(), waveforms, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_see_what_one_would_have_seen(processes: int) -> None:
    waveforms, silent = words(24), torch.arange(24) % 5 == 0
    process = augment(AugmentConfig())
    draws = process.draw(24, 3)
    whole = process.waveforms(waveforms, silent, draws)
    masked = process.features(torch.randn(24, 98, 40, generator=torch.Generator().manual_seed(0)), draws)
    share = 24 // processes
    for rank in range(processes):
        rows = slice(rank * share, (rank + 1) * share)
        own = process.draw(24, 3).rows(rows.start, rows.stop)
        assert torch.equal(process.waveforms(waveforms[rows], silent[rows], own), whole[rows])
        features = torch.randn(24, 98, 40, generator=torch.Generator().manual_seed(0))[rows]
        assert torch.allclose(process.features(features, own), masked[rows])


def test_draws_stay_in_their_ranges_and_use_them() -> None:
    config = AugmentConfig(tract=0.1, response_db=3)
    draws = augment(config).draw(4000, 5)
    for values, low, high in [
        (draws.rate, 0.85, 1.15),
        (draws.shift, -1600, 1600),
        (20 * draws.gain.log10(), -10, 10),
        (draws.noise_start.float(), 0, 2 * SAMPLE_RATE),
        (draws.noise_snr, 0, 30),
        (draws.silence_start.float(), 0, 2 * SAMPLE_RATE),
        (draws.silence_volume, 0, 1),
        (draws.stretch, 0.9, 1.1),
        (draws.response, -3, 3),
    ]:
        slack = 0.02 * (high - low)
        assert low - 1e-4 <= values.min() < low + slack
        assert high - slack < values.max() <= high + 1e-4
    assert draws.noise_volume.mean().item() == pytest.approx(config.noise, abs=0.03)
    assert all(len(getattr(draws, item.name)) == 4000 for item in fields(draws))


def still(batch: int, **values: Tensor) -> Draws:
    """Draws that change nothing but what `values` say."""
    return replace(augment(OFF).draw(batch, 0), **values)


def test_a_shift_moves_an_impulse_by_its_samples() -> None:
    waveforms = torch.zeros(3, CLIP_SAMPLES)
    waveforms[:, 5000] = 0.5
    shift = torch.tensor([-1600.0, 0.0, 123.0])
    process = augment(replace(OFF, shift_ms=100))
    after = process.waveforms(waveforms, none_silent(3), still(3, shift=shift))
    assert (after != 0).sum(1).tolist() == [1, 1, 1]
    assert after.argmax(1).tolist() == [3400, 5000, 5123]


def test_unknown_recordings_can_be_shifted_further() -> None:
    process = augment(replace(OFF, shift_ms=100, unknown_shift_ms=500))
    draws = process.draw(1000, 3)
    unknown = torch.arange(1000) % 2 == 0
    shift = process.shift_more(draws, unknown).shift
    assert torch.equal(shift[~unknown], draws.shift[~unknown])
    assert torch.allclose(shift[unknown], 5 * draws.shift[unknown], atol=3)
    assert 7_800 < shift.abs().max() <= 8_000
    assert augment(replace(OFF, shift_ms=100)).shift_more(draws, unknown) is draws
    with pytest.raises(ConfigError, match="unknown_shift_ms widens shift_ms, which is 0"):
        replace(OFF, unknown_shift_ms=100)


def test_a_word_set_anywhere_stays_whole_and_gets_everywhere() -> None:
    waveforms = torch.zeros(400, CLIP_SAMPLES)
    waveforms[:, 9_000:13_000] = words(400)[:, :4000]
    process = augment(replace(OFF, anywhere=0.5, speed=0.15))
    unknown = torch.arange(400) % 4 == 0
    draws = process.draw(400, 5)
    after = process.waveforms(waveforms, none_silent(400), process.shift_anywhere(draws, waveforms, unknown))
    sounds = after.abs() > 0.001
    start, end = sounds.int().argmax(1), CLIP_SAMPLES - sounds.flip(1).int().argmax(1)
    moved = draws.anywhere & ~unknown
    assert 0.4 < draws.anywhere.float().mean() < 0.6
    assert start[moved].min() < 1_500
    assert end[moved].max() > CLIP_SAMPLES - 1_500
    lengths = (end - start) * draws.rate
    assert (lengths - 4_000).abs().max() < 200  # of quiet first samples, which the rates magnify
    assert (start[~moved] - 9_000).abs().max() < 400


def test_what_moves_in_from_outside_is_silence() -> None:
    waveforms = torch.full((4, CLIP_SAMPLES), 0.5)  # an edge that is not silent
    process = augment(replace(OFF, shift_ms=100, speed=0.2))
    shift, rate = torch.tensor([1000.0, -1000.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 1.2, 0.8])
    after = process.waveforms(waveforms, none_silent(4), still(4, shift=shift, rate=rate))
    assert not after[0, :1000].any()
    assert (after[0, 1000:] == 0.5).all()
    assert (after[1, :15000] == 0.5).all()
    assert not after[1, 15000:].any()
    assert not after[2, :1332].any()  # 8000 − 8000 / 1.2 = 1333.3
    assert not after[2, 14668:].any()
    assert torch.allclose(after[2, 1335:14664], torch.tensor(0.5))
    assert torch.allclose(after[3], torch.tensor(0.5))


@pytest.mark.parametrize("rate", [0.85, 1.0, 1.1])
def test_speed_changes_the_frequency_of_a_sine(rate: float) -> None:
    waveforms = 0.5 * torch.sin(2 * torch.pi * 500 * TIME)[None]
    process = augment(replace(OFF, speed=0.15))
    after = process.waveforms(waveforms, none_silent(1), still(1, rate=torch.tensor([rate])))[0]
    expected = 0.5 * torch.sin(2 * torch.pi * 500 * ((TIME - 0.5) * rate + 0.5))
    inner = slice(1500, 14500)  # inside the recording at every speed
    assert (after - expected)[inner].abs().max() < 0.01  # linear interpolation between samples
    assert after[inner].abs().max() > 0.48


def test_the_gain_is_what_was_drawn() -> None:
    waveforms = words(8)
    after, draws = changed(replace(OFF, level_db=10), waveforms)
    assert torch.allclose(after, waveforms * draws.gain[:, None])


def test_the_signal_to_noise_ratio_is_what_was_drawn() -> None:
    waveforms = words(40) * torch.linspace(0.05, 1, 40)[:, None]
    after, draws = changed(replace(OFF, noise=1, snr_low_db=-5, snr_high_db=30), waveforms)
    ratio = 20 * (level(waveforms) / level(after - waveforms)).log10()
    assert (ratio - draws.noise_snr).abs().max() < 0.05


def test_the_volume_is_what_was_drawn() -> None:
    waveforms = words(12)
    after, draws = changed(replace(OFF, noise=1, noise_by="volume", volume=0.3), waveforms)
    assert 0 < draws.noise_volume.max() <= 0.3
    for new, old, start, volume in zip(after, waveforms, draws.noise_start, draws.noise_volume, strict=True):
        assert torch.allclose(new - old, volume * noise()[start : start + CLIP_SAMPLES], atol=1e-6)


def test_only_the_drawn_share_gets_noise() -> None:
    waveforms = words(200)
    after, draws = changed(replace(OFF, noise=0.3), waveforms)
    untouched = (after == waveforms).all(1)
    assert torch.equal(untouched, draws.noise_volume == 0)
    assert 120 <= untouched.sum() <= 160


def test_silent_rows_are_noise_and_nothing_else() -> None:
    waveforms, silent = words(6), torch.tensor([True, False, True, False, False, True])
    process = augment(OFF)
    draws = process.draw(6, 9)
    after = process.waveforms(waveforms, silent, draws)
    assert torch.equal(after[~silent], waveforms[~silent])
    for row in silent.nonzero()[:, 0]:
        start = draws.silence_start[row]
        expected = draws.silence_volume[row] * noise()[start : start + CLIP_SAMPLES]
        assert torch.allclose(after[row], expected, atol=1e-6)
    full = augment(AugmentConfig())
    word, other = (full.waveforms(w, silent, full.draw(6, 9)) for w in (waveforms, 2 * waveforms))
    assert torch.equal(word[silent], other[silent])  # nothing of the row's own recording remains


def test_the_result_stays_in_range_and_finite() -> None:
    loud = torch.sign(words(16))
    quiet = torch.zeros(16, CLIP_SAMPLES)
    for waveforms in (loud, quiet):
        after, _ = changed(AugmentConfig(snr_low_db=-30, level_db=60), waveforms)
        assert after.abs().max() <= 1
    assert not after.any()  # no noise is as loud as digital silence at any ratio
    silence = Augment(AugmentConfig(), torch.zeros(2 * SAMPLE_RATE), CLIP_SAMPLES, FeatureConfig())
    after = silence.waveforms(words(4), none_silent(4), silence.draw(4, 0))
    assert torch.isfinite(after).all()


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 120), width=st.floats(0, 60), seed=st.integers(0, 1000))
def test_a_mask_lies_inside_and_is_as_wide_as_drawn(length: int, width: float, seed: int) -> None:
    start = torch.rand(50, 1, generator=torch.Generator().manual_seed(seed))
    start[0], start[1] = 0, 1 - 2**-24  # the first and the last that can be drawn
    masks = torch.stack([start, torch.full((50, 1), width)], dim=-1)
    places = mask_of(length, masks)
    assert places.shape == (50, length)
    assert (places.sum(1) == min(length, torch.tensor(width).round())).all()
    edges = places.int().diff(dim=1, prepend=torch.zeros(50, 1), append=torch.zeros(50, 1))
    assert ((edges == 1).sum(1) <= 1).all()  # in one piece


def test_masks_take_the_mean_and_no_more_than_they_may() -> None:
    config = AugmentConfig()
    process = augment(config, hop_ms=20)
    features = torch.randn(300, 49, 40) + 3
    after = process.features(features, process.draw(300, 4))
    hidden = after != features
    mean = features.mean(1, keepdim=True).expand_as(features)
    assert torch.equal(after[hidden], mean[hidden])
    frames, numbers = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert frames.max() <= 2 * 10  # two masks of 200 ms, at 20 ms a frame
    assert numbers.max() <= 2 * 7
    assert frames.max() > 10
    assert numbers.max() > 7
    crossed = hidden.all(2)[:, :, None] | hidden.all(1)[:, None, :]
    assert torch.equal(hidden, crossed)


def test_decibels() -> None:
    assert torch.allclose(decibels(torch.tensor([-20.0, 0.0, 6.0206])), torch.tensor([0.1, 1.0, 2.0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device is missing")
def test_a_gpu_gives_the_same() -> None:
    waveforms, silent = words(40), torch.arange(40) % 7 == 0
    answers = []
    for device in ("cpu", "cuda"):
        process = Augment(AugmentConfig(), noise().to(device), CLIP_SAMPLES, FeatureConfig())
        draws = process.draw(40, 6)
        after = process.waveforms(waveforms.to(device), silent.to(device), draws)
        answers.append([after.cpu(), process.features(waveforms.view(40, 160, 100).to(device), draws).cpu()])
    assert torch.allclose(answers[0][0], answers[1][0], atol=2e-3)  # positions are rounded differently
    assert torch.allclose(answers[0][1], answers[1][1], atol=1e-5)
