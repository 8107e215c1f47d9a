"""Searches without trainings: a cell's name decides how well it remembers and how accurate it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.study import StudyDirection

from speech_lstm.config import Config
from speech_lstm.search import stages
from speech_lstm.search.ancestors import PUBLISHED
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.worker import SearchWorker
from speech_lstm.trials.recordings import pack
from speech_lstm.trials.space import draw_seed

LABELS = ("yes", "no", "_unknown_", "_silence_")
CLIPS = 100
GRU = PUBLISHED["gru-cho"]().name


def share(*parts: Any) -> float:
    """A number from 0 to 1 that looks drawn and follows from the parts."""
    return draw_seed("simulated", *parts) / 2**31


def quality(cell: str) -> float:
    """The accuracy that a cell can reach."""
    return 0.8 if cell in {PUBLISHED[name]().name for name in PUBLISHED} else 0.5 + 0.4 * share(cell)


def recall_share(cell: str, steps: int, seed: int) -> float:
    return 1.0 if cell in {PUBLISHED[name]().name for name in PUBLISHED} else share("memory", cell) ** 0.2


def train_and_score(config: Config, recordings: Any, device: torch.device) -> dict[str, Any]:
    """The outcome of `trials.training.train_and_score`."""
    cell, epochs = config.network.cell, config.training.epochs
    scores = {}
    for split in ("validation", "testing"):
        noise = 0.1 * share(cell, split, config.training.seed)
        accuracy = round(CLIPS * (quality(cell) - noise) * (0.5 if epochs == 1 else 1)) / CLIPS
        scores[split] = {"accuracy": accuracy, "loss": 1 - accuracy, "answers": pack(np.zeros(CLIPS, np.int64))}
    facts = {"config": config.to_dict(), "parameters": 2000, "curve": [], "best_epoch": 1, "diverged": False}
    return facts | scores | {"seconds": 1.0, "device": "cpu", "versions": {"torch": "2.11.0"}, "corpus": "0" * 64}


def definition(**settings: Any) -> SearchDefinition:
    """A search of small networks."""
    base: dict[str, Any] = {"parameters": 2000, "first_epochs": 1, "recall": 0.7, "share": 0.8}
    tables = {
        "search": base | settings,
        "space": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
        "network": {"layers": 1, "bidirectional": False},
        "training": {"epochs": 2},
    }
    return SearchDefinition.from_tables("simulated", tables)


def simulate(monkeypatch: pytest.MonkeyPatch, search: SearchDefinition, candidates: int) -> optuna.Study:
    """A finished search."""
    monkeypatch.setattr(stages, "train_and_score", train_and_score)
    monkeypatch.setattr(stages, "recall_share", recall_share)
    monkeypatch.setattr(
        "speech_lstm.trials.definition.cached_match", lambda features, network, labels, budget: network
    )
    name = search.stored_name(search.name)
    study = optuna.create_study(study_name=name, direction=StudyDirection.MAXIMIZE)
    clips = {"names": [f"yes/{i}.wav" for i in range(CLIPS)], "truth": pack(np.zeros(CLIPS, np.int64))}
    facts = {"labels": list(LABELS), "validation": clips, "testing": clips}
    attributes = {"identity": search.identity, "title": "", "facts": facts, "corpus": "0" * 64}
    for name, value in attributes.items():
        study.set_user_attr(name, value)
    extend(study, search, candidates)
    return study


def extend(study: optuna.Study, search: SearchDefinition, candidates: int) -> None:
    """Let a worker continue until so many candidates are tried."""
    recordings: Any = SimpleNamespace(task=SimpleNamespace(labels=LABELS))
    SearchWorker(study, recordings, torch.device("cpu"), {"candidates": candidates}, search, quiet=True).run()
