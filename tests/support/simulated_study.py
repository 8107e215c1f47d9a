"""Studies without trainings: a formula decides how accurate each is, and an index draws the clips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna

from speech_lstm.config import Config
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.study.worker import planned_slots
from speech_lstm.trials.recordings import pack
from speech_lstm.trials.slots import OUTCOME, SLOT, TARGET, Slot, filled_slots
from speech_lstm.trials.space import draw_seed

CLIPS = 400
LABELS = ["yes", "no", "_unknown_", "_silence_"]
Accuracy = Callable[[str, dict[str, Any]], float]  # of a cell with settings: 0..1


def simulate(
    storage: Any, definition: StudyDefinition, trials: int, repeats: int, accuracy: Accuracy
) -> optuna.Study:
    """A finished study."""
    random = np.random.default_rng(0)
    truth = random.integers(len(LABELS), size=CLIPS)
    clips = {"names": [f"yes/{i}.wav" for i in range(CLIPS)], "truth": pack(truth)}
    study = optuna.create_study(storage=storage, study_name=definition.name, direction="maximize")
    study.set_user_attr("format", 1)
    study.set_user_attr("identity", definition.identity)
    study.set_user_attr("title", definition.study.title)
    study.set_user_attr("facts", {"labels": LABELS, "validation": clips, "testing": clips})
    study.set_user_attr("corpus", "0" * 64)
    target = {"trials": trials, "repeats": repeats}
    study.set_user_attr(TARGET, definition.to_stored(target))
    while True:
        slots = filled_slots(study.trials)
        missing = [slot for slot in planned_slots(definition, target, slots) if slot not in slots]
        for slot in missing:
            source = Slot(slot.cell, slot.number if slot.of is None else slot.of)
            drawn = definition.draw(source, {})
            add(study, definition, slot, drawn, truth, accuracy(slot.cell, drawn))
        if not missing:
            return study


def add(
    study: optuna.Study,
    definition: StudyDefinition,
    slot: Slot,
    drawn: dict[str, Any],
    truth: np.ndarray,
    accuracy: float,
) -> None:
    """One training with its outcome."""
    random = np.random.default_rng(draw_seed("simulated", *slot))
    hard = np.random.default_rng(1).uniform(size=len(truth))  # the same clips are hard for all
    scores = {}
    for split in ("validation", "testing"):
        right = 0.85 * hard + 0.15 * random.uniform(size=len(truth)) < accuracy
        answers = np.where(right, truth, (truth + 1) % len(LABELS))
        scores[split] = {"accuracy": float(right.mean()), "loss": 1 - accuracy, "answers": pack(answers)}
    outcome = {
        "config": Config().to_dict(),
        "parameters": 1000 + 100 * int(drawn.get("hidden", 50)) + 500 * len(slot.cell),
        "curve": [],
        "best_epoch": 1,
        "diverged": False,
        **scores,
        "seconds": 10.0,
        "own_seconds": 5.0 + len(slot.cell) + random.uniform(),
        "latency": 0.001 * len(slot.cell) + 0.001 * random.uniform(),
        "device": "cpu",
        "versions": {"torch": "2.11.0"},
        "corpus": "0" * 64,
    }
    study.add_trial(
        optuna.trial.create_trial(
            params=drawn,
            distributions=definition.space,
            value=scores["validation"]["accuracy"],
            user_attrs={SLOT: list(slot), OUTCOME: outcome},
        )
    )
