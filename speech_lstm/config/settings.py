"""A group of settings as a frozen dataclass, each field with its range and help text, and its TOML file."""

from __future__ import annotations

import numbers
import tomllib
import typing
from collections.abc import Callable
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from speech_lstm.errors import ConfigError
from speech_lstm.files import InputError, read_text

MOST_TOML = 1 << 20  # bytes of a file of settings, which has some 3 kB


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    value: str = "",
    common: bool = False,
) -> Any:
    """A dataclass field with its help text and the closed range of its values.

    `value` is what the help shows for a value, such as FILE; a `common` setting is also in the short help.
    """
    return field(default=default, metadata={"help": text, "low": low, "high": high, "value": value, "common": common})


class Settings:
    """Base of the groups of settings: checks types and ranges, converts from and to plain dicts."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]
            check(item.name, getattr(self, item.name), hints[item.name], item.metadata)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The settings of a TOML table or a JSON object; raises ConfigError for an unknown name."""
        known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"unknown setting {unknown[0]!r}; choose from {', '.join(sorted(known))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload]


def split_names(names: str) -> tuple[str, ...]:
    """The names in a setting that lists them separated by commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or of NumPy: a truth value is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}  # for messages


def check(name: str, value: Any, hint: Any, metadata: typing.Mapping[str, Any]) -> None:
    """Raise ConfigError unless `value` has the type `hint` and lies in the range given in `metadata`."""
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(map(str, choices))}")
        return
    if type(value) is not hint and not (hint is float and type(value) is int):
        raise ConfigError(f"{name} is {value!r}; it must be {KINDS.get(hint, hint.__name__)}")
    low, high = metadata.get("low"), metadata.get("high")
    if low is not None and not low <= value <= high:  # NaN is in no range
        raise ConfigError(f"{name} is {value}; it must be from {low} to {high}")


Parsed = TypeVar("Parsed")


def read_toml(path: Path, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    """What `parse` makes of the tables of a TOML file; raises ConfigError that begins with the file's name."""
    try:
        return parse(tomllib.loads(read_text(path, MOST_TOML)))
    except InputError as error:
        raise ConfigError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a TOML file ({error})") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
