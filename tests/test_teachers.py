"""A network learns the answers of trained models besides the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, FeatureConfig, NetworkConfig
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.recognition.recognizer import Recognizer, bundled_model
from speech_lstm.training.run import train
from speech_lstm.training.teachers import Teachers
from support.training_runs import TINY, command_line, history, with_training

CPU = torch.device("cpu")


def other_teacher(path: Path, labels: tuple[str, ...]) -> Path:
    """A model file of untrained weights, with features of its own."""
    torch.manual_seed(5)
    features, config = FeatureConfig(kind="log-mel", mels=16, hop_ms=25), NetworkConfig(layers=1, hidden=6)
    save_model(path, Model(Network(features, config, len(labels)), features, config, labels))
    return path


def test_they_answer_the_mean_of_their_posteriors(tmp_path: Path, demo: Path) -> None:
    bundled = load_model(bundled_model(".safetensors"))
    paths = (str(bundled_model(".safetensors")), str(other_teacher(tmp_path / "other.safetensors", bundled.labels)))
    clips = [read_recording(path) for path in sorted((demo / "yes").iterdir())[:3]]
    waveforms = np.stack([np.resize(clip, CLIP_SAMPLES) for clip in clips])
    answers = Teachers(paths, bundled.labels, CPU)(torch.from_numpy(waveforms), torch.float32)
    each = [Recognizer(load_model(Path(path))).posteriors(waveforms) for path in paths]
    assert np.allclose(answers, np.mean(each, 0), atol=1e-6)


def test_the_share_of_the_teachers_decides_what_is_learnt(tmp_path: Path, demo: Path) -> None:
    runs = {"alone": TINY}
    for share in (0.0, 1.0):
        runs[f"taught {share}"] = with_training(teachers=str(bundled_model(".safetensors")), teaching=share)
    for name, config in runs.items():
        train(config, demo, tmp_path / name, progress=False)
    alone, none, whole = (history(tmp_path / name) for name in runs)
    assert none == alone
    assert whole[-1]["train_loss"] < whole[0]["train_loss"]
    assert whole[0]["train_loss"] != alone[0]["train_loss"]


def test_a_teacher_of_other_labels_is_refused(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = other_teacher(tmp_path / "other.safetensors", ("cat", "dog"))
    for path, says in [(teacher, "answers cat, dog, not yes,"), (tmp_path / "none.safetensors", "no such file")]:
        out = tmp_path / "out"
        flags = ["--data", demo, "--out", out, "--labels", TINY.corpus.labels, "--teachers", path]
        status, error = command_line(capsys, *flags)
        assert (status, error.count("\n")) == (2, 1), error
        assert says in error
        assert not (out / "last.safetensors").exists()
