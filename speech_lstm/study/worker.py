"""The worker of a study: first the trials of every cell, then repeats of each cell's best configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna

from speech_lstm.study.definition import StudyDefinition
from speech_lstm.study.progress import UNIT, StudyProgress, best_slots, progress_of, trial_line
from speech_lstm.trials.slots import Slot, Slots, all_finished
from speech_lstm.trials.space import draw_seed, suggest
from speech_lstm.trials.training import train_and_score
from speech_lstm.trials.worker import Worker


@dataclass
class StudyWorker(Worker):
    """A worker of a study."""

    definition: StudyDefinition
    UNIT = UNIT

    def progress(self) -> StudyProgress:
        return progress_of(self.study)

    def planned(self, slots: Slots) -> list[Slot]:
        return planned_slots(self.definition, self.target, slots)

    def settings(self, slot: Slot, slots: Slots) -> dict[str, Any]:
        return {} if slot.of is None else slots[Slot(slot.cell, slot.of)].params

    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        drawn = {name: suggest(trial, name, distribution) for name, distribution in self.definition.space.items()}
        seed = draw_seed("training", self.definition.study.seed, *slot)
        config = self.definition.config(slot.cell, drawn, seed, len(self.recordings.task.labels))
        outcome = train_and_score(config, self.recordings, self.device)
        return outcome, float(outcome["validation"][self.definition.study.objective])

    def line(self, slot: Slot, outcome: dict[str, Any]) -> str:
        return trial_line(slot, outcome)


def planned_slots(definition: StudyDefinition, target: dict[str, int], slots: Slots) -> list[Slot]:
    """The trials of every cell, the cells in turn; once all are finished, also the repeats of the best."""
    trials = [Slot(cell, number) for number in range(target["trials"]) for cell in definition.cells]
    if not all_finished(trials, slots):
        return trials
    best = best_slots(definition.study.objective, slots)
    repeats = range(target["repeats"])
    return trials + [Slot(cell, number, best[cell].number) for number in repeats for cell in definition.cells]
