"""The flags of the command line: each field of the dataclasses in `config` is one of `train`."""

from __future__ import annotations

import argparse
import math
import sys
import tomllib
import typing
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, NoReturn

from speech_lstm.config import KINDS, Config, Settings, listed
from speech_lstm.errors import ConfigError
from speech_lstm.files import reason

LONGEST = 60  # seconds of a sequence in the gradient study: 1,500 steps
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Parser(argparse.ArgumentParser):
    """A parser whose faults are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def add_settings(
    parser: argparse.ArgumentParser, groups: Collection[str] = tuple(Config.GROUPS), without: Collection[str] = ()
) -> None:
    """Add one flag for each setting of the groups of the configuration, but for those in `without`."""
    for group in groups:
        kind = Config.GROUPS[group]
        section = parser.add_argument_group(group, (kind.__doc__ or "").splitlines()[0])
        for name, hint, default, text in settings_of(kind):
            if name in without:
                continue
            alone: dict[str, Any] = {}
            if hint is bool:
                metavar = "true|false"
                alone = {"nargs": "?", "const": "true"}  # --strict is --strict true
            elif typing.get_origin(hint) is Literal:
                metavar = "|".join(typing.get_args(hint))
            else:
                metavar = hint.__name__.upper()
            shown = str(default).lower() if isinstance(default, bool) else default
            default_text = f" ({shown})" if shown != "" else ""
            section.add_argument(
                "--" + name.replace("_", "-"),
                dest=f"{group}.{name}",
                default=argparse.SUPPRESS,  # a flag that isn't given leaves no attribute: a TOML file's value stands
                metavar=metavar,
                **alone,
                help=f"{text}{default_text}".replace("%", "%%"),
            )


def settings_of(kind: type[Settings]) -> list[tuple[str, Any, Any, str]]:
    """Name, type, default and help text of every field of a group."""
    hints = typing.get_type_hints(kind)
    return [(f.name, hints[f.name], f.default, f.metadata["help"]) for f in fields(kind)]  # type: ignore[arg-type]


def add_recognition_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the commands that recognise."""
    add_model_flag(parser)
    add_threshold_flag(parser)
    add_plugin_flag(parser)


def add_model_flag(parser: argparse.ArgumentParser) -> None:
    """The flag of the commands that have a model of their own to begin with."""
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="a model file (the one that comes with the package)"
    )


def add_threshold_flag(parser: argparse.ArgumentParser) -> None:
    """The flag of the commands that decide on a stream."""
    parser.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="probability from which any command in a stream or a long recording counts "
        "(that of each word in the model file)",
    )


def add_input_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the commands that listen."""
    parser.add_argument(
        "--device", metavar="NAME|INDEX", help="input device, see `speech-lstm devices` (the default)"
    )
    parser.add_argument(
        "--input", metavar="FILE|-", help="instead of a device: a file played in real time, or standard input (WAV)"
    )
    parser.add_argument(
        "--raw", type=whole, metavar="RATE", help="standard input is raw 16-bit mono samples of so many a second"
    )


def add_plugin_flag(parser: argparse.ArgumentParser) -> None:
    """The flag of the commands that make or read a network."""
    parser.add_argument(
        "--plugin",
        action="append",
        metavar="FILE.py|MODULE",
        help="Python code with cells of your own, which is run; can be given several times",
    )


def load_plugins(arguments: argparse.Namespace) -> None:
    """Make the cells known that the user brings."""
    if arguments.plugin:
        from speech_lstm.recurrent.plugins import load_plugin

        for source in arguments.plugin:
            load_plugin(source)


def add_storage_flag(parser: argparse.ArgumentParser, default: str) -> None:
    """The flag of the commands whose workers share what they do."""
    parser.add_argument(
        "--storage",
        metavar="URL",
        help=f"sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE that workers share (sqlite:///{default})",
    )


def add_worker_flags(parser: argparse.ArgumentParser, kind: str) -> None:
    """The flags of a worker."""
    parser.add_argument("--data", type=Path, help=f"the corpus (the {kind} file's)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--heartbeat",
        type=whole,
        default=20,
        metavar="SECONDS",
        help="between signs of life; where four are missing, another worker does the training again (%(default)s)",
    )


def add_match_flag(parser: argparse.ArgumentParser) -> None:
    """The flag that chooses the hidden size."""
    parser.add_argument(
        "--match-parameters",
        type=whole,
        metavar="N",
        help="choose the hidden size, the same for all layers, whose network has nearest to N parameters",
    )


def number(text: str, low: float, high: float, what: str) -> float:
    """The number that a text stands for, in the closed range; else argparse gets a line with `what` it must be."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # NaN is in no range
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def probability(text: str) -> float:
    """A number from 0 to 1."""
    return number(text, 0, 1, "a number from 0 to 1")


def seconds(text: str) -> float:
    """A time in seconds, from 0 up."""
    return number(text, 0, sys.float_info.max, "a time in seconds from 0 up")


def positive(text: str) -> float:
    """A number above 0."""
    return number(text, sys.float_info.min, sys.float_info.max, "a number above 0")


def decibels(text: str) -> float:
    """A ratio from -30 to 100 dB."""
    return number(text, -30, 100, "a number of dB from -30 to 100")


def whole(text: str) -> int:
    """A whole number from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return value


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas, each once."""
    found = tuple(dict.fromkeys(listed(text)))
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return found


def lengths(text: str) -> tuple[int, ...]:
    """Whole numbers of seconds separated by commas, sorted."""
    found = tuple(sorted({whole(item) for item in names(text)}))
    if found[-1] > LONGEST:
        raise argparse.ArgumentTypeError(f"{found[-1]} s is too long; at most {LONGEST} s are possible")
    return found


def config_of(arguments: argparse.Namespace, file: Path | None) -> Config:
    """The configuration of a TOML file, if one is given, with the flags on top; raises ConfigError."""
    if "network.hidden" in arguments and arguments.match_parameters is not None:
        raise ConfigError("give --hidden or --match-parameters, which chooses it, but not both")
    tables = read_config(file).to_dict() if file else {}
    for dest, text in vars(arguments).items():
        group, dot, name = dest.partition(".")
        if dot:
            hint = typing.get_type_hints(Config.GROUPS[group])[name]
            tables.setdefault(group, {})[name] = value_of(name, text, hint)
    return Config.from_dict(tables)


def read_config(file: Path) -> Config:
    """The configuration of a TOML file alone."""
    try:
        return Config.from_dict(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{file}: can't be read ({reason(error)})") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a path that can't be
        raise ConfigError(f"{file}: not a TOML file ({error})") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def value_of(name: str, text: str, hint: Any) -> Any:
    """The value that a flag's text stands for; raises ConfigError for one that isn't of the setting's type."""
    try:
        if hint is bool:
            return TRUTHS[text.lower()]
        return hint(text) if hint in (int, float) else text
    except (KeyError, ValueError):
        raise ConfigError(f"{name} is {text!r}; it must be {KINDS[hint]}") from None
