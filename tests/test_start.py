"""A run can start from the weights of a trained model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_lstm.config import COMMANDS_8
from speech_lstm.model.checkpoint import load_model
from speech_lstm.training.run import train
from support.training_runs import TINY, command_line, with_training

STILL = {"epochs": 1, "learning_rate": 0.0}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(path).network.named_parameters())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Path:
    out = tmp_path_factory.mktemp("start") / "first"
    train(with_training(epochs=2), demo, out, progress=False)
    return out / "last.safetensors"


def test_without_a_step_the_weights_are_those_of_the_model(tmp_path: Path, demo: Path, trained: Path) -> None:
    config = with_training(**STILL, start=str(trained))
    config = replace(config, network=replace(config.network, dropout=0.4))
    train(config, demo, tmp_path / "on", progress=False)
    before, after = weights(trained), weights(tmp_path / "on" / "last.safetensors")
    for name in before:
        if name.startswith(
            "head."
        ):  # a new calibration is folded into the head: of all labels, and of _unknown_'s bias
            ratio = (after[name] / before[name])[: len(COMMANDS_8)]
            assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-4)
        else:
            assert torch.equal(before[name], after[name]), name


def test_other_labels_get_a_new_head(tmp_path: Path, demo: Path, trained: Path) -> None:
    config = with_training(**STILL, start=str(trained))
    config = replace(config, corpus=replace(config.corpus, labels="yes,no"))
    train(config, demo, tmp_path / "on", progress=False)
    before, after = weights(trained), weights(tmp_path / "on" / "last.safetensors")
    assert after["head.weight"].shape[0] == 4 != before["head.weight"].shape[0]
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("head."))


def test_the_network_is_that_of_the_model(
    tmp_path: Path, demo: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --config and flags that say otherwise."""
    flags = ["--data", demo, "--out", tmp_path / "out", "--labels", "yes,no", "--epochs", 1, "--start", trained]
    status, error = command_line(capsys, *flags)
    assert status == 0, error
    assert load_model(tmp_path / "out" / "last.safetensors").config == load_model(trained).config


def test_a_model_of_another_network_is_refused(
    tmp_path: Path, demo: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, says in [(trained, "has other features or another network"), (tmp_path / "none", "no such file")]:
        flags = ["--data", demo, "--out", tmp_path / "out", "--labels", TINY.corpus.labels, "--hidden", 5]
        status, error = command_line(capsys, *flags, "--start", path)
        assert (status, error.count("\n")) == (2, 1), error
        assert says in error
        assert not (tmp_path / "out" / "last.safetensors").exists()
