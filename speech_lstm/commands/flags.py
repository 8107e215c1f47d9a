"""Flags that several commands share. Each field of the dataclasses in `config` is a flag of `train`."""

from __future__ import annotations

import argparse
import math
import sys
import typing
from collections.abc import Collection
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal

from speech_lstm.commands.short_help import HelpAll, ShortHelp, rare
from speech_lstm.config import KINDS, Config, split_names
from speech_lstm.errors import ConfigError
from speech_lstm.model.bundled import DEFAULT

MODEL = "a model file, or the name of a bundled model; `speech-lstm models` lists them"
LONGEST = 60  # seconds of a sequence in the gradient study: 1,500 steps
UNITS = {"ms": "ms", "db": "dB", "hz": "Hz"}  # ends of settings' names
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def add_settings(
    parser: argparse.ArgumentParser, groups: Collection[str] = tuple(Config.GROUPS), without: Collection[str] = ()
) -> None:
    """Add a flag for each setting in `groups` of the configuration, except those in `without`, and --help-all."""
    parser.formatter_class = ShortHelp
    parser.add_argument("--help-all", action=HelpAll, nargs=0, help="show all flags and exit")
    for group in groups:
        kind = Config.GROUPS[group]
        about = (kind.__doc__ or "").splitlines()[0].removesuffix(".")
        section = parser.add_argument_group(f"{group} – {about[:1].lower()}{about[1:]}")
        hints = typing.get_type_hints(kind)
        for item in fields(kind):  # type: ignore[arg-type]
            if item.name not in without:
                add_setting(section, group, item, hints[item.name])


def add_setting(section: Any, group: str, item: Field[Any], hint: Any) -> None:
    """Add the flag of one setting, a field of a group of the configuration."""
    value = str(item.default).lower() if isinstance(item.default, bool) else item.default
    shown = f" ({value:g})" if isinstance(value, float) else f" ({value})" if value != "" else ""
    optional_value: dict[str, Any] = (
        {"nargs": "?", "const": "true"} if hint is bool else {}
    )  # --strict is --strict true
    action = section.add_argument(
        "--" + item.name.replace("_", "-"),
        dest=f"{group}.{item.name}",
        default=argparse.SUPPRESS,  # no attribute without the flag: the TOML file's value stands
        metavar=value_form(item, hint),
        **optional_value,
        help=f"{item.metadata['help']}{shown}".replace("%", "%%"),
    )
    if not item.metadata["common"]:
        rare(action)


def value_form(item: Field[Any], hint: Any) -> str:
    """What the help shows for the value of a setting: its unit, its range or its kind."""
    if hint is bool:
        return "true|false"
    if typing.get_origin(hint) is Literal:
        return "|".join(typing.get_args(hint))
    low, high, form = (item.metadata[key] for key in ("low", "high", "value"))
    if form:
        return form
    if unit := UNITS.get(item.name.rpartition("_")[2]):
        return unit
    return f"{low:g}…{high:g}" if hint is float and high <= 1 else "N" if hint is int else "X"


def add_recognition_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the commands that recognise."""
    add_model_flag(parser)
    add_words_flag(parser)
    add_detection_flags(parser)
    add_plugin_flag(parser)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the commands that are about a model."""
    parser.add_argument("model", metavar="MODEL", help=MODEL)


def add_model_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that use the bundled model by default."""
    parser.add_argument("--model", default=DEFAULT, metavar="MODEL", help=f"{MODEL} (%(default)s)")


def add_language_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that draw for a lecture."""
    parser.add_argument(
        "--language", default="en", choices=("en", "cs"), help="language of the words in figures (%(default)s)"
    )


def add_words_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that can do with some of a model's commands."""
    parser.add_argument(
        "--words",
        type=names,
        metavar="A,B,…",
        help="recognise only these commands of the model; the others count as _unknown_ (all)",
    )


def add_detection_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the commands that detect commands in a stream."""
    parser.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="probability at which a command in a stream or a long recording is detected, the same for all commands "
        "(the model file's, for each word)",
    )
    parser.add_argument(
        "--continuous",
        action="store_true",
        help="detect commands without a pause before and after, also where the model file asks for pauses",
    )


def add_speech_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that count false accepts in continuous speech."""
    parser.add_argument(
        "--speech",
        type=Path,
        metavar="FILE|DIR",
        help="continuous speech without commands; a list of words beside a recording (.csv) may name commands",
    )


