"""What a cell goes through: the memory test, a short training, then one training after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.graph import Graph, restored
from speech_lstm.search.recall import remembered
from speech_lstm.search.source import register
from speech_lstm.trials.recordings import StudyRecordings
from speech_lstm.trials.slots import Slot, drawn_seed
from speech_lstm.trials.training import trained

PASSED = "passed"  # the stage of a cell that was not dropped
STAGES = {  # at which a cell can be dropped, and what it then had not reached
    "memory": "failed the memory test",
    "first": "behind after a short training",
    "full": "behind after trainings to the end",
    PASSED: "passed all",
}


@dataclass(frozen=True)
class Tried:
    """A cell that has been through its stages. `kept` is as `Stages.run` gives it."""

    slot: Slot
    kept: dict[str, Any]

    @property
    def graph(self) -> Graph:
        return restored(self.kept["graph"])

    @property
    def label(self) -> str:
        """What it is called: a published cell by its name, a candidate by its graph's."""
        return str(self.slot.cell if self.slot.cell != "candidate" else self.kept["name"])

    @property
    def stage(self) -> str:
        """Where it was dropped, or PASSED."""
        return str(self.kept["stage"])

    @property
    def best(self) -> dict[str, Any]:
        """Its best training to the end, the first of equals; a cell that was kept has one."""
        return min(self.kept["draws"], key=order)

    @property
    def rank(self) -> tuple[float, float, int]:
        """What cells are sorted by: accuracy on the validation split, then loss, then which came first."""
        return (*order(self.best), self.slot.number)


def order(draw: dict[str, Any]) -> tuple[float, float]:
    """What trainings are sorted by, the best first."""
    return -draw["validation"]["accuracy"], draw["validation"]["loss"]


def best_so_far(draws: list[dict[str, Any]]) -> float:
    """The best validation accuracy of some trainings of a cell, 0 of none."""
    return max((float(draw["validation"]["accuracy"]) for draw in draws), default=0.0)


@dataclass(frozen=True)
class Stages:
    """The stages of a search on its recordings; `seeds` are the cells that set the bar, none while they are tried."""

    definition: SearchDefinition
    recordings: StudyRecordings
    device: torch.device
    seeds: tuple[Tried, ...] = ()

    def run(self, graph: Graph, parent: str) -> dict[str, Any]:
        """Everything that is kept of a cell, in the types that JSON has; `parent` is the cell that it is a mutant of.

        Raises `trainer.Stopped` or KeyboardInterrupt when the user interrupts.
        """
        start = time.perf_counter()
        found: dict[str, Any] = {"graph": graph.stored(), "name": graph.name, "parent": parent, "draws": []}
        found["stage"] = self.dropped(graph, found) or PASSED
        return found | {"seconds": time.perf_counter() - start}

    def dropped(self, graph: Graph, found: dict[str, Any]) -> str | None:
        """The stage that a cell does not pass, what was measured being put into `found`; seeds pass all."""
        search, cell = self.definition.search, register(graph)
        found["memory"] = remembered(cell, search.memory_steps, drawn_seed("memory", search.seed, cell))
        if self.seeds and not found["memory"] >= search.memory:
            return "memory"
        config = self.definition.config(cell, self.definition.drawn(0), self.seed(cell, 0), self.labels)
        short = trained(self.definition.first(config), self.recordings, self.device)
        found["first"] = short["validation"]["accuracy"]
        if self.behind(found["first"], [tried.kept["first"] for tried in self.seeds]):
            return "first"
        for number in range(search.draws):
            found["draws"].append(self.training(cell, self.definition.drawn(number), self.seed(cell, number)))
            bars = [best_so_far(tried.kept["draws"][: number + 1]) for tried in self.seeds]
            if self.behind(best_so_far(found["draws"]), bars):
                return "full"
        return None

    def training(self, cell: str, drawn: dict[str, Any], seed: int) -> dict[str, Any]:
        """One training to the end, with what was drawn for it."""
        config = self.definition.config(cell, drawn, seed, self.labels)
        return {"drawn": drawn, **trained(config, self.recordings, self.device)}

    def behind(self, accuracy: float, bars: list[float]) -> bool:
        """Whether an accuracy is under the search's share of the best seed's."""
        return bool(bars) and accuracy < self.definition.search.share * max(bars)

    def seed(self, cell: str, number: int) -> int:
        return drawn_seed("training", self.definition.search.seed, cell, number)

    @property
    def labels(self) -> int:
        return len(self.recordings.recordings.task.labels)
