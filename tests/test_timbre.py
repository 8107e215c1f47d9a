"""A changed timbre is what another vocal tract and another microphone would have given."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.audio.timbre import CURVES, Timbre
from speech_lstm.config import SAMPLE_RATE, FeatureConfig

CPU = torch.device("cpu")
FLAT = torch.zeros(1, CURVES)
KINDS = pytest.mark.parametrize("kind", ["mfcc", "log-mel"])


def tone(hertz: float) -> Tensor:
    """The features' waveform: a steady sine, float32 [1, 8000]."""
    return 0.3 * torch.sin(2 * math.pi * hertz * torch.arange(8000) / SAMPLE_RATE)[None]


@KINDS
def test_no_change_changes_nothing(kind: Literal["mfcc", "log-mel"]) -> None:
    config = FeatureConfig(kind=kind)
    features = FrontEnd(config)(torch.randn(3, 8000, generator=torch.Generator().manual_seed(1)))
    same = Timbre(config, CPU)(features, torch.ones(3), torch.zeros(3, CURVES))
    assert torch.allclose(same, features, atol=2e-3)  # of numbers up to 60; positions in float32


@settings(deadline=None, max_examples=25)
@given(st.floats(300, 4000), st.floats(0.8, 1.25))
def test_a_stretched_tone_is_a_tone_of_the_other_frequency(hertz: float, stretch: float) -> None:
    config = FeatureConfig(kind="log-mel")
    front_end, timbre = FrontEnd(config), Timbre(config, CPU)
    moved = timbre(front_end(tone(hertz)), torch.tensor([stretch]), FLAT)
    there = front_end(tone(hertz * stretch))
    assert (moved.mean(1).argmax() - there.mean(1).argmax()).abs() <= 1


def test_mfcc_change_as_the_bands_below_them_do() -> None:
    """With all coefficients kept, MFCC are the bands in other coordinates."""
    bands, mfcc = FeatureConfig(kind="log-mel", mels=40), FeatureConfig(kind="mfcc", mels=40, coefficients=40)
    waveform, stretch, response = tone(700), torch.tensor([1.1]), torch.tensor([[3.0, -2.0, 1.0, 0.5]])
    timbre = Timbre(mfcc, CPU)
    assert timbre.dct is not None
    want = Timbre(bands, CPU)(FrontEnd(bands)(waveform), stretch, response) @ timbre.dct
    assert torch.allclose(timbre(FrontEnd(mfcc)(waveform), stretch, response), want, atol=2e-3)


def test_a_response_is_the_curve_that_was_drawn_in_every_frame() -> None:
    config = FeatureConfig(kind="log-mel", mels=80)
    features = FrontEnd(config)(torch.randn(1, 8000, generator=torch.Generator().manual_seed(2)))
    changed = Timbre(config, CPU)(features, torch.ones(1), torch.tensor([[6.0, 0, 0, 0]]))
    decibels = (changed - features) * 10 / math.log(10)
    assert torch.allclose(decibels, decibels[:, :1].expand_as(decibels), atol=1e-2)
    tilt = 6 * torch.cos(math.pi / 80 * (torch.arange(80) + 0.5))
    assert torch.allclose(decibels[0, 0], tilt, atol=1e-2)


@KINDS
def test_every_recording_has_its_own(kind: Literal["mfcc", "log-mel"]) -> None:
    config = FeatureConfig(kind=kind)
    features = FrontEnd(config)(tone(500)).expand(2, -1, -1)
    timbre = Timbre(config, CPU)
    stretch, response = torch.tensor([0.9, 1.1]), torch.tensor([[1.0] * CURVES, [-1.0] * CURVES])
    both = timbre(features, stretch, response)
    for row in range(2):
        alone = timbre(features[row : row + 1], stretch[row : row + 1], response[row : row + 1])
        assert torch.allclose(both[row : row + 1], alone, atol=1e-4)
    assert not torch.allclose(both[0], both[1])
