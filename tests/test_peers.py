"""The other ways to recognise that the benchmark times give the answers of the package."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from speech_lstm.export.parity import demo_recordings

sys.path.insert(0, str(ROOT / "scripts"))
import peers
from prepare_peers import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers")
    prepare(path, None)
    return path


def test_the_same_network_answers_the_same_in_every_form(folder: Path) -> None:
    """torch, ONNX Runtime, torch.nn.LSTM after torchaudio's MFCC and ONNX Runtime after librosa's."""
    recordings = demo_recordings()[::9]
    answers = {way.name: way.make(folder)(recordings) for way in peers.WAYS[:5]}
    assert len(set(answers["torch"])) > 5
    assert answers["float32"] == answers["plain"] == answers["librosa"] == answers["torch"]
    assert np.mean([a == b for a, b in zip(answers["int8"], answers["torch"], strict=True)]) > 0.9
