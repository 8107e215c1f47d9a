"""scripts/make_bank.py on the demo corpus: what is kept, what the projection is learnt from, what is held out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.corpus.own_words import write_take
from speech_lstm.export.model import recording_model
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.teaching.bank import NOISE, SPEECH, Bank
from support.exported_models import model_of


def noise(seconds: int, seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(seconds * CLIP_SAMPLES)).astype(np.float32)


def bank(demo: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Bank:
    """What the script makes of the demo corpus, a folder of words, and noise in the place of speech."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import make_bank

    folder.mkdir()
    (folder / "model.onnx").write_bytes(recording_model(model_of("lstm", hidden=24)))
    for i, word in enumerate(("lamp", "lamp", "off", "_several")):
        write_take(folder / "words" / word / f"{i}.wav", noise(1, i))
        write_take(folder / "further" / "music" / f"{i}.wav", noise(1, 10 + i))
    write_take(folder / "speech" / "0.wav", noise(6, 20))
    write_take(folder / "noise" / "0.wav", noise(1, 21))
    paths = [f"--{name}={folder / name}" for name in ("words", "speech", "noise")]
    out = folder / "bank.npz"
    arguments = ["--data", str(demo), *paths, "--model", str(folder / "model.onnx"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["make_bank.py", *arguments, "--without", "off", *more])
    make_bank.main()
    return Bank.load(out)


def test_a_bank_has_the_words_but_for_those_held_out(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bank(demo, tmp_path / "a", monkeypatch)
    assert made.source == OnnxModel(tmp_path / "a" / "model.onnx").source
    assert {"lamp", "_several", "yes", SPEECH, NOISE} <= set(made.names)
    assert "off" not in made.names
    assert (made.is_speech.sum(), made.is_noise.sum(), made.of(["lamp"]).sum()) == (5, 1, 2)


def test_further_words_change_the_projection_and_are_not_kept(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = bank(demo, tmp_path / "a", monkeypatch)
    more = bank(demo, tmp_path / "b", monkeypatch, f"--further-words={tmp_path / 'b' / 'further'}")
    assert more.names == plain.names
    assert "music" not in more.names
    assert not np.allclose(more.space.projection, plain.space.projection, atol=1e-3)
