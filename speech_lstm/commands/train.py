"""Train a network on a corpus."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from speech_lstm.commands.flags import add_match_flag, add_plugin_flag, add_settings, config_of, load_plugins
from speech_lstm.errors import INTERRUPTED


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="the corpus: a folder with a folder for each word")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder: models, curve, summary, events")
    parser.add_argument("--config", type=Path, help="a TOML file of settings; flags override it")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out as if it had not stopped")
    add_match_flag(parser)
    add_plugin_flag(parser)
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    config = config_of(arguments, arguments.config)
    load_plugins(arguments)
    first = os.environ.get("RANK", "0") == "0"  # only the first of several processes prints
    from speech_lstm.recurrent.plugins import SOURCES
    from speech_lstm.training.run import match_budget, train
    from speech_lstm.training.trainer import Stopped

    if arguments.match_parameters is not None:
        config = match_budget(config, arguments.data, arguments.match_parameters)
    try:
        summary = train(config, arguments.data, arguments.out, arguments.resume)
    except Stopped:
        if first:
            words = [word for word in sys.argv[1:] if word != "--resume"]
            start = "torchrun … -m speech_lstm" if "RANK" in os.environ else "speech-lstm"
            print(f"stopped; everything is saved. To continue: {start} {shlex.join(words)} --resume", file=sys.stderr)
        return INTERRUPTED
    if first:
        accuracy = 100 * summary["best_validation_accuracy"]
        print(f"best: epoch {summary['best_epoch']}, validation accuracy {accuracy:.2f} %")
        for name in ("best.safetensors", "curve.png", "summary.json"):
            print(f"  {arguments.out / name}")
        if source := SOURCES.get(config.network.cell):
            print(f"to evaluate, classify, listen or view gates with this model, pass --plugin {shlex.quote(source)}")
    return 0
