"""A set of trainings as a TOML file defines it: what a study and a search have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json

from speech_lstm.config import Config, FeatureConfig, NetworkConfig, read_toml
from speech_lstm.errors import ConfigError
from speech_lstm.model.sizing import match_parameters, parameter_count
from speech_lstm.trials.space import group_of


@dataclass(frozen=True)
class Definition(ABC):
    """A study or a search. `base` has the settings of all trainings, `space` what is drawn for each of them."""

    KIND: ClassVar[str]  # "study" or "search": the command, and the word in messages
    FOLDER: ClassVar[str]  # of SQLite files and reports, in runs/
    SHIPPED: ClassVar[Path]  # the folder of the definitions in the package
    FIELDS: ClassVar[Mapping[str, str]] = {}  # settings by the names they have in the storage, where those differ

    name: str
    space: dict[str, BaseDistribution]
    base: Config

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is about."""

    @property
    @abstractmethod
    def data(self) -> Path:
        """The corpus, unless the command line names one."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, dict[str, Any]]:
        """Everything that a stored study or search of this name must agree with, by table."""

    @property
    @abstractmethod
    def counts(self) -> dict[str, int]:
        """The amount of work, unless the command line gives another one; by the names of the flags."""

    @property
    def direction(self) -> optuna.study.StudyDirection:
        """Whether the best trial has the largest or the smallest value."""
        return optuna.study.StudyDirection.MAXIMIZE

    @property
    def sampler(self) -> optuna.samplers.BaseSampler:
        """What draws the settings of a trial."""
        return optuna.samplers.RandomSampler()

    @abstractmethod
    def check_networks(self, counts: Mapping[str, int], labels: int) -> None:
        """Raise ConfigError, before anything is trained, for a cell that cannot have the settings drawn for it."""

    @classmethod
    @abstractmethod
    def from_tables(cls, name: str, tables: dict[str, Any]) -> Self:
        """The definition in a TOML file's tables; raises ConfigError."""

    @classmethod
    def read(cls, name: str) -> Self:
        """The definition of this name, or in a FILE.toml; raises ConfigError that begins with the file's name."""
        path = cls.find(name)
        return read_toml(path, lambda tables: cls.from_tables(path.stem, tables))

    @classmethod
    def find(cls, name: str) -> Path:
        """The file of a definition in the package, or FILE.toml itself. Raises ConfigError."""
        path = Path(name)
        if path.suffix == ".toml":
            return path
        if name in cls.shipped():
            return cls.SHIPPED / f"{name}.toml"
        raise ConfigError(f"unknown {cls.KIND} {name!r}; give {', '.join(cls.shipped())} or a FILE.toml")

    @classmethod
    def shipped(cls) -> list[str]:
        """The names of the definitions in the package."""
        return sorted(path.stem for path in cls.SHIPPED.glob("*.toml"))

    @classmethod
    def folder(cls) -> Path:
        """Where SQLite files and reports are, unless the command line names another place."""
        return Path("runs") / cls.FOLDER

    @classmethod
    def default_url(cls, name: str) -> str:
        """The SQLite file of this name."""
        return f"sqlite:///{(cls.folder() / name).as_posix()}.sqlite"

    @classmethod
    def stored_name(cls, name: str) -> str:
        """The name in the storage, where a study and a search may share a name."""
        return name

    @classmethod
    def to_stored(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings by the names that the storage has for them."""
        names = {name: stored for stored, name in cls.FIELDS.items()}
        return {names.get(name, name): value for name, value in settings.items()}

    @classmethod
    def from_stored(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of `to_stored` by their own names."""
        return {cls.FIELDS.get(name, name): value for name, value in settings.items()}

    @property
    def common_identity(self) -> dict[str, dict[str, Any]]:
        """The part of the identity that a study and a search have in common."""
        space = {name: distribution_to_json(distribution) for name, distribution in self.space.items()}
        return {"space": space, **self.base.to_dict()}


def read_base(tables: Mapping[str, Any], known: tuple[str, ...]) -> Config:
    """The settings of all trainings; raises ConfigError for an unknown table."""
    if strange := sorted(set(tables) - set(known)):
        raise ConfigError(f"unknown table [{strange[0]}]; known are {', '.join(known)}")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{name} must be a table")
    return Config.from_dict({group: tables[group] for group in Config.GROUPS if group in tables})


def training_config(base: Config, values: Mapping[str, Any], labels: int, parameters: int) -> Config:
    """The settings of one training: `base` with some values replaced.

    Unless `parameters` is 0, the hidden size is the one that comes nearest to that number of parameters.
    Raises ConfigError for values that exclude each other, or where no size comes near.
    """
    groups = base.to_dict()
    for name, value in values.items():
        groups[group_of(name)][name] = value
    config = Config.from_dict(groups)
    if parameters:
        plain = replace(config.network, dropout=0.0)  # so that a size is searched once for all values of dropout
        hidden = cached_match(config.features, plain, labels, parameters).hidden
        return replace(config, network=replace(config.network, hidden=hidden))
    parameter_count(config.features, config.network, labels)  # raises for a network that cannot be
    return config


@cache
def cached_match(features: FeatureConfig, network: NetworkConfig, labels: int, budget: int) -> NetworkConfig:
    """`match_parameters`, computed once for the same arguments."""
    return match_parameters(features, network, labels, budget)
