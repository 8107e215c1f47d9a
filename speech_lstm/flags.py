"""The settings as command-line flags: each field of the dataclasses in `config` is one flag of `train`."""

from __future__ import annotations

import argparse
import tomllib
import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from speech_lstm.config import Config, Settings
from speech_lstm.errors import ConfigError


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each setting, in the groups of the configuration."""
    for group, kind in Config.GROUPS.items():
        section = parser.add_argument_group(group, (kind.__doc__ or "").splitlines()[0])
        for name, hint, default, text in settings_of(kind):
            flag = "--" + name.replace("_", "-")
            # A flag that isn't given leaves no attribute, so that a TOML file's value stands.
            options: dict[str, Any] = {"dest": f"{group}.{name}", "default": argparse.SUPPRESS}
            if hint is bool:
                options |= {"type": truth, "metavar": "true|false"}
            elif typing.get_origin(hint) is Literal:
                options |= {"metavar": "|".join(map(str, typing.get_args(hint)))}
            else:
                options |= {"type": number(hint), "metavar": hint.__name__.upper()}
            shown = str(default).lower() if isinstance(default, bool) else default
            default_text = f" ({shown})" if shown != "" else ""
            section.add_argument(flag, help=f"{text}{default_text}".replace("%", "%%"), **options)


def settings_of(kind: type[Settings]) -> list[tuple[str, Any, Any, str]]:
    """Name, type, default and help text of every field of a group."""
    hints = typing.get_type_hints(kind)
    return [(f.name, hints[f.name], f.default, f.metadata["help"]) for f in fields(kind)]  # type: ignore[arg-type]


def truth(text: str) -> bool:
    """`true` or `false`, in the usual spellings."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return known[text.lower()]


def probability(text: str) -> float:
    """A number from 0 to 1."""
    value: float = number(float)(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def whole(text: str) -> int:
    """A whole number from 1 up."""
    value: int = number(int)(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return value


def number(kind: type | types.UnionType) -> Any:
    """A converter of a flag's text that says what it expected."""

    def convert(text: str) -> Any:
        try:
            return kind(text)  # type: ignore[operator]
        except ValueError:
            name = {int: "a whole number", float: "a number"}.get(kind, "a value")  # type: ignore[arg-type]
            raise argparse.ArgumentTypeError(f"{text!r} is not {name}") from None

    return convert


def config_of(arguments: argparse.Namespace, file: Path | None) -> Config:
    """The configuration of a TOML file, if one is given, with the flags on top; raises ConfigError."""
    tables = read_toml(file) if file else {}
    for dest, value in vars(arguments).items():
        group, dot, name = dest.partition(".")
        if dot:
            tables.setdefault(group, {})[name] = value
    try:
        return Config.from_dict(tables)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}" if file else str(error)) from None


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: can't be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not a TOML file ({error})") from None
