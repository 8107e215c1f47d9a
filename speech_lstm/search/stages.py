"""The stages that a cell goes through: the memory test, a short training, then one full training after another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.graph import CellGraph, restore_graph
from speech_lstm.search.recall import recall_share
from speech_lstm.search.source import register
from speech_lstm.trials.recordings import TrialRecordings
from speech_lstm.trials.slots import Slot
from speech_lstm.trials.space import draw_seed
from speech_lstm.trials.training import train_and_score

CANDIDATE = "candidate"  # the cell of a candidate's slot; that of a published cell is its name
PASSED = "passed"  # the stage of a cell that was not dropped
STAGES = {  # where a cell can be dropped, and the reason
    "memory": "failed the memory test",
    "first": "behind after a short training",
    "full": "behind after trainings to the end",
    PASSED: "passed all",
}


@dataclass(frozen=True)
class TriedCell:
    """A cell that has gone through its stages. `outcome` is as `Stages.run` returns it."""

    slot: Slot
    outcome: dict[str, Any]

    @property
    def graph(self) -> CellGraph:
        return restore_graph(self.outcome["graph"])

    @property
    def label(self) -> str:
        """The name of a published cell, or that of a candidate's graph."""
        return str(self.slot.cell if self.slot.cell != CANDIDATE else self.outcome["name"])

    @property
    def stage(self) -> str:
        """Where it was dropped, or PASSED."""
        return str(self.outcome["stage"])

    @property
    def best(self) -> dict[str, Any]:
        """Its best full training, the first of equals; only a cell that reached that stage has one."""
        return min(self.outcome["draws"], key=order)

    @property
    def rank(self) -> tuple[float, float, int]:
        """The key that sorts cells, the best first: accuracy on the validation split, then loss, then number."""
        return (*order(self.best), self.slot.number)


def order(draw: dict[str, Any]) -> tuple[float, float]:
    """The key that sorts trainings, the best first."""
    return -draw["validation"]["accuracy"], draw["validation"]["loss"]


def best_accuracy(draws: list[dict[str, Any]]) -> float:
    """The best validation accuracy of some trainings of a cell; 0 if empty."""
    return max((float(draw["validation"]["accuracy"]) for draw in draws), default=0.0)


@dataclass(frozen=True)
class Stages:
    """The stages of a search on its recordings.

    `ancestors` are the cells that set the bar; without any, as long as these are tried themselves, all cells pass.
    """

    definition: SearchDefinition
    recordings: TrialRecordings
    device: torch.device
    ancestors: tuple[TriedCell, ...] = ()

    def run(self, graph: CellGraph, parent: str) -> dict[str, Any]:
        """Put a cell through the stages: the outcome, in the types that JSON has. `parent` is its parent's label.

        Raises `trainer.Stopped` or KeyboardInterrupt when the user interrupts.
        """
        start = time.perf_counter()
        outcome: dict[str, Any] = {"graph": graph.stored(), "name": graph.name, "parent": parent, "draws": []}
        outcome["stage"] = self.measure(graph, outcome)
        return outcome | {"seconds": time.perf_counter() - start}

    def measure(self, graph: CellGraph, outcome: dict[str, Any]) -> str:
        """Add the measurements of each stage to `outcome`; the stage that the cell fails, or PASSED."""
        search, cell = self.definition.search, register(graph)
        outcome["memory"] = recall_share(cell, search.recall_steps, draw_seed("memory", search.seed, cell))
        if self.ancestors and not outcome["memory"] >= search.recall:
            return "memory"
        config = self.definition.config(cell, self.definition.draw(0), self.seed(cell, 0), self.labels)
        short = train_and_score(self.definition.shorten(config), self.recordings, self.device)
        outcome["first"] = short["validation"]["accuracy"]
        if self.behind(outcome["first"], [ancestor.outcome["first"] for ancestor in self.ancestors]):
            return "first"
        for number in range(search.draws):
            outcome["draws"].append(self.train(cell, self.definition.draw(number), self.seed(cell, number)))
            bars = [best_accuracy(ancestor.outcome["draws"][: number + 1]) for ancestor in self.ancestors]
            if self.behind(best_accuracy(outcome["draws"]), bars):
                return "full"
        return PASSED

    def train(self, cell: str, drawn: dict[str, Any], seed: int) -> dict[str, Any]:
        """Do one full training with the settings drawn for it."""
        config = self.definition.config(cell, drawn, seed, self.labels)
        return {"drawn": drawn, **train_and_score(config, self.recordings, self.device)}

    def behind(self, accuracy: float, bars: list[float]) -> bool:
        """Whether an accuracy is below the search's share of the best ancestor's."""
        return bool(bars) and accuracy < self.definition.search.share * max(bars)

    def seed(self, cell: str, number: int) -> int:
        return draw_seed("training", self.definition.search.seed, cell, number)

    @property
    def labels(self) -> int:
        return len(self.recordings.task.labels)
