"""A study as a TOML file says it: cells, search space, how many trials, and the settings that stay the same."""

from __future__ import annotations

import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from speech_lstm.config import KINDS, Config, FeatureConfig, NetworkConfig, Settings, check, read_toml, setting
from speech_lstm.errors import ConfigError
from speech_lstm.model.sizing import match_parameters, parameter_count
from speech_lstm.recurrent.registry import find_cell

SHIPPED = Path(__file__).parent / "studies"
TABLES = ("study", "cells", "space", *Config.GROUPS)
FIXED_GROUPS = ("corpus",)  # one corpus is loaded for all trials
FIXED_NAMES = ("seed", "sizes", "layers", "device")  # seeds are drawn, the others would not be what they say


@dataclass(frozen=True)
class StudyConfig(Settings):
    """How a study is run."""

    title: str = setting("", "what it is about")
    data: str = setting("", "the corpus, where the command line names none")
    baseline: str = setting("", "the cell that the others are compared with; the first one")
    trials: int = setting(20, "trials of each cell", 1, 100_000)
    seeds: int = setting(3, "trainings of each cell's best configuration", 0, 1000)
    sampler: Literal["random", "tpe"] = setting("random", "how the trials' settings are drawn")
    seed: int = setting(1, "of what is drawn", 0, 2**31 - 1)
    objective: Literal["accuracy", "loss"] = setting("accuracy", "of the validation split: what is best")
    parameters: int = setting(0, "budget of every network; 0 leaves the hidden size as it is", 0, 1_000_000_000)


@dataclass(frozen=True)
class Definition:
    """A study. `cells` has each cell's own settings, `base` the settings that all start from."""

    name: str
    study: StudyConfig
    cells: dict[str, dict[str, Any]]
    space: dict[str, BaseDistribution]
    base: Config = field(default_factory=Config)
    KIND: ClassVar[str] = "study"

    @property
    def title(self) -> str:
        """What it is about."""
        return self.study.title

    @property
    def baseline(self) -> str:
        """The cell that the others are compared with."""
        return self.study.baseline or next(iter(self.cells))

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this study: everything but where the data lie and how many trials there are."""
        study = self.study.to_dict() | {"baseline": self.baseline}
        for name in ("title", "data", "trials", "seeds"):
            del study[name]
        space = {name: distribution_to_json(item) for name, item in self.space.items()}
        base = self.base.to_dict()
        return {"study": study, "cells": self.cells, "space": space, **base}

    def config(self, cell: str, drawn: dict[str, Any], seed: int, labels: int) -> Config:
        """The settings of one training: the base, the cell's own and what was drawn.

        Raises ConfigError for what can't be together, or can't have the budget's number of parameters.
        """
        values = {"cell": cell, **self.cells[cell], **drawn, "seed": seed}
        return training_config(self.base, values, labels, self.study.parameters)


def training_config(base: Config, values: Mapping[str, Any], labels: int, parameters: int) -> Config:
    """The settings of one training: some values in place of the base's, and the hidden size that comes nearest to
    a number of parameters, where that isn't 0.

    Raises ConfigError for what can't be together, or can't have that number of parameters.
    """
    groups = base.to_dict()
    for name, value in values.items():
        groups[group_of(name)][name] = value
    config = Config.from_dict(groups)
    if parameters:
        plain = replace(config.network, dropout=0.0)  # so that it is looked for once
        hidden = matched(config.features, plain, labels, parameters).hidden
        return replace(config, network=replace(config.network, hidden=hidden))
    parameter_count(config.features, config.network, labels)  # raises for a network that can't be
    return config


@cache
def matched(features: FeatureConfig, network: NetworkConfig, labels: int, budget: int) -> NetworkConfig:
    """`match_parameters`, once for the same settings."""
    return match_parameters(features, network, labels, budget)


def group_of(name: str) -> str:
    """The group of settings that a name belongs to: no two groups share one. Raises ConfigError for none."""
    for group, kind in Config.GROUPS.items():
        if name in typing.get_type_hints(kind):
            return group
    raise ConfigError(f"unknown setting {name!r}; `speech-lstm train --help` lists them")


def shipped(folder: Path = SHIPPED) -> list[str]:
    """The names of the studies that come with the program."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def find_study(name: str, folder: Path = SHIPPED, kind: str = "study") -> Path:
    """The file of a study: one that comes with the program, or the user's FILE.toml. Raises ConfigError."""
    path = Path(name)
    if path.suffix == ".toml":
        return path
    if name in shipped(folder):
        return folder / f"{name}.toml"
    raise ConfigError(f"unknown {kind} {name!r}; give {', '.join(shipped(folder))} or a FILE.toml")


