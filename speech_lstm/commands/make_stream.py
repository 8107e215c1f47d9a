"""Make a long recording with words at known times, to measure detection on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import add_plugin_flag, decibels, load_plugins, names, positive, whole
from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN, commands_of

if TYPE_CHECKING:
    from speech_lstm.streams.truth import Event


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="the corpus")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.wav", help="the recording; its truth is FILE.csv beside it"
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
    commands.add_argument("--model", type=Path, metavar="FILE", help="take the commands of this model")
    add_plugin_flag(parser)


def add_stream_flags(parser: argparse.ArgumentParser, split: str) -> None:
    """The flags of the commands that draw a stream."""
    parser.add_argument(
        "--split", default=split, choices=("training", "validation", "testing"), help="whose speakers (%(default)s)"
    )
    parser.add_argument("--seed", type=whole, default=1, help="the same seed gives the same stream (%(default)s)")
    parser.add_argument(
        "--snr-low-db", type=decibels, default=0.0, metavar="DB", help="lowest signal-to-noise ratio (%(default)s)"
    )
    parser.add_argument(
        "--snr-high-db", type=decibels, default=30.0, metavar="DB", help="highest signal-to-noise ratio (%(default)s)"
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="recordings of other speech without a command in it; can be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.corpus.speech_commands import scan
    from speech_lstm.streams.scenes import Plan
    from speech_lstm.streams.writing import truth_path, write_stream

    words = arguments.words
    if arguments.model:
        load_plugins(arguments)
        from speech_lstm.recognition.recognizer import load

        words = commands_of(load(arguments.model).labels)
    plan = Plan(
        arguments.split,
        words,
        60 * arguments.minutes,
        arguments.seed,
        arguments.snr_low_db,
        arguments.snr_high_db,
        tuple(arguments.extra),
    )
    events, notes = write_stream(scan(arguments.data), plan, arguments.out)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(summary(events, words))
    print(f"recording {arguments.out}, truth {truth_path(arguments.out)}")
    return 0


def summary(events: list[Event], commands: tuple[str, ...]) -> str:
    """What the stream holds, in a line."""
    speech = [event for event in events if event.word == UNKNOWN]
    said = [event for event in events if event.word in commands]
    others = [event for event in events if event.word not in (*commands, UNKNOWN, SILENCE)]
    parts = [
        f"{len(said):,} commands ({len({event.file for event in said}):,} recordings)",
        f"{len(others):,} other words ({len({event.file for event in others}):,} recordings)",
        f"{sum((event.end or 0) - event.start for event in speech) / 60:.1f} min of other speech",
        f"{sum((e.end or 0) - e.start for e in events if e.word == SILENCE) / 60:.1f} min without speech",
    ]
    return ", ".join(parts)
