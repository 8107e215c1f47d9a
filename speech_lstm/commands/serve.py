"""Serve the commands to Home Assistant and other Wyoming clients.

Satellites send their sound; each gets the commands in it, as wake words or as a transcript. docs/home-assistant.md
shows how it is set up.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

from speech_lstm.commands.flags import add_level_flag, add_recognition_flags, load_plugins
from speech_lstm.errors import require

EXAMPLE = "serve --wyoming tcp://0.0.0.0:10400 --zeroconf kitchen"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wyoming",
        default="tcp://127.0.0.1:10400",
        metavar="tcp://HOST:PORT",
        help="where to serve; 0.0.0.0 lets other machines connect (%(default)s: this one only)",
    )
    parser.add_argument(
        "--zeroconf", default="", metavar="NAME", help="announce the service to the network under this name"
    )
    parser.add_argument("--language", default="en", metavar="CODE", help="the language of the commands (%(default)s)")
    add_level_flag(parser)
    add_recognition_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    import asyncio

    for package in ("wyoming", "zeroconf"):
        require(package)
    load_plugins(arguments)
    from speech_lstm.live.wyoming_server import Server
    from speech_lstm.live.wyoming_session import Service
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    service = Service(
        load(arguments.model, words=arguments.words),
        arguments.language,
        arguments.threshold,
        arguments.continuous,
        arguments.auto_level == "true",
    )
    with suppress(KeyboardInterrupt):  # of Windows; elsewhere the server ends by itself
        asyncio.run(Server(arguments.wyoming, service, arguments.zeroconf).run())
    return 0
