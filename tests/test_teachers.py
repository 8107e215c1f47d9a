"""A network learns the answers of trained models besides the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, UNKNOWN, FeatureConfig, NetworkConfig
from speech_lstm.corpus.recordings import read_recordings
from speech_lstm.model.bundled import bundled_model
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.training.batches import Batch, Batches, Kind, rows_of
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


def answers_of(paths: list[Path], demo: Path, waveforms: Tensor, truth: str = "yes") -> NDArray[np.float32]:
    """The mean answer of teachers to waveforms whose labels are all `truth`, in a run of TINY's labels."""
    recordings = read_recordings(TINY.corpus, demo, progress=False)
    batches = Batches(recordings, TINY, CPU)
    config = with_training(teachers=",".join(map(str, paths))).training
    example = np.flatnonzero(recordings.examples.label == recordings.task.labels.index(truth))[0]
    batch = Batch(batches, rows_of(Kind.WHOLE, np.full(len(waveforms), example)))
    return Teachers(config, recordings, batches, progress=False).answers(batch, waveforms, torch.float32).numpy()


def waveforms_of(demo: Path) -> Tensor:
    clips = [read_recording(path) for path in sorted((demo / "yes").iterdir())[:3]]
    return torch.from_numpy(np.stack([np.resize(clip, CLIP_SAMPLES) for clip in clips]))


def test_they_answer_the_mean_of_their_posteriors(tmp_path: Path, demo: Path) -> None:
    bundled, waveforms = load_model(bundled_model(".safetensors")), waveforms_of(demo)
    paths = [bundled_model(".safetensors"), other_teacher(tmp_path / "other.safetensors", bundled.labels)]
    each = [Recognizer(load_model(path)).posteriors(waveforms.numpy()) for path in paths]
    assert np.allclose(answers_of(paths, demo, waveforms), np.mean(each, 0), atol=1e-6)


def test_a_teacher_of_other_labels_answers_what_it_knows(tmp_path: Path, demo: Path) -> None:
    """A word that the run does not have is `_unknown_`; a label that the teacher does not have has no answer."""
    waveforms, labels = waveforms_of(demo), load_model(bundled_model(".safetensors")).labels
    path = other_teacher(tmp_path / "other.safetensors", ("three", "yes", UNKNOWN))
    own = Recognizer(load_model(path)).posteriors(waveforms.numpy())
    answers = answers_of([path], demo, waveforms)
    assert np.allclose(answers[:, labels.index("yes")], own[:, 1], atol=1e-6)
    assert np.allclose(answers[:, labels.index(UNKNOWN)], own[:, 0] + own[:, 2], atol=1e-6)
    assert np.allclose(answers.sum(1), 1, atol=1e-6)
    assert not answers_of([path], demo, waveforms, "down").any()


def test_the_share_of_the_teachers_decides_what_is_learnt(tmp_path: Path, demo: Path) -> None:
    runs = {"alone": TINY}
    for share in (0.0, 1.0):
        runs[f"taught {share}"] = with_training(teachers=str(bundled_model(".safetensors")), teaching=share)
    for name, config in runs.items():
        train(config, demo, tmp_path / name, progress=False)
    alone, none, whole = (history(tmp_path / name) for name in runs)
    for entry, other in zip(none, alone, strict=True):
        assert entry == pytest.approx(other, rel=1e-4)
    assert whole[-1]["train_loss"] < whole[0]["train_loss"]
    assert whole[0]["train_loss"] != alone[0]["train_loss"]


def test_a_teacher_of_no_command_of_the_run_is_refused(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = other_teacher(tmp_path / "other.safetensors", ("cat", "dog"))
    for path, says in [
        (teacher, "answers cat, dog, but none of the commands yes,"),
        (tmp_path / "none.safetensors", "no such file"),
    ]:
        out = tmp_path / "out"
        flags = ["--data", demo, "--out", out, "--labels", TINY.corpus.labels, "--teachers", path]
        status, error = command_line(capsys, *flags)
        assert (status, error.count("\n")) == (2, 1), error
        assert says in error
        assert not (out / "last.safetensors").exists()
