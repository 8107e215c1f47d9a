"""Find training recordings whose label is probably wrong.

They are recordings that models which were not trained on them take for something else, or that hold no word. By
default a network is trained for each of two halves of the speakers and answers the other half; --model asks trained
models instead. The list is what `train --leave-out` takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import add_plugin_flag, add_settings, config_of, load_plugins, probability, whole
from speech_lstm.config import Config, read_config

EXAMPLE = "suspects --data DIR --out suspects.csv --page suspects.html"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="the corpus")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="write the list to this file")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="write a page to listen to the worst")
    parser.add_argument(
        "--worst", type=whole, default=25, metavar="N", help="recordings of each kind on the page (%(default)s)"
    )
    parser.add_argument(
        "--threshold",
        type=probability,
        default=0.005,
        metavar="P",
        help="list recordings whose label has at most this probability (%(default)s)",
    )
    parser.add_argument("--near-words", action="store_true", help="list other words that are taken for a command too")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="ask this model, which should not have been trained on the recordings: a file of this program, any "
        "network in an ONNX file, or the name of a bundled model; may be repeated. Without folds, the labels are "
        "those of the first",
    )
    parser.add_argument(
        "--folds",
        type=several,
        metavar="K",
        help="train K networks, each on the speakers that it is not asked about (2; none if there is a --model)",
    )
    parser.add_argument("--epochs", type=whole, default=8, metavar="N", help="epochs of each fold (%(default)s)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="a TOML file of settings for the folds; flags override it"
    )
    add_plugin_flag(parser)
    add_settings(parser, without=("epochs", "start"))


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from contextlib import nullcontext

    from speech_lstm.errors import print_note, printable
    from speech_lstm.files import atomic_path
    from speech_lstm.model.bundled import find_model
    from speech_lstm.training.console import Console
    from speech_lstm.training.suspects import NEAR_WORD, examine
    from speech_lstm.training.suspects_report import page, suspects_table, write_csv
    from speech_lstm.training.trainer import Stopped

    config, folds = fold_config(arguments), arguments.folds or (0 if arguments.model else 2)
    models = [find_model(model, ".safetensors") for model in arguments.model]
    place = atomic_path(arguments.page) if arguments.page else nullcontext()
    with atomic_path(arguments.out) as listing, place as shown:  # an unwritable place fails before hours of work
        try:
            examination = examine(config, arguments.data, models, folds, Console())
        except Stopped:
            raise KeyboardInterrupt from None
        suspects = examination.suspects(arguments.threshold)
        listed = [suspect for suspect in suspects if arguments.near_words or suspect.kind != NEAR_WORD]
        write_csv(listing, listed)
        if shown is not None:
            shown.write_text(page(examination, listed, arguments.threshold, arguments.worst), encoding="utf-8")
    for note in examination.recordings.notes:
        print_note(note)
    print(suspects_table(suspects))
    print(f"\n{len(listed):,} of {len(examination.rows):,} training recordings in {printable(arguments.out)}")
    return 0


def fold_config(arguments: argparse.Namespace) -> Config:
    """The settings of the folds' trainings; raises ConfigError."""
    from dataclasses import replace

    config = config_of(arguments, read_config(arguments.config) if arguments.config else Config())
    return replace(config, training=replace(config.training, epochs=arguments.epochs))


def several(text: str) -> int:
    """`text` as a whole number, 2 or more."""
    value = whole(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is too few; give 2 or more")
    return value
