"""Train a network on a corpus."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from speech_lstm.commands.flags import add_match_flag, add_plugin_flag, add_settings, config_of, load_plugins
from speech_lstm.config import Config, read_run
from speech_lstm.errors import INTERRUPTED, ConfigError, print_line, printable

EXAMPLE = "train --data DIR --labels 12 --out runs/first"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the corpus: a folder with a folder for each word (the one that --config names)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="the run's folder: models, curve, summary, events"
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="a TOML file of settings; flags override it")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --out as if it had not stopped, with the settings of its config.toml",
    )
    add_match_flag(parser)
    add_plugin_flag(parser)
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)  # the model of --start may have a cell of one
    base, data = run_of(arguments)
    config = config_of(arguments, base)
    first = os.environ.get("RANK", "0") == "0"  # only the first of several processes prints
    from speech_lstm.recurrent.plugins import SOURCES
    from speech_lstm.training.run import match_budget, train
    from speech_lstm.training.trainer import Stopped

    if arguments.match_parameters is not None:
        config = match_budget(config, data, arguments.match_parameters)
    try:
        summary = train(config, data, arguments.out, arguments.resume)
    except Stopped:
        if first:
            words = ["train", "--out", str(arguments.out)]
            if arguments.data is not None:  # the run's own file may name another folder, or none
                words += ["--data", str(arguments.data)]
            for source in arguments.plugin or ():
                words += ["--plugin", source]
            start = "torchrun … -m speech_lstm" if "RANK" in os.environ else "speech-lstm"
            print_line(f"stopped; everything is saved. To continue: {start} {shlex.join(words)} --resume")
        return INTERRUPTED
    if first:
        accuracy = 100 * summary["best_validation_accuracy"]
        print(f"best: epoch {summary['best_epoch']}, validation accuracy {accuracy:.2f} %")
        for name in ("best.safetensors", "curve.png", "summary.json"):
            print(f"  {printable(arguments.out / name)}")
        print("next:")
        for line in next_commands(arguments.out / "best.safetensors", data, SOURCES.get(config.network.cell)):
            print(f"  {printable(line)}")
    return 0


def next_commands(model: Path, data: Path, plugin: str | None) -> list[str]:
    """Command lines for a trained model; `plugin` is the code of its cell."""
    lines = [
        ["evaluate", str(model), "--data", str(data)],
        ["listen", "--model", str(model)],
        ["gates", "RECORDING.wav", "--model", str(model), "--out", "gates.html"],
    ]
    return [shlex.join(["speech-lstm", *words, *(["--plugin", plugin] if plugin else [])]) for words in lines]


def settings_of_start(arguments: argparse.Namespace) -> Config:
    """The settings of a run without a file: the defaults, with the features and network of the model of --start."""
    start = getattr(arguments, "training.start", "")
    if not start:
        return Config()
    from speech_lstm.model.bundled import find_model
    from speech_lstm.model.checkpoint import load_model

    model = load_model(find_model(start, ".safetensors"))
    return Config(features=model.features, network=model.config)


def run_of(arguments: argparse.Namespace) -> tuple[Config, Path]:
    """The settings that the flags override, and the folder of the recordings; raises ConfigError.

    A resumed run has those of its own file, unless --config names another one. Without a file, a run that starts from
    a model has that model's features and network.
    """
    from speech_lstm.training.run_folder import CONFIG, RunFolder

    file = arguments.config
    if arguments.resume:
        folder = RunFolder(arguments.out)
        folder.check_free(resume=True)
        if file is None and folder.path(CONFIG).is_file():
            file = folder.path(CONFIG)
    config, named = (settings_of_start(arguments), "") if file is None else read_run(file)
    if arguments.data is None and not named:
        raise ConfigError("the folder of the recordings is missing: name it with --data")
    return config, arguments.data or Path(named)