def add_input_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the commands that listen."""
    parser.add_argument(
        "--device", metavar="NAME|INDEX", help="input device; `speech-lstm devices` lists them (the system's default)"
    )
    parser.add_argument(
        "--input", metavar="FILE|-", help="read a file in real time, or WAV from standard input, instead of a device"
    )
    parser.add_argument(
        "--raw", type=whole, metavar="Hz", help="standard input is raw 16-bit mono samples at this rate"
    )


def add_level_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that recognise live sound."""
    parser.add_argument(
        "--auto-level", choices=("true", "false"), default="true", help="amplify quiet speech (%(default)s)"
    )


def add_plugin_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the commands that make or load a network."""
    rare(
        parser.add_argument(
            "--plugin",
            action="append",
            metavar="FILE.py|MODULE",
            help="Python code that registers your own cells; it is executed; may be repeated",
        )
    )


def load_plugins(arguments: argparse.Namespace) -> None:
    """Register the user's own cells."""
    if arguments.plugin:
        from speech_lstm.recurrent.plugins import load_plugin

        for source in arguments.plugin:
            load_plugin(source)


def add_storage_flag(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the flag of the commands whose workers share a storage."""
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="the storage that workers share: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE "
        f"(sqlite:///{default})",
    )


def add_worker_flags(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the flags of a worker."""
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"the corpus (as in the {kind} file)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--heartbeat",
        type=whole,
        default=20,
        metavar="SECONDS",
        help="interval between signs of life; after four missing ones another worker repeats the training "
        "(%(default)s)",
    )


def add_match_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the hidden size."""
    rare(
        parser.add_argument(
            "--match-parameters",
            type=whole,
            metavar="N",
            help="choose the hidden size, the same for all layers, so that the network has about N parameters",
        )
    )


def number(text: str, low: float, high: float, what: str) -> float:
    """`text` as a number in the closed range; raises ArgumentTypeError, which says `what` it must be."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # NaN is in no range
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def probability(text: str) -> float:
    """`text` as a number from 0 to 1."""
    return number(text, 0, 1, "a number from 0 to 1")


def seconds(text: str) -> float:
    """`text` as a time in seconds, 0 or more."""
    return number(text, 0, sys.float_info.max, "a time in seconds, 0 or more")


def positive(text: str) -> float:
    """`text` as a number above 0."""
    return number(text, sys.float_info.min, sys.float_info.max, "a number above 0")


def decibels(text: str) -> float:
    """`text` as a ratio from -30 to 100 dB."""
    return number(text, -30, 100, "a number of dB from -30 to 100")


def whole(text: str) -> int:
    """`text` as a whole number, 1 or more."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return value


def names(text: str) -> tuple[str, ...]:
    """The names in `text`, separated by commas, without repetitions."""
    unique = tuple(dict.fromkeys(split_names(text)))
    if not unique:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return unique


def lengths(text: str) -> tuple[int, ...]:
    """The whole numbers of seconds in `text`, separated by commas, sorted."""
    ascending = tuple(sorted({whole(item) for item in names(text)}))
    if ascending[-1] > LONGEST:
        raise argparse.ArgumentTypeError(f"{ascending[-1]} s is too long; give at most {LONGEST} s")
    return ascending


def config_of(arguments: argparse.Namespace, base: Config) -> Config:
    """The configuration `base`, overridden by the flags; raises ConfigError."""
    if "network.hidden" in arguments and getattr(arguments, "match_parameters", None) is not None:
        raise ConfigError("--match-parameters chooses the hidden size; give it or --hidden, not both")
    tables = base.to_dict()
    for dest, text in vars(arguments).items():
        group, dot, name = dest.partition(".")
        if dot:
            hint = typing.get_type_hints(Config.GROUPS[group])[name]
            tables[group][name] = value_of(name, text, hint)
    return Config.from_dict(tables)


def value_of(name: str, text: str, hint: Any) -> Any:
    """A flag's text as a value of the setting's type; raises ConfigError if it is not one."""
    try:
        if hint is bool:
            return TRUTHS[text.lower()]
        return hint(text) if hint in (int, float) else text
    except (KeyError, ValueError):
        raise ConfigError(f"{name} is {text!r}; it must be {KINDS[hint]}") from None
