"""Recognise commands from a microphone."""

from __future__ import annotations

import argparse

from speech_lstm.flags import add_input_flags, add_model_flags, load_plugins

HELP = "recognise commands from a microphone"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_input_flags(parser)
    parser.add_argument(
        "--auto-level", choices=("true", "false"), default="true", help="raise quiet speech (%(default)s)"
    )
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.inputs import Levelled, find_input
    from speech_lstm.audio.level import Level

    # Before torch is imported: a wrong device is told at once.
    source = find_input(arguments.device, arguments.input, arguments.raw)
    microphone = Levelled(source, Level(arguments.auto_level == "true"))
    load_plugins(arguments)
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.recognition.terminal import listen

    one_thread()
    listen(microphone, Detector(load(arguments.model), arguments.threshold))
    return 0
