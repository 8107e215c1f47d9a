"""A study as a TOML file defines it: the cells, the search space, and the settings that all trainings share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from speech_lstm.config import Config, Settings, check, setting
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.registry import find_cell
from speech_lstm.trials.definition import Definition, read_base, training_config
from speech_lstm.trials.slots import Slot, Slots, filled_slots, finished, slot_of
from speech_lstm.trials.space import describe_setting, draw_seed, draw_settings, read_space

TABLES = ("study", "cells", "space", *Config.GROUPS)
CHECKED = 20  # trials of each cell whose networks are checked before the first is trained


@dataclass(frozen=True)
class StudyConfig(Settings):
    """How a study is run."""

    title: str = setting("", "what it is about")
    data: str = setting("", "the corpus, unless the command line names one")
    baseline: str = setting("", "the cell that the others are compared with; the first one")
    trials: int = setting(20, "trials of each cell", 1, 100_000)
    repeats: int = setting(3, "further trainings of each cell's best configuration", 0, 1000)
    sampler: Literal["random", "tpe"] = setting("random", "how the trials' settings are drawn")
    seed: int = setting(1, "of all that is drawn", 0, 2**31 - 1)
    objective: Literal["accuracy", "loss"] = setting("accuracy", "of the validation split: what is best")
    parameters: int = setting(0, "budget of every network; 0 keeps the hidden size", 0, 1_000_000_000)


@dataclass(frozen=True)
class StudyDefinition(Definition):
    """A study. `cells` has the settings of each cell of its own."""

    study: StudyConfig
    cells: dict[str, dict[str, Any]]

    KIND: ClassVar[str] = "study"
    FOLDER: ClassVar[str] = "studies"
    SHIPPED: ClassVar[Path] = Path(__file__).parent / "studies"
    FIELDS: ClassVar[Mapping[str, str]] = {"seeds": "repeats"}

    @classmethod
    def from_tables(cls, name: str, tables: dict[str, Any]) -> Self:
        base = read_base(tables, TABLES)
        study = StudyConfig.from_dict(tables.get("study", {}))
        cells = {cell: read_cell(cell, own) for cell, own in tables.get("cells", {}).items()}
        if not cells:
            raise ConfigError("[cells] names no cell")
        if study.baseline and study.baseline not in cells:
            raise ConfigError(f"baseline is {study.baseline!r}, which [cells] does not name")
        space = read_space(tables)
        if study.parameters and "hidden" in space:
            raise ConfigError("hidden is both drawn and chosen to match parameters: remove one of them")
        for cell, own in cells.items():
            if both := sorted(set(own) & set(space)):
                raise ConfigError(f"[space] draws {both[0]}, which is fixed for the cell {cell}: remove one of them")
        return cls(name, space, base, study, cells)

    @property
    def title(self) -> str:
        return self.study.title

    @property
    def data(self) -> Path:
        return Path(self.study.data)

    @property
    def baseline(self) -> str:
        """The cell that the others are compared with."""
        return self.study.baseline or next(iter(self.cells))

    @property
    def counts(self) -> dict[str, int]:
        return {"trials": self.study.trials, "repeats": self.study.repeats}

    @cached_property
    def identity(self) -> dict[str, dict[str, Any]]:
        study = self.study.to_dict() | {"baseline": self.baseline}
        for name in ("title", "data", "trials", "repeats"):  # these may change
            del study[name]
        return {"study": study, "cells": self.cells, **self.common_identity}

    @property
    def direction(self) -> optuna.study.StudyDirection:
        directions = optuna.study.StudyDirection
        return directions.MAXIMIZE if self.study.objective == "accuracy" else directions.MINIMIZE

    @property
    def sampler(self) -> optuna.samplers.BaseSampler:
        return SlotSampler(self)

    def config(self, cell: str, drawn: Mapping[str, Any], seed: int, labels: int) -> Config:
        """The settings of one training: the base, the cell's own and what was drawn.

        Raises ConfigError for values that exclude each other, or that no network of the budget can have.
        """
        values = {"cell": cell, **self.cells[cell], **drawn, "seed": seed}
        return training_config(self.base, values, labels, self.study.parameters)

    def draw(self, slot: Slot, slots: Slots) -> dict[str, Any]:
        """The settings of a trial. They depend on its slot alone; with TPE also on the cell's finished trials."""
        seed = draw_seed("settings", self.study.seed, slot.cell, slot.number)
        if self.study.sampler == "random":
            return draw_settings(self.space, seed)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction=self.direction)
        study.add_trials([t for s, t in finished(slots).items() if s.cell == slot.cell and s.of is None])
        return study.ask(self.space).params

    def check_networks(self, counts: Mapping[str, int], labels: int) -> None:
        for cell in self.cells:
            for number in range(min(counts["trials"], CHECKED)):
                try:
                    self.config(cell, self.draw(Slot(cell, number), {}), 0, labels)
                except ConfigError as error:
                    raise ConfigError(f"study {self.name}, cell {cell}, trial {number + 1}: {error}") from None


def read_cell(cell: str, own: Any) -> dict[str, Any]:
    """The settings of a cell's table, with `cell` if its name is the study's own. Raises ConfigError."""
    if not isinstance(own, dict):
        raise ConfigError(f"[cells] {cell} must be a table of settings, such as {{}}")
    for name, value in own.items():
        check(name, value, *describe_setting(name))
    find_cell(own.get("cell", cell))
    return dict(own)


class SlotSampler(optuna.samplers.BaseSampler):
    """Draws the settings of a trial for its slot: the same for the same slot, whichever worker asks."""

    def __init__(self, definition: StudyDefinition) -> None:
        self.definition = definition

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.definition.space if slot_of(trial) else {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        slot = slot_of(trial)
        if slot is None or slot.of is not None:  # a repeat has its settings
            return {}
        return self.definition.draw(slot, filled_slots(study.get_trials(deepcopy=False)))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise NotImplementedError("all settings of a trial are drawn together")
