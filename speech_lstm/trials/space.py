"""The search space: which settings are drawn for each training, from which values, and the draws."""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.config import KINDS, Config, check
from speech_lstm.errors import ConfigError

FIXED_GROUPS = ("corpus",)  # one corpus is loaded for all trainings
FIXED_NAMES = ("seed", "sizes", "layers", "device")  # seeds are drawn, the others would not be what they say


def read_space(tables: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The distributions of the table [space] of a TOML file; raises ConfigError."""
    return {name: read_distribution(name, table) for name, table in tables.get("space", {}).items()}


def read_distribution(name: str, table: Any) -> BaseDistribution:
    """The distribution of a setting, given as { low, high, log } or { choices }. Raises ConfigError."""
    hint, metadata = describe_setting(name)
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


def describe_setting(name: str) -> tuple[Any, Mapping[str, Any]]:
    """Type and metadata of a setting that may differ between trainings; raises ConfigError for any other."""
    group = group_of(name)
    if group in FIXED_GROUPS or name in FIXED_NAMES:
        raise ConfigError(f"{name} cannot differ between trainings; leave it out of [space] and [cells]")
    kind = Config.GROUPS[group]
    metadata = {item.name: item.metadata for item in fields(kind)}  # type: ignore[arg-type]
    return typing.get_type_hints(kind)[name], metadata[name]


def group_of(name: str) -> str:
    """The group of settings with a field of this name: no two groups share one. Raises ConfigError for none."""
    for group, kind in Config.GROUPS.items():
        if name in typing.get_type_hints(kind):
            return group
    raise ConfigError(f"unknown setting {name!r}; `speech-lstm train --help` lists them")


def draw_seed(*parts: Any) -> int:
    """A seed of 31 bits that depends on the parts alone, on any machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4]) >> 1


def draw_settings(space: Mapping[str, BaseDistribution], seed: int) -> dict[str, Any]:
    """Settings drawn at random from a search space."""
    draw, (study, trial) = optuna.samplers.RandomSampler(seed=seed).sample_independent, unused_arguments()
    return {name: draw(study, trial, name, distribution) for name, distribution in space.items()}


@cache
def unused_arguments() -> tuple[optuna.Study, FrozenTrial]:
    """A study and a trial for random sampling, which requires them and does not read them."""
    return optuna.create_study(), optuna.trial.create_trial(state=TrialState.WAITING)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """The value that the sampler has drawn for a setting of a trial; it is written to the storage."""
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)
