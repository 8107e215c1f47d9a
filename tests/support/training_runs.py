"""Small trainings, in this process."""

from __future__ import annotations

import json
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


def command_line(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Exit status and standard error of `speech-lstm train …` in this process."""
    with pytest.raises(SystemExit) as caught:
        main(["train", *map(str, words)])
    return int(caught.value.code or 0), capsys.readouterr().err
