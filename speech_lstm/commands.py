"""The commands and their flags. What a command does stands in `cli`."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.flags import (
    Parser,
    add_match_flag,
    add_model_flags,
    add_plugin_flag,
    add_settings,
    lengths,
    names,
    seconds,
    whole,
)

Commands = argparse._SubParsersAction  # what `add_subparsers` gives


def build_parser() -> argparse.ArgumentParser:
    """The parser of `speech-lstm`; `command` in what it gives names the command."""
    parser = Parser(prog="speech-lstm", description="Spoken commands, recognised by an LSTM.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in ADDERS:
        add(commands)
    return parser


def add_download(commands: Commands) -> None:
    sub = commands.add_parser("download", help="fetch Speech Commands, checked and unpacked")
    sub.add_argument("--version", default="v0.02", choices=("v0.02", "v0.01", "test-v0.02"), help="(%(default)s)")
    sub.add_argument("--data", type=Path, default=Path("data"), help="folder to put it into (%(default)s)")
    sub.add_argument("--url", help="another place to fetch the same archive from")
    sub.add_argument("--sha256", help="the digest to expect of an archive of your own at --url")


def add_train(commands: Commands) -> None:
    sub = commands.add_parser("train", help="train a network on a folder of recordings")
    sub.add_argument("--data", type=Path, required=True, help="the corpus: a folder with a folder for each word")
    sub.add_argument("--out", type=Path, required=True, help="the run's folder: models, curve, summary, events")
    sub.add_argument("--config", type=Path, help="a TOML file of settings; a flag beside it wins")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out as if it had not stopped")
    add_match_flag(sub)
    add_plugin_flag(sub)
    add_settings(sub)


def add_cells(commands: Commands) -> None:
    sub = commands.add_parser("cells", help="list the recurrent cells, or show one")
    sub.add_argument("name", nargs="?", metavar="NAME", help="show this cell whole")
    sub.add_argument("--json", action="store_true", help="print JSON")
    add_match_flag(sub)
    add_plugin_flag(sub)
    add_settings(sub, ("features", "network"), without=("cell",))


def add_evaluate(commands: Commands) -> None:
    sub = commands.add_parser("evaluate", help="score a model on a split of a folder of recordings")
    sub.add_argument("model", type=Path, metavar="MODEL")
    sub.add_argument("--data", type=Path, required=True, help="the corpus")
    sub.add_argument("--split", default="testing", choices=("training", "validation", "testing"), help="(testing)")
    sub.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    sub.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png and labels.png to this folder")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    sub.add_argument("--strict", action="store_true", help="end at the first damaged recording")
    add_plugin_flag(sub)


def add_classify(commands: Commands) -> None:
    sub = commands.add_parser("classify", help="say which command recordings hold")
    sub.add_argument("paths", nargs="+", metavar="PATH", help="recordings, folders of them, or - for standard input")
    sub.add_argument("--top", type=whole, default=1, metavar="K", help="show the K likeliest labels (%(default)s)")
    sub.add_argument("--jsonl", action="store_true", help="print one JSON object a line")
    add_model_flags(sub)


def add_gates(commands: Commands) -> None:
    sub = commands.add_parser("gates", help="show what the gates did with a recording")
    sub.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="one, or several side by side; - reads standard input"
    )
    sub.add_argument("--layer", type=whole, default=1, metavar="N", help="layer to look at, from 1 (%(default)s)")
    sub.add_argument("--direction", default="forward", choices=("forward", "backward"), help="(%(default)s)")
    sub.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a figure (.png, .svg, .pdf), a page (.html), all arrays (.npz) or the numbers (.json); "
        "can be given several times",
    )
    sub.add_argument(
        "--diagram",
        type=Path,
        metavar="FILE.svg",
        help="draw the cell with the numbers of one unit of the first recording",
    )
    sub.add_argument("--unit", type=int, metavar="N", help="unit of the diagram (the one that the answer needs most)")
    sub.add_argument(
        "--at", type=seconds, metavar="SECONDS", help="time of the diagram (when the unit is most active)"
    )
    sub.add_argument(
        "--gates", default="", metavar="NAME,NAME", help="show only these in a figure, such as f,c,h (all)"
    )
    sub.add_argument(
        "--order",
        default="active",
        choices=("index", "active", "half-life", "decision"),
        help="of the units in a figure: by number, by when they are most active, by the half-life of their memory, "
        "by what the answer loses without them (%(default)s)",
    )
    sub.add_argument(
        "--start", type=seconds, metavar="SECONDS", help="look at the second that begins here (the loudest)"
    )
    sub.add_argument("--cell-equation", action="store_true", help="print the equations with the names of the figure")
    sub.add_argument("--model", type=Path, metavar="FILE", help="a model file (the one that comes with the package)")
    add_plugin_flag(sub)


def add_gradients(commands: Commands) -> None:
    sub = commands.add_parser("gradients", help="show how gradients vanish, explode and are kept through time")
    sub.add_argument("--data", type=Path, default=Path("data/demo"), help="the corpus (%(default)s)")
    sub.add_argument("--out", type=Path, default=Path("runs/gradients"), help="folder for the page (%(default)s)")
    compared = "rnn,clockwork,gru,lstm,peephole"
    sub.add_argument("--cells", type=names, default=compared, metavar="NAME,…", help="cells to compare (%(default)s)")
    sub.add_argument(
        "--words", type=names, default="yes,no", metavar="A,B", help="the two to tell apart (%(default)s)"
    )
    sub.add_argument(
        "--seconds", type=lengths, default="1,2,4,8,16", metavar="N,…", help="lengths of the sequences (%(default)s)"
    )
    sub.add_argument("--seeds", type=whole, default=3, metavar="N", help="of the memory task (%(default)s)")
    sub.add_argument(
        "--steps",
        type=whole,
        default=50,
        metavar="N",
        help="of training for each length, 4 N for the first (%(default)s)",
    )
    sub.add_argument("--part", choices=("flow", "scalar", "memory"), help="measure only this")
    add_plugin_flag(sub)


def add_listen(commands: Commands) -> None:
    sub = commands.add_parser("listen", help="recognise commands from a microphone")
    sub.add_argument("--device", metavar="NAME|INDEX", help="input device, see `speech-lstm devices` (the default)")
    add_model_flags(sub)


def add_devices(commands: Commands) -> None:
    commands.add_parser("devices", help="list the input devices")


ADDERS = (
    add_download,
    add_train,
    add_cells,
    add_evaluate,
    add_classify,
    add_gates,
    add_gradients,
    add_listen,
    add_devices,
)
