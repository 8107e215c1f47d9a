"""Words cut off, joined, and with speech around them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from speech_lstm.audio.context import beside_speech, cut_off, splice, within_speech, word_edges
from speech_lstm.config import CLIP_SAMPLES

START, END = 5_000, 11_000  # of the words here
ROWS = 300


def words(count: int, start: int = START, end: int = END) -> Tensor:
    """Words of noise between two samples, and silence around them."""
    waveforms = torch.zeros(count, CLIP_SAMPLES)
    waveforms[:, start:end] = 0.1 * torch.randn(count, end - start, generator=torch.Generator().manual_seed(1))
    return waveforms


def speech(count: int) -> Tensor:
    return 0.3 * torch.randn(count, CLIP_SAMPLES, generator=torch.Generator().manual_seed(2))


def chances(count: int, numbers: int) -> Tensor:
    return torch.rand(count, numbers, generator=torch.Generator().manual_seed(3))


def silent_samples(waveforms: Tensor) -> Tensor:
    return (waveforms.abs() < 1e-4).sum(1)


def test_the_edges_of_a_word() -> None:
    start, end = word_edges(words(20))
    assert ((start - START).abs() < 400).all()
    assert ((end - END).abs() < 400).all()


@pytest.mark.parametrize("start", [0, START, CLIP_SAMPLES - 6_000])
def test_half_or_more_of_a_word_is_cut_off(start: int) -> None:
    draws = chances(ROWS, 2)
    whole = words(ROWS, start, start + 6_000)
    after = cut_off(whole, draws)
    left = (after.abs() > 0).sum(1) / 6_000
    assert left.min() > 0.1
    assert left.max() < 0.55
    first = draws[:, 0] < 0.5  # the beginning is missing, so that the rest begins with the second
    assert (after[first, :50].abs().sum(1) > 0).all()
    assert (after[~first, -50:].abs().sum(1) > 0).all()
    assert (after[first, 4_000:] == 0).all()


def test_speech_on_both_sides_leaves_no_pause() -> None:
    after = within_speech(words(ROWS), speech(ROWS), chances(ROWS, 3))
    assert silent_samples(after).max() < 2 * 0.06 * 16_000 + 800  # two gaps, and the quiet edges of the noise
    middle = slice(START + 1_000, END - 1_000)
    assert torch.allclose(after[:, middle], words(ROWS)[:, middle], atol=1e-4)


def test_speech_beside_a_word_comes_after_a_pause() -> None:
    draws = chances(ROWS, 3)
    after = beside_speech(words(ROWS), speech(ROWS), draws)
    before = draws[:, 1] < 0.5
    assert (after[before, END + 300 :].abs() < 1e-4).all()
    assert (after[~before, : START - 300].abs() < 1e-4).all()
    pause = after[~before, END + 300 : END + 600]  # of the shortest, 80 ms
    assert (pause.abs() < 1e-2).all()
    assert (after[~before, -1_000:].abs().max(1).values > 0.01).float().mean() > 0.8


def test_the_speech_is_about_as_loud_as_the_word() -> None:
    after = within_speech(words(ROWS), speech(ROWS), chances(ROWS, 3))
    ratio = 20 * torch.log10(after[:, :3_000].square().mean(1).sqrt() / 0.1)
    assert ratio.min() > -7.5
    assert ratio.max() < 7.5


@pytest.mark.parametrize("silent", ["words", "speech"])
def test_silence_stays_finite(silent: str) -> None:
    pair = [words(4), speech(4)]
    pair[silent == "speech"][:] = 0
    for change in (within_speech, beside_speech):
        assert torch.isfinite(change(*pair, chances(4, 3))).all()
    assert torch.isfinite(cut_off(pair[0], chances(4, 2))).all()


def test_a_splice_has_a_half_of_each() -> None:
    first = torch.zeros(2, CLIP_SAMPLES)
    second = torch.zeros(2, CLIP_SAMPLES)
    first[:, 4000:8000] = 0.3  # half of its energy has passed at 6000
    second[:, 10000:12000] = -0.2  # at 11000
    second[1] = second[1].roll(-8000)  # at 3000
    spliced = splice(first, second)
    for row in spliced:
        assert torch.allclose(row[:5000], first[0, :5000], atol=1e-5)
        assert torch.allclose(row[7500:], torch.tensor(0.0), atol=1e-5)
        assert torch.allclose(row[6700:6900], torch.tensor(-0.2), atol=1e-4)
        assert row.diff().abs().max() < 0.31  # the words' own edges, no click


@pytest.mark.parametrize("row", [0, 1])
def test_a_splice_with_silence_is_finite(row: int) -> None:
    pair = [speech(2), speech(2)]
    pair[row][:] = 0
    assert torch.isfinite(splice(*pair)).all()
