"""Make a long recording with words at known times."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import MODEL, add_plugin_flag, decibels, load_plugins, names, positive, whole
from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN, commands_of

if TYPE_CHECKING:
    from speech_lstm.streams.scenes import Plan
    from speech_lstm.streams.truth import Event

EXAMPLE = "make-stream --data DIR --out stream.wav --minutes 120"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="the corpus")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.wav", help="the recording; its truth is FILE.csv next to it"
    )
    add_stream_flags(parser, "testing")
    parser.add_argument("--minutes", type=positive, default=60, help="length (%(default)s)")
    commands = parser.add_mutually_exclusive_group()
    commands.add_argument(
        "--words",
        type=names,
        default=COMMANDS_8,
        metavar="A,B,…",
        help=f"the commands; every other word of the split is an unknown word ({','.join(COMMANDS_8)})",
    )
    commands.add_argument("--model", metavar="MODEL", help=f"use the commands of this model: {MODEL}")
    add_plugin_flag(parser)


def add_stream_flags(parser: argparse.ArgumentParser, split: str) -> None:
    """The flags of the commands that draw a stream: those that `plan_of` reads."""
    parser.add_argument(
        "--split", default=split, choices=("training", "validation", "testing"), help="whose speakers (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole, default=1, metavar="N", help="the same seed gives the same stream (%(default)s)"
    )
    parser.add_argument(
        "--snr-low-db", type=decibels, default=0.0, metavar="dB", help="lowest signal-to-noise ratio (%(default)s)"
    )
    parser.add_argument(
        "--snr-high-db", type=decibels, default=30.0, metavar="dB", help="highest signal-to-noise ratio (%(default)s)"
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="recordings of other speech that contain no command; may be repeated",
    )


def plan_of(arguments: argparse.Namespace, commands: tuple[str, ...], seconds: float) -> Plan:
    from speech_lstm.streams.scenes import Plan

    snr_db = arguments.snr_low_db, arguments.snr_high_db
    return Plan(arguments.split, commands, seconds, arguments.seed, *snr_db, tuple(arguments.extra))


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.corpus.speech_commands import scan
    from speech_lstm.errors import print_note, printable
    from speech_lstm.streams.writing import truth_path, write_stream

    words = arguments.words
    if arguments.model:
        load_plugins(arguments)
        from speech_lstm.recognition.recognizer import load

        words = commands_of(load(arguments.model).labels)
    plan = plan_of(arguments, words, 60 * arguments.minutes)
    events, notes = write_stream(scan(arguments.data), plan, arguments.out)
    for note in notes:
        print_note(note)
    print(summary(events, words))
    print(f"recording {printable(arguments.out)}, truth {printable(truth_path(arguments.out))}")
    return 0


def summary(events: list[Event], commands: tuple[str, ...]) -> str:
    """The contents of the stream, in a line."""
    spoken = [event for event in events if event.word in commands]
    others = [event for event in events if event.word not in (*commands, UNKNOWN, SILENCE)]

    def minutes(word: str) -> float:
        return sum((event.end or 0) - event.start for event in events if event.word == word) / 60

    parts = [
        f"{len(spoken):,} commands ({len({event.file for event in spoken}):,} recordings)",
        f"{len(others):,} other words ({len({event.file for event in others}):,} recordings)",
        f"{minutes(UNKNOWN):.1f} min of other speech",
        f"{minutes(SILENCE):.1f} min without speech",
    ]
    return ", ".join(parts)
