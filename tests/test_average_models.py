"""scripts/average_models.py, on the small model that the tests train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from speech_lstm.config import UNKNOWN
from speech_lstm.model.checkpoint import Model, load_model, save_model

Main = Callable[[list[str]], int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import average_models

    return average_models.main


def moved(model: Model, path: Path, by: float) -> Path:
    """The model with every weight of its head moved."""
    with torch.no_grad():
        model.network.head.weight += by
    save_model(path, model)
    return path


def head(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of the last layer, before its last calibration was folded in."""
    model = load_model(path)
    factor, bias = model.training["temperature"], model.network.head.bias.detach().clone()
    bias[model.labels.index(UNKNOWN)] -= model.training["unknown_bias"]
    return model.network.head.weight.detach() * factor, bias * factor


def test_the_mean_counts_each_model_by_its_weight(main: Main, model_file: Path, demo: Path, tmp_path: Path) -> None:
    up, down = (
        moved(load_model(model_file), tmp_path / "up", 3.0),
        moved(load_model(model_file), tmp_path / "down", -1.0),
    )
    out = tmp_path / "mean.safetensors"
    assert main(["--out", str(out), "--data", str(demo), str(up), f"{down}=3"]) == 0
    weight, bias = head(out)
    plain = load_model(model_file).network.head
    torch.testing.assert_close(weight, plain.weight.detach())
    torch.testing.assert_close(bias, plain.bias.detach())
    assert load_model(out).training["average"] == {up.as_posix(): 1.0, down.as_posix(): 3.0}


def test_models_that_do_not_fit_are_refused(
    main: Main, model_file: Path, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_model(model_file)
    other = tmp_path / "other.safetensors"
    save_model(other, replace(model, labels=tuple(reversed(model.labels))))
    out = tmp_path / "mean.safetensors"
    assert main(["--out", str(out), "--data", str(demo), str(model_file), str(other)]) == 2
    assert "the models differ in labels" in capsys.readouterr().err
    assert not out.exists()
