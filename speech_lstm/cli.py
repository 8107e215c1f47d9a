"""The command line: one short function for each command, and what every one of them does with a fault."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.flags import add_settings, config_of

INTERRUPTED = 130  # the shell's status for Ctrl-C


def train(arguments: argparse.Namespace) -> int:
    config = config_of(arguments, arguments.config)
    from speech_lstm.training.run import train
    from speech_lstm.training.trainer import Stopped

    try:
        summary = train(config, arguments.data, arguments.out, arguments.resume)
    except Stopped:
        print(f"stopped; everything is saved. To go on: {resume_command()}", file=sys.stderr)
        return INTERRUPTED
    if os.environ.get("RANK", "0") == "0":
        print(
            f"best: epoch {summary['best_epoch']}, validation accuracy "
            f"{100 * summary['best_validation_accuracy']:.2f} %"
        )
        print(
            f"model {arguments.out / 'best.safetensors'}, curve {arguments.out / 'curve.png'}, "
            f"summary {arguments.out / 'summary.json'}"
        )
    return 0


def resume_command() -> str:
    """The command that was given, with --resume."""
    import shlex

    given = [word for word in sys.argv[1:] if word != "--resume"]
    return shlex.join(["speech-lstm", *given, "--resume"])


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech-lstm", description="Spoken commands, recognised by an LSTM.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    sub = commands.add_parser("train", help="train a network on a folder of recordings")
    sub.add_argument("--data", type=Path, required=True, help="the corpus: a folder with a folder for each word")
    sub.add_argument("--out", type=Path, required=True, help="the run's folder: models, curve, summary, events")
    sub.add_argument("--config", type=Path, help="a TOML file of settings; flags go before it")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out")
    add_settings(sub)
    sub.set_defaults(run=train)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 a failure of ours or of some of many files, 2 a fault of the input."""
    arguments = build_parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
    except SpeechLSTMError as error:
        print(f"speech-lstm: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)
