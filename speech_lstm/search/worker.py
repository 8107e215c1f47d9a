"""A worker of a search: it draws and tries one candidate after the other, beside any number of other workers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from speech_lstm.report.tables import percent
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.population import CANDIDATE, CELL, finals, proposal, seeds_of, total, tried, wanted
from speech_lstm.search.progress import tried_line
from speech_lstm.search.seeds import SEEDS
from speech_lstm.search.source import register
from speech_lstm.search.stages import Stages, Tried, best_so_far
from speech_lstm.study.progress import kept as kept_of
from speech_lstm.trials.slots import Slot, drawn_seed, filled
from speech_lstm.trials.worker import Worker


@dataclass
class SearchWorker(Worker):
    """A worker of a search; `asked` has the number of candidates."""

    definition: SearchDefinition
    UNIT = "cell"

    def total(self, asked: dict[str, int]) -> int:
        return total(self.definition.search, asked["candidates"])

    def wanted(self, there: dict[Slot, FrozenTrial]) -> list[Slot]:
        best = max((best_so_far(one.kept["draws"]) for one in tried(there)), default=0.0)
        self.bar.set_postfix_str(f"best {percent(best)}" if best else "")
        return wanted(self.definition.search, self.asked["candidates"], there)

    def repeated(self, there: dict[Slot, FrozenTrial]) -> Collection[Slot]:
        return finals(self.definition.search, there)

    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        """Try a cell, or train a finalist again; the value is the best accuracy on the validation split."""
        there = filled(self.all_trials())
        if slot.of is not None:
            found = self.again(Tried(slot, kept_of(there[Slot(slot.cell, slot.of)])), slot.number)
            return found, float(found["validation"]["accuracy"])
        if slot.cell == CANDIDATE:
            graph, parent = proposal(self.definition.search, slot.number, there)
            trial.set_user_attr(CELL, graph.stored())  # which others need not draw again, then
            bars = seeds_of(tried(there), self.definition.search.beginning)
        else:  # a published cell is held against nothing
            graph, parent, bars = SEEDS[slot.cell](), "", ()
        found = Stages(self.definition, self.recordings, self.device, bars).run(graph, parent)
        return found, best_so_far(found["draws"])

    def again(self, one: Tried, number: int) -> dict[str, Any]:
        """A further training of a finalist's best settings, with a seed of its own."""
        seed = drawn_seed("repeat", self.definition.search.seed, one.graph.name, number)
        stages = Stages(self.definition, self.recordings, self.device)
        return stages.training(register(one.graph), one.best["drawn"], seed)

    def line(self, slot: Slot, kept: dict[str, Any]) -> str:
        if slot.of is None:
            return tried_line(Tried(slot, kept))
        label = slot.cell if slot.cell != CANDIDATE else kept["config"]["network"]["cell"]
        return f"{label}  further seed {slot.number + 1}  validation {percent(kept['validation']['accuracy'])}"


def check_networks(definition: SearchDefinition, labels: int) -> None:
    """Raise ConfigError, before anything is trained, where a published cell can't have the search's settings."""
    for cell in definition.search.published:
        for number in range(definition.search.draws):
            definition.config(register(SEEDS[cell]()), definition.drawn(number), 0, labels)
