"""Every cell learns four words, with one recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.model.network import Network
from support import naive_cells

STEPS, RATE = 50, 0.03
MORE_STEPS = {"mingru": 100, "minlstm": 100}  # their gates do not read the state before: they learn more slowly
WORDS = ("yes", "left", "go", "up")
FEATURES = FeatureConfig(kind="log-mel", mels=16, window_ms=100.0, hop_ms=100.0)


@pytest.fixture(scope="module")
def words(demo: Path) -> tuple[Tensor, Tensor]:
    """Features [recordings, frames, size] of some voices' four words, and which word each is."""
    files = [(file, label) for label, word in enumerate(WORDS) for file in sorted((demo / word).glob("*.wav"))]
    waveforms = np.array([fit_clip(read_recording(file)) for file, _ in files])
    return FrontEnd(FEATURES)(torch.from_numpy(waveforms)), torch.tensor([label for _, label in files])


@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_a_cell_learns_four_words(name: str, words: tuple[Tensor, Tensor]) -> None:
    """From 60 recordings of 15 voices; of 20 recordings of 5 other voices a quarter would be right by chance."""
    torch.manual_seed(0)
    features, labels = words
    held_out = torch.arange(len(labels)) % 4 == 0
    network = Network(FEATURES, NetworkConfig(cell=name, layers=1, hidden=24, dropout=0.0, bands=4), len(WORDS))
    optimizer = torch.optim.Adam(network.parameters())
    steps = MORE_STEPS.get(name, STEPS)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimizer.zero_grad()
        cross_entropy(network(features[~held_out]), labels[~held_out]).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    right = (network.eval()(features).argmax(1) == labels).float()
    assert right[~held_out].mean() >= 0.9
    assert right[held_out].mean() >= 0.5
