"""Choose the threshold of each word for a rate of false accepts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from speech_lstm.commands.flags import add_plugin_flag, load_plugins, positive
from speech_lstm.commands.make_stream import add_stream_flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True, help="the corpus that a stream is made of")
    parser.add_argument(
        "--false-accepts-per-hour",
        type=positive,
        default=0.5,
        metavar="RATE",
        help="at most so many in an hour, all words together (%(default)s)",
    )
    parser.add_argument(
        "--hours", type=positive, default=4, help="length of the stream; a low rate needs a long one (%(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the model here instead of over MODEL")
    add_stream_flags(parser, "validation")
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from dataclasses import replace

    from speech_lstm.config import commands_of
    from speech_lstm.corpus.speech_commands import scan
    from speech_lstm.files import atomic_path
    from speech_lstm.model.checkpoint import load_model, save_model
    from speech_lstm.recognition.recognizer import Recognizer, one_thread
    from speech_lstm.streams.hearing import hear_plan
    from speech_lstm.streams.report import calibration_table
    from speech_lstm.streams.scenes import Plan
    from speech_lstm.streams.thresholds import calibrate

    one_thread()
    model, out = load_model(arguments.model), arguments.out or arguments.model
    commands = commands_of(model.labels)
    plan = Plan(
        arguments.split,
        commands,
        3600 * arguments.hours,
        arguments.seed,
        arguments.snr_low_db,
        arguments.snr_high_db,
        tuple(arguments.extra),
    )
    corpus = scan(arguments.data)
    with atomic_path(out) as temporary:  # a place that can't be written to is told before the hours of work
        scored, notes = hear_plan(Recognizer(model), corpus, plan)
        found = calibrate(scored, model.detection, arguments.false_accepts_per_hour)
        save_model(temporary, replace(model, detection=found.detection))
    for note in (*notes, *found.notes):
        print(f"note: {note}", file=sys.stderr)
    print(calibration_table(found))
    print(f"\nthresholds in {out}")
    return 0
