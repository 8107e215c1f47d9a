"""A search as a TOML file says it: what it begins with, how cells change, and what they must reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution, distribution_to_json

from speech_lstm.config import Config, Settings, read_toml, setting, split_names
from speech_lstm.errors import ConfigError
from speech_lstm.search.seeds import SEEDS
from speech_lstm.study.definition import base_of, find_study, space_of, training_config
from speech_lstm.trials.slots import drawn_seed, drawn_settings

SHIPPED = Path(__file__).parent / "searches"
TABLES = ("search", "space", *Config.GROUPS)
CHOSEN = ("hidden", "cell", "epochs")  # settings that the search itself decides about


@dataclass(frozen=True)
class SearchConfig(Settings):
    """How a search is run."""

    title: str = setting("", "what it is about")
    data: str = setting("", "the corpus, where the command line names none")
    candidates: int = setting(300, "cells to try", 1, 1_000_000)
    seeds: str = setting("lstm,gru-cho", "cells that the search begins with")
    beside: str = setting("mut1,mut2,mut3,rnn", "cells that are trained beside, and that no candidate comes from")
    baseline: str = setting("lstm", "the cell that the finalists are compared with")
    parents: int = setting(20, "of how many of the best a candidate is a mutant", 1, 1000)
    mutation: float = setting(0.2, "highest chance with which a node of the parent is changed", 0.001, 1)
    memory: float = setting(0.9, "share of the symbols to be remembered in the memory test", 0, 1)
    memory_steps: int = setting(250, "steps in which the memory test is learnt", 1, 1_000_000)
    share: float = setting(0.9, "of the best seed's accuracy: a cell below it is dropped", 0, 1)
    first_epochs: int = setting(5, "epochs of the first, short training", 1, 10_000)
    draws: int = setting(3, "settings that a cell is trained with, the same for all", 1, 1000)
    finalists: int = setting(5, "best cells that are trained again at the end", 1, 1000)
    repeats: int = setting(5, "further trainings of each finalist and published cell", 0, 1000)
    seed: int = setting(1, "of what is drawn", 0, 2**31 - 1)
    parameters: int = setting(25_000, "of every network", 100, 1_000_000_000)

    @property
    def beginning(self) -> tuple[str, ...]:
        """The cells that the search begins with."""
        return tuple(split_names(self.seeds))

    @property
    def published(self) -> tuple[str, ...]:
        """Those, and the cells that are trained beside."""
        return tuple(dict.fromkeys([*self.beginning, *split_names(self.beside)]))


@dataclass(frozen=True)
class SearchDefinition:
    """A search. `base` has the settings that all trainings start from, `space` what is drawn for each."""

    name: str
    search: SearchConfig
    space: dict[str, BaseDistribution]
    base: Config
    KIND: ClassVar[str] = "search"

    @property
    def title(self) -> str:
        """What it is about."""
        return self.search.title

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this search: everything but where the data lie and how many candidates there are."""
        search = self.search.to_dict()
        for name in ("title", "data", "candidates"):
            del search[name]
        space = {name: distribution_to_json(item) for name, item in self.space.items()}
        return {"search": search, "space": space, **self.base.to_dict()}

    def drawn(self, number: int) -> dict[str, Any]:
        """The settings of a cell's training of that number, from 0: the same for all cells."""
        return drawn_settings(self.space, drawn_seed("settings", self.search.seed, number))

    def config(self, cell: str, drawn: dict[str, Any], seed: int, labels: int) -> Config:
        """The settings of one training to the end, with the search's number of parameters; raises ConfigError."""
        return training_config(self.base, {"cell": cell, **drawn, "seed": seed}, labels, self.search.parameters)

    def first(self, config: Config) -> Config:
        """A training's settings cut down to the first, short one."""
        epochs = min(self.search.first_epochs, config.training.epochs)
        return replace(config, training=replace(config.training, epochs=epochs))


def find_search(name: str) -> Path:
    """The file of a search: one that comes with the program, or the user's FILE.toml. Raises ConfigError."""
    return find_study(name, SHIPPED, "search")


def read_search(name: str) -> SearchDefinition:
    """The search of a name or file; raises ConfigError, with the file's name, for one that can't be."""
    path = find_search(name)
    return read_toml(path, lambda tables: search_of(path.stem, tables))


def search_of(name: str, tables: dict[str, Any]) -> SearchDefinition:
    """The search of a TOML file's tables; raises ConfigError."""
    base = base_of(tables, TABLES)
    search = SearchConfig.from_dict(tables.get("search", {}))
    found = SearchDefinition(name, search, space_of(tables), base)
    for cell in search.published:
        if cell not in SEEDS:
            raise ConfigError(f"{cell!r} can't be a seed or stand beside: known as a graph are {', '.join(SEEDS)}")
    if not search.beginning:
        raise ConfigError("seeds names no cell")
    if search.baseline not in search.published:
        raise ConfigError(f"baseline is {search.baseline!r}, which is neither among seeds nor beside")
    for setting_name in CHOSEN:
        if setting_name in found.space:
            raise ConfigError(f"[space] searches {setting_name}, which the search itself chooses")
    return found
