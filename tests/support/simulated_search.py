"""Searches whose trainings were not made: a cell's name says how well it remembers and how accurate it is."""

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
from speech_lstm.search.definition import SearchDefinition, search_of
from speech_lstm.search.seeds import SEEDS
from speech_lstm.search.worker import SearchWorker
from speech_lstm.trials.packing import pack
from speech_lstm.trials.slots import drawn_seed

LABELS = ("yes", "no", "_unknown_", "_silence_")
CLIPS = 100
GRU = SEEDS["gru-cho"]().name


def share(*parts: Any) -> float:
    """A number from 0 to 1 that looks drawn and follows from the parts."""
    return drawn_seed("simulated", *parts) / 2**31


def quality(cell: str) -> float:
    """The accuracy that a cell can reach."""
    return 0.8 if cell in {SEEDS[name]().name for name in SEEDS} else 0.5 + 0.4 * share(cell)


def remembered(cell: str, steps: int, seed: int) -> float:
    return 1.0 if cell in {SEEDS[name]().name for name in SEEDS} else share("memory", cell) ** 0.2


def trained(config: Config, recordings: Any, device: torch.device) -> dict[str, Any]:
    """What `study.trial.trained` gives."""
    cell, epochs = config.network.cell, config.training.epochs
    scores = {}
    for split in ("validation", "testing"):
        noise = 0.1 * share(cell, split, config.training.seed)
        accuracy = round(CLIPS * (quality(cell) - noise) * (0.5 if epochs == 1 else 1)) / CLIPS
        scores[split] = {"accuracy": accuracy, "loss": 1 - accuracy, "answers": pack(np.zeros(CLIPS, np.int64))}
    kept = {"config": config.to_dict(), "parameters": 2000, "curve": [], "best_epoch": 1, "diverged": False}
    return kept | scores | {"seconds": 1.0, "device": "cpu", "versions": {"torch": "2.11.0"}, "corpus": "0" * 64}


def definition(**settings: Any) -> SearchDefinition:
    """A search of small networks."""
    base: dict[str, Any] = {"parameters": 2000, "first_epochs": 1, "memory": 0.7, "share": 0.8}
    tables = {
        "search": base | settings,
        "space": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
        "network": {"layers": 1, "bidirectional": False},
        "training": {"epochs": 2},
    }
    return search_of("simulated", tables)


def simulate(monkeypatch: pytest.MonkeyPatch, search: SearchDefinition, candidates: int) -> optuna.Study:
    """A finished search."""
    monkeypatch.setattr(stages, "trained", trained)
    monkeypatch.setattr(stages, "remembered", remembered)
    monkeypatch.setattr("speech_lstm.study.definition.matched", lambda features, network, labels, budget: network)
    study = optuna.create_study(study_name=f"search {search.name}", direction=StudyDirection.MAXIMIZE)
    clips = {"names": [f"yes/{i}.wav" for i in range(CLIPS)], "truth": pack(np.zeros(CLIPS, np.int64))}
    facts = {"labels": list(LABELS), "validation": clips, "testing": clips}
    told = {"identity": search.identity, "title": "", "facts": facts, "corpus": "0" * 64}
    for name, value in told.items():
        study.set_user_attr(name, value)
    go_on(study, search, candidates)
    return study


def go_on(study: optuna.Study, search: SearchDefinition, candidates: int) -> None:
    """Let a worker work until so many candidates are tried."""
    recordings: Any = SimpleNamespace(recordings=SimpleNamespace(task=SimpleNamespace(labels=LABELS)))
    SearchWorker(study, recordings, torch.device("cpu"), {"candidates": candidates}, search, quiet=True).run()
