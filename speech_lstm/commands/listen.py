"""Recognise commands from a microphone, a pipe or a file."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import (
    add_input_flags,
    add_level_flag,
    add_recognition_flags,
    load_plugins,
    positive,
    probability,
    seconds,
)
from speech_lstm.errors import ActionError, ConfigError, nearest, printable

if TYPE_CHECKING:
    from speech_lstm.audio.inputs import Input
    from speech_lstm.live.listening import Action, DetectorLike, Display
    from speech_lstm.live.mqtt import Publisher
    from speech_lstm.live.programs import Program
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import Recognizer

EXAMPLE = "listen --on yes ./lamp.sh"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_input_flags(parser)
    add_level_flag(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--plain", action="store_true", help="print a line for each command, also in a terminal")
    output.add_argument("--jsonl", action="store_true", help="print a JSON object per line for each command")
    actions = parser.add_argument_group("actions", "What a recognised command does; see docs/actions.md.")
    actions.add_argument(
        "--on",
        nargs=2,
        action="append",
        default=[],
        metavar=("WORD", "COMMAND"),
        help="run a program on this word; may be repeated",
    )
    actions.add_argument("--shell", action="store_true", help="run those commands with /bin/sh")
    actions.add_argument(
        "--every",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="start a program at most once in this time (%(default)s)",
    )
    actions.add_argument("--mqtt", metavar="mqtt://HOST/TOPIC", help="publish each command as JSON to an MQTT broker")
    actions.add_argument(
        "--home-assistant", action="store_true", help="announce the commands of --mqtt to Home Assistant"
    )
    keep = parser.add_argument_group("keeping", "The sound that fired, to learn from it; see docs/teach.md.")
    keep.add_argument("--keep", type=Path, metavar="DIR", help="write the second of each command to this folder")
    keep.add_argument(
        "--nearly",
        type=probability,
        metavar="P",
        help="with --keep and --jsonl: also words that came to this score and were no command (none)",
    )
    keep.add_argument(
        "--keep-mb", type=positive, default=100, metavar="MB", help="most megabytes in the folder (%(default)s)"
    )
    add_recognition_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.inputs import LevelledInput, find_input
    from speech_lstm.audio.level import Level
    from speech_lstm.config import commands_of
    from speech_lstm.live.home_assistant import Discovery
    from speech_lstm.live.listening import listen
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import load, one_thread

    load_plugins(arguments)
    one_thread()
    model = load(arguments.model, words=arguments.words)
    check_words([word for word, _ in arguments.on], model.labels)  # first: it is wrong on every machine
    programs, publisher = programs_of(arguments), publisher_of(arguments)
    microphone = LevelledInput(
        find_input(arguments.device, arguments.input, arguments.raw), Level(arguments.auto_level == "true")
    )
    if publisher is not None and arguments.home_assistant:
        publisher.discovery = Discovery(publisher.topic, commands_of(model.labels))
    detector = Detector(model, arguments.threshold, continuous=arguments.continuous)
    for name in ("SIGTERM", "SIGHUP"):  # they end it as Ctrl-C does, and with it the programs that it started
        number = getattr(signal, name, None)  # Windows has only one of them
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as after nohup
            signal.signal(number, signal.default_int_handler)
    display = display_of(arguments, microphone, detector, model)
    actions: list[Action] = [
        *programs,
        *([publisher] if publisher else []),
        *keepers_of(arguments, detector, display),
    ]
    listen(microphone, detector, display, actions)
    return 0


def programs_of(arguments: argparse.Namespace) -> list[Program]:
    """The programs that the flags name; raises ActionError for an impossible one."""
    from speech_lstm.live.programs import Program

    if arguments.shell and not arguments.on:
        raise ActionError("--shell applies to the commands of --on; pass --on WORD COMMAND")
    return [Program(word, command, arguments.shell, arguments.every) for word, command in arguments.on]


def publisher_of(arguments: argparse.Namespace) -> Publisher | None:
    """The publisher that the flags ask for; raises ActionError for an impossible address."""
    if arguments.mqtt is None:
        if arguments.home_assistant:
            raise ActionError("--home-assistant announces what --mqtt publishes; pass --mqtt mqtt://HOST/TOPIC")
        return None
    from speech_lstm.live.mqtt import Publisher

    return Publisher(arguments.mqtt)


def keepers_of(arguments: argparse.Namespace, detector: Detector, display: Display) -> list[Action]:
    """What keeps sound and looks for near misses, if the flags ask for it; raises ConfigError for --nearly alone."""
    from speech_lstm.live.keeping import Keeper
    from speech_lstm.live.lines import JsonLines
    from speech_lstm.live.near_misses import NearMissWatch

    keepers = [Keeper(arguments.keep, detector, arguments.keep_mb)] if arguments.keep else []
    if arguments.nearly is None:
        return [*keepers]
    receivers = [keeper.near for keeper in keepers] + ([display.near] if isinstance(display, JsonLines) else [])
    if not receivers:
        raise ConfigError("--nearly says what else is kept or printed; add --keep DIR or --jsonl")
    return [NearMissWatch(detector, arguments.nearly, receivers), *keepers]  # so that what is kept is told at once


def check_words(words: list[str], labels: tuple[str, ...]) -> None:
    """Raise ActionError for a word that the model never reports."""
    from speech_lstm.config import commands_of

    commands = commands_of(labels)
    for word in words:
        if word not in commands:
            hint = "; ".join(filter(None, (f"those are {', '.join(commands)}", nearest(word, commands))))
            raise ActionError(f"--on {printable(word)}: not a command that is recognised; {hint}")


def display_of(arguments: argparse.Namespace, source: Input, detector: DetectorLike, model: Recognizer) -> Display:
    """The display that the flags ask for; by default the live view in a terminal, else lines."""
    from speech_lstm.live.lines import JsonLines, Lines

    if arguments.jsonl:
        return JsonLines(source, detector)
    from speech_lstm.live.view import LiveView, fits

    if arguments.plain or not fits(sys.stdout):
        return Lines(source, detector)
    from speech_lstm.config import DetectionConfig

    detection = model.detection
    if arguments.threshold is not None:
        detection = DetectionConfig(dict.fromkeys(model.labels, arguments.threshold))
    elif arguments.continuous and detection.isolation:  # its rate is unknown
        detection = DetectionConfig(detection.thresholds)
    return LiveView(source, detector, detection, keeping=arguments.keep)
