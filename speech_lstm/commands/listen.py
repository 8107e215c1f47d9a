"""Recognise commands from a microphone."""

from __future__ import annotations

import argparse

from speech_lstm.flags import add_model_flags, load_plugins

HELP = "recognise commands from a microphone"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", metavar="NAME|INDEX", help="input device, see `speech-lstm devices` (the default)"
    )
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.microphone import Microphone

    microphone = Microphone(arguments.device)  # before torch is imported: a wrong device is told at once
    load_plugins(arguments)
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.recognition.terminal import listen

    one_thread()
    listen(microphone, Detector(load(arguments.model), arguments.threshold))
    return 0
