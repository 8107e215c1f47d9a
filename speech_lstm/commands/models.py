"""List the bundled models."""

from __future__ import annotations

import argparse
import shutil


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.files import to_json
    from speech_lstm.recognition.inventory import bundled_models, table

    models = bundled_models()
    if arguments.json:
        print(to_json([model.to_dict() for model in models], indent=2))
    else:
        print(table(models, shutil.get_terminal_size((1000, 24)).columns))  # in a pipe no line is broken
    return 0
