"""Small trainings, in this process."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speech_lstm.cli import main
from speech_lstm.config import (
    COMMANDS_8,
    AugmentConfig,
    Config,
    CorpusConfig,
    FeatureConfig,
    NetworkConfig,
    TrainingConfig,
)
from speech_lstm.training.batches import Batch
from speech_lstm.training.run import train
from speech_lstm.training.trainer import Stopped, Trainer

TINY = Config(
    FeatureConfig(hop_ms=20.0, mels=20, coefficients=13),
    NetworkConfig(layers=1, hidden=8),
    AugmentConfig(),
    CorpusConfig(labels=",".join(COMMANDS_8), unknown=30.0, splices=0.2),
    TrainingConfig(epochs=2, batch=16, learning_rate=0.01, average=0.9),
)


def with_training(**settings: Any) -> Config:
    return replace(TINY, training=replace(TINY.training, **settings))


def history(out: Path) -> list[dict[str, float]]:
    """The epochs of a run, without what depends on the machine's load."""
    entries = json.loads((out / "summary.json").read_text(encoding="utf-8"))["history"]
    return [{name: value for name, value in entry.items() if name != "clips_per_second"} for entry in entries]


def interrupt(monkeypatch: pytest.MonkeyPatch, number: signal.Signals, step: int) -> None:
    """Send this process a signal during a step of the next run, counted from 0 over all epochs."""
    whole = Trainer.step

    def interrupted(trainer: Trainer, batch: Batch) -> tuple[float, float]:
        if trainer.progress.step == step:
            signal.raise_signal(number)
        return whole(trainer, batch)

    monkeypatch.setattr(Trainer, "step", interrupted)


def check_resumption(config: Config, data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped in `folder`/stopped and resumed is the one that was not, in `folder`/straight."""
    train(config, data, folder / "straight", progress=False)
    with monkeypatch.context() as patch:
        interrupt(patch, signal.SIGINT, 3)
        with pytest.raises(Stopped):
            train(config, data, folder / "stopped", progress=False)
    train(config, data, folder / "stopped", resume=True, progress=False)
    assert history(folder / "stopped") == history(folder / "straight")


def command_line(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Exit status and standard error of `speech-lstm train …` in this process."""
    with pytest.raises(SystemExit) as caught:
        main(["train", *map(str, words)])
    return int(caught.value.code or 0), capsys.readouterr().err
