"""A search as a TOML file defines it: the cells it starts from, how they are changed, and what they must reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from speech_lstm.config import Config, Settings, setting, split_names
from speech_lstm.errors import ConfigError
from speech_lstm.search.ancestors import PUBLISHED
from speech_lstm.search.source import register
from speech_lstm.trials.definition import Definition, read_base, training_config
from speech_lstm.trials.space import draw_seed, draw_settings, read_space

TABLES = ("search", "space", *Config.GROUPS)
CHOSEN = ("hidden", "cell", "epochs")  # settings that the search itself chooses


@dataclass(frozen=True)
class SearchConfig(Settings):
    """How a search is run."""

    title: str = setting("", "what it is about")
    data: str = setting("", "the corpus, unless the command line names one")
    candidates: int = setting(300, "cells to try", 1, 1_000_000)
    ancestors: str = setting("lstm,gru-cho", "cells that the search starts from")
    beside: str = setting("mut1,mut2,mut3,rnn", "further cells to train for comparison; no candidate comes from them")
    baseline: str = setting("lstm", "the cell that the finalists are compared with")
    parents: int = setting(20, "number of the best cells that a candidate's parent is drawn from", 1, 1000)
    mutation: float = setting(0.2, "highest chance with which a node of the parent is changed", 0.001, 1)
    recall: float = setting(0.9, "share of the symbols to be recalled in the memory test", 0, 1)
    recall_steps: int = setting(250, "training steps of the memory test", 1, 1_000_000)
    share: float = setting(0.9, "share of the best ancestor's accuracy, below which a cell is dropped", 0, 1)
    first_epochs: int = setting(5, "epochs of the first, short training", 1, 10_000)
    draws: int = setting(3, "draws of settings that a cell is trained with, the same for all cells", 1, 1000)
    finalists: int = setting(5, "best cells that are trained again at the end", 1, 1000)
    repeats: int = setting(5, "further trainings of each finalist and published cell", 0, 1000)
    seed: int = setting(1, "of all that is drawn", 0, 2**31 - 1)
    parameters: int = setting(25_000, "parameters of every network", 100, 1_000_000_000)

    @property
    def ancestor_names(self) -> tuple[str, ...]:
        """The cells that the search starts from."""
        return split_names(self.ancestors)

    @property
    def published(self) -> tuple[str, ...]:
        """The ancestors, and the further cells that are trained for comparison."""
        return tuple(dict.fromkeys([*self.ancestor_names, *split_names(self.beside)]))


@dataclass(frozen=True)
class SearchDefinition(Definition):
    """A search."""

    search: SearchConfig

    KIND: ClassVar[str] = "search"
    FOLDER: ClassVar[str] = "searches"
    SHIPPED: ClassVar[Path] = Path(__file__).parent / "searches"
    FIELDS: ClassVar[Mapping[str, str]] = {"seeds": "ancestors", "memory": "recall", "memory_steps": "recall_steps"}

    @classmethod
    def from_tables(cls, name: str, tables: dict[str, Any]) -> Self:
        base = read_base(tables, TABLES)
        search, space = SearchConfig.from_dict(tables.get("search", {})), read_space(tables)
        for cell in search.published:
            if cell not in PUBLISHED:
                raise ConfigError(f"{cell!r} is not available as a graph; give {', '.join(PUBLISHED)}")
        if not search.ancestor_names:
            raise ConfigError("ancestors names no cell")
        if search.baseline not in search.published:
            raise ConfigError(f"baseline is {search.baseline!r}, which neither ancestors nor beside names")
        for setting_name in CHOSEN:
            if setting_name in space:
                raise ConfigError(f"[space] draws {setting_name}, which the search itself chooses")
        return cls(name, space, base, search)

    @classmethod
    def stored_name(cls, name: str) -> str:
        return f"search {name}"

    @property
    def title(self) -> str:
        return self.search.title

    @property
    def data(self) -> Path:
        return Path(self.search.data)

    @property
    def counts(self) -> dict[str, int]:
        return {"candidates": self.search.candidates}

    @cached_property
    def identity(self) -> dict[str, dict[str, Any]]:
        search = self.search.to_dict()
        for name in ("title", "data", "candidates"):  # these may change
            del search[name]
        return {"search": self.to_stored(search), **self.common_identity}

    def draw(self, number: int) -> dict[str, Any]:
        """The settings of a cell's training of that number, from 0: the same for all cells."""
        return draw_settings(self.space, draw_seed("settings", self.search.seed, number))

    def config(self, cell: str, drawn: Mapping[str, Any], seed: int, labels: int) -> Config:
        """The settings of one full training, with the search's number of parameters; raises ConfigError."""
        return training_config(self.base, {"cell": cell, **drawn, "seed": seed}, labels, self.search.parameters)

    def shorten(self, config: Config) -> Config:
        """The settings of a full training changed to those of the first, short one."""
        epochs = min(self.search.first_epochs, config.training.epochs)
        return replace(config, training=replace(config.training, epochs=epochs))

    def check_networks(self, counts: Mapping[str, int], labels: int) -> None:
        for cell in self.search.published:
            for number in range(self.search.draws):
                self.config(register(PUBLISHED[cell]()), self.draw(number), 0, labels)
