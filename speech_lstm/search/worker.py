"""The worker of a search: first the ancestors, then candidates, further published cells, and repeats of the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna

from speech_lstm.report.tables import percent
from speech_lstm.search.ancestors import PUBLISHED
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.population import (
    CELL,
    planned_slots,
    propose,
    published_cells,
    tried_cells,
)
from speech_lstm.search.progress import UNIT, SearchProgress, progress_of, tried_line
from speech_lstm.search.source import register
from speech_lstm.search.stages import CANDIDATE, Stages, TriedCell, best_accuracy
from speech_lstm.trials.slots import Slot, Slots, filled_slots, outcome_of
from speech_lstm.trials.space import draw_seed
from speech_lstm.trials.worker import Worker


@dataclass
class SearchWorker(Worker):
    """A worker of a search."""

    definition: SearchDefinition
    UNIT = UNIT

    def progress(self) -> SearchProgress:
        return progress_of(self.study)

    def planned(self, slots: Slots) -> list[Slot]:
        return planned_slots(self.definition.search, self.target["candidates"], slots)

    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        """Try a cell, or repeat a finalist's training; the value is the best accuracy on the validation split."""
        slots = filled_slots(self.all_trials())
        if slot.of is not None:
            outcome = self.repeat(TriedCell(slot, outcome_of(slots[Slot(slot.cell, slot.of)])), slot.number)
            return outcome, float(outcome["validation"]["accuracy"])
        if slot.cell == CANDIDATE:
            graph, parent = propose(self.definition.search, slot.number, slots)
            trial.set_user_attr(CELL, graph.stored())  # so that other workers need not draw it again
            ancestors = published_cells(tried_cells(slots), self.definition.search.ancestor_names)
        else:  # a published cell is compared with nothing
            graph, parent, ancestors = PUBLISHED[slot.cell](), "", ()
        outcome = Stages(self.definition, self.recordings, self.device, ancestors).run(graph, parent)
        return outcome, best_accuracy(outcome["draws"])

    def repeat(self, finalist: TriedCell, number: int) -> dict[str, Any]:
        """Train a finalist's best settings again with another seed."""
        seed = draw_seed("repeat", self.definition.search.seed, finalist.graph.name, number)
        stages = Stages(self.definition, self.recordings, self.device)
        return stages.train(register(finalist.graph), finalist.best["drawn"], seed)

    def line(self, slot: Slot, outcome: dict[str, Any]) -> str:
        if slot.of is None:
            return tried_line(TriedCell(slot, outcome))
        label = slot.cell if slot.cell != CANDIDATE else outcome["config"]["network"]["cell"]
        return f"{label}  repeat {slot.number + 1}  validation {percent(outcome['validation']['accuracy'])}"
