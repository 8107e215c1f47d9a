"""List the recurrent cells, or show one."""

from __future__ import annotations

import argparse
import shutil

from speech_lstm.commands.flags import add_match_flag, add_plugin_flag, add_settings, config_of, load_plugins
from speech_lstm.config import Config
from speech_lstm.errors import print_note
from speech_lstm.files import to_json

EXAMPLE = "cells lstm"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this cell in full")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_match_flag(parser)
    add_plugin_flag(parser)
    add_settings(parser, ("features", "network"), without=("cell",))


def run(arguments: argparse.Namespace) -> int:
    config, budget = config_of(arguments, Config()), arguments.match_parameters
    load_plugins(arguments)
    from speech_lstm.model import catalogue
    from speech_lstm.recurrent.plugins import load_installed

    width = shutil.get_terminal_size((1000, 24)).columns  # in a pipe no line is broken
    if arguments.name:
        entry = catalogue.entry(arguments.name, config.features, config.network, budget)
        shapes = {"weights": {name: list(shape) for name, shape in entry.weights.items()}}
        text = catalogue.detail(entry, config.features, width)
        print(to_json(entry.to_dict() | shapes, indent=2) if arguments.json else text)
        return 0
    for note in load_installed():
        print_note(note)
    entries = catalogue.entries(config.features, config.network, budget)
    if arguments.json:
        print(to_json([entry.to_dict() for entry in entries], indent=2))
    else:
        print(catalogue.table(entries, config.features, config.network, budget, width))
    return 0
