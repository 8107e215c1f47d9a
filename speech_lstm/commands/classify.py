"""Recognise the commands in recordings."""

from __future__ import annotations

import argparse

from speech_lstm.commands.flags import add_recognition_flags, load_plugins, whole
from speech_lstm.errors import FAILED

EXAMPLE = "classify recording.wav --top 3"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="recordings, folders of them, or - for standard input"
    )
    parser.add_argument("--top", type=whole, default=1, metavar="K", help="show the K likeliest labels (%(default)s)")
    parser.add_argument("--jsonl", action="store_true", help="print one JSON object per line")
    add_recognition_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.sources import find_recordings
    from speech_lstm.errors import RecordingError, print_error, printable
    from speech_lstm.files import to_json

    paths = find_recordings(arguments.paths)  # before anything slow is imported: a wrong path fails at once
    load_plugins(arguments)
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    model = load(arguments.model, words=arguments.words)
    damaged = 0
    for path in paths:
        name, is_silent = str(path), not arguments.jsonl
        try:
            for answer in model.answers(path, None, arguments.threshold, arguments.continuous):
                line = to_json(answer.fields(name)) if arguments.jsonl else answer.line(name, arguments.top)
                print(line, flush=True)
                is_silent = False
            if is_silent:
                print(f"{printable(name)}  no command")
        except RecordingError as error:
            if len(paths) == 1:
                raise
            damaged += 1
            print_error(error)
    if damaged:
        print_error(f"{damaged} of {len(paths)} recordings could not be read")
    return FAILED if damaged else 0
