"""The other ways to recognise that the benchmark times compute what the package computes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from speech_lstm.export.parity import carried_recordings

sys.path.insert(0, str(ROOT / "scripts"))
import peers
from prepare_peers import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("peers")
    prepare(made, None)
    return made


def test_the_same_network_answers_the_same_in_every_form(folder: Path) -> None:
    """torch, ONNX Runtime, torch.nn.LSTM after torchaudio's MFCC and ONNX Runtime after librosa's."""
    recordings = carried_recordings()[::9]
    heard = {way.name: way.make(folder)(recordings) for way in peers.WAYS[:5]}
    assert len(set(heard["torch"])) > 5
    assert heard["float32"] == heard["plain"] == heard["librosa"] == heard["torch"]
    assert np.mean([a == b for a, b in zip(heard["int8"], heard["torch"], strict=True)]) > 0.9