def read_study(name: str) -> Definition:
    """The study of a name or file; raises ConfigError, with the file's name, for one that can't be."""
    path = find_study(name)
    return read_toml(path, lambda tables: definition_of(path.stem, tables))


def definition_of(name: str, tables: dict[str, Any]) -> Definition:
    """The study of a TOML file's tables; raises ConfigError."""
    base = base_of(tables, TABLES)
    study = StudyConfig.from_dict(tables.get("study", {}))
    cells = {cell: cell_settings(cell, own) for cell, own in tables.get("cells", {}).items()}
    if not cells:
        raise ConfigError("[cells] names no cell")
    if study.baseline and study.baseline not in cells:
        raise ConfigError(f"baseline is {study.baseline!r}, which [cells] does not name")
    space = space_of(tables)
    if study.parameters and "hidden" in space:
        raise ConfigError("hidden is searched and chosen to match parameters: leave one of them out")
    for cell, own in cells.items():
        if both := sorted(set(own) & set(space)):
            raise ConfigError(f"[space] searches {both[0]}, which is fixed for the cell {cell}")
    return Definition(name, study, cells, space, base)


def base_of(tables: dict[str, Any], known: Collection[str]) -> Config:
    """The settings that all trainings start from; raises ConfigError for tables that nobody knows."""
    if strange := sorted(set(tables) - set(known)):
        raise ConfigError(f"unknown table [{strange[0]}]; known are {', '.join(known)}")
    for table, value in tables.items():
        if not isinstance(value, dict):
            raise ConfigError(f"{table} must be a table")
    return Config.from_dict({group: tables[group] for group in Config.GROUPS if group in tables})


def space_of(tables: dict[str, Any]) -> dict[str, BaseDistribution]:
    """What is drawn for each training; raises ConfigError."""
    return {item: distribution(item, value) for item, value in tables.get("space", {}).items()}


def cell_settings(cell: str, own: Any) -> dict[str, Any]:
    """The settings of a cell's table, `cell` among them where the name is only the study's own."""
    if not isinstance(own, dict):
        raise ConfigError(f"[cells] {cell} must be a table of settings, such as {{}}")
    for name, value in own.items():
        check(name, value, *kind_of(name))
    find_cell(own.get("cell", cell))
    return dict(own)


def kind_of(name: str) -> tuple[Any, Mapping[str, Any]]:
    """Type and metadata of a setting that may differ from trial to trial; raises ConfigError for another."""
    group = group_of(name)
    if group in FIXED_GROUPS or name in FIXED_NAMES:
        raise ConfigError(f"{name} can't differ from trial to trial")
    kind = Config.GROUPS[group]
    metadata = {item.name: item.metadata for item in fields(kind)}  # type: ignore[arg-type]
    return typing.get_type_hints(kind)[name], metadata[name]


def distribution(name: str, table: Any) -> BaseDistribution:
    """What a setting is drawn from: { low, high, log } or { choices }. Raises ConfigError."""
    hint, metadata = kind_of(name)
    if not isinstance(table, dict) or not (
        set(table) == {"choices"} or {"low", "high"} <= set(table) <= {"low", "high", "log"}
    ):
        raise ConfigError(f"[space] {name} must be {{ low, high, log }} or {{ choices }}")
    values = table.get("choices", [table.get("low"), table.get("high")])
    if not isinstance(values, list) or not values:
        raise ConfigError(f"[space] {name}: choices is empty")
    for value in values:
        check(name, value, hint, metadata)
    if "choices" in table:
        return CategoricalDistribution(values)
    if hint not in (int, float):
        raise ConfigError(f"[space] {name} is {KINDS.get(hint, 'one of a few names')}: give its choices")
    log = table.get("log", False)
    check(f"log of {name}", log, bool, {})
    low, high = values
    if low >= high:
        raise ConfigError(f"[space] {name} from {low} to {high} is an empty range: low must be below high")
    if log and low <= 0:
        raise ConfigError(f"[space] {name} from {low}: a logarithmic range must begin above 0")
    return IntDistribution(low, high, log=log) if hint is int else FloatDistribution(low, high, log=log)
