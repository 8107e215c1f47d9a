"""The results of a study so far, read from its storage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial

from speech_lstm.study.progress import StudyProgress, progress_of
from speech_lstm.trials.recordings import unpack
from speech_lstm.trials.slots import Slot, finished, outcome_of

BEST_SHARE = 0.1  # of the trials, as in Greff et al. 2015


@dataclass(frozen=True)
class Training:
    """A finished training. `outcome` is as `train_and_score` returns it."""

    slot: Slot
    drawn: dict[str, Any]
    value: float  # of the objective, on the validation split
    outcome: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """On the testing split."""
        return float(self.outcome["testing"]["accuracy"])

    @property
    def seconds(self) -> float:
        """The time of the training: on the CPU that of the process, on a GPU that of the clock."""
        return float(self.outcome["own_seconds" if self.outcome["device"] == "cpu" else "seconds"])

    def right(self, truth: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which clips of the testing split are classified correctly."""
        return unpack(self.outcome["testing"]["answers"]) == truth


@dataclass(frozen=True)
class Results:
    """A study with its finished trainings."""

    name: str
    title: str
    identity: dict[str, Any]
    facts: dict[str, Any]
    corpus: str
    progress: StudyProgress
    trainings: tuple[Training, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells with a finished trial, in the study's order."""
        return tuple(cell for cell in self.identity["cells"] if self.trials(cell))

    @property
    def baseline(self) -> str:
        """The cell that the others are compared with."""
        return str(self.identity["study"]["baseline"])

    @cached_property
    def space(self) -> dict[str, BaseDistribution]:
        """The distributions of the settings."""
        return {name: json_to_distribution(text) for name, text in self.identity["space"].items()}

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The right labels of the testing split."""
        return unpack(self.facts["testing"]["truth"])

    def trials(self, cell: str) -> list[Training]:
        """A cell's trials, the best on the validation split first."""
        sign = -1 if self.identity["study"]["objective"] == "accuracy" else 1
        trials = [t for t in self.trainings if t.slot.cell == cell and t.slot.of is None]
        return sorted(trials, key=lambda training: (sign * training.value, training.slot.number))

    def best(self, cell: str) -> Training:
        """A cell's best trial."""
        return self.trials(cell)[0]

    def best_tenth(self, cell: str) -> list[Training]:
        """The best tenth of a cell's trials, at least one."""
        trials = self.trials(cell)
        return trials[: math.ceil(BEST_SHARE * len(trials))]

    def repeats(self, cell: str) -> list[Training]:
        """The further trainings of a cell's best configuration, each with another seed."""
        best = self.best(cell).slot
        return [t for t in self.trainings if t.slot.cell == cell and t.slot.of == best.number]


def results_of(study: optuna.Study) -> Results:
    """Read the results of a study."""
    stored, progress = study.user_attrs, progress_of(study)
    return Results(
        study.study_name,
        stored["title"],
        stored["identity"],
        stored["facts"],
        stored["corpus"],
        progress,
        tuple(training_of(slot, trial) for slot, trial in finished(progress.slots).items()),
    )


def training_of(slot: Slot, trial: FrozenTrial) -> Training:
    assert trial.value is not None
    return Training(slot, trial.params, trial.value, outcome_of(trial))
