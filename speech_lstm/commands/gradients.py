"""Show how gradients vanish, explode and are preserved through time."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import add_language_flag, add_plugin_flag, lengths, load_plugins, names, whole
from speech_lstm.errors import printable

CELLS = "rnn,clockwork,gru,lstm,peephole"
EXAMPLE = "gradients --cells rnn,lstm"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", default=Path("data/demo"), help="corpus (%(default)s)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs/gradients"), help="folder for the page (%(default)s)"
    )
    parser.add_argument("--cells", type=names, default=CELLS, metavar="NAME,…", help="cells to compare (%(default)s)")
    parser.add_argument(
        "--words", type=names, default="yes,no", metavar="A,B", help="the two words to distinguish (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=lengths, default="1,2,4,8,16", metavar="N,…", help="lengths of the sequences (%(default)s)"
    )
    parser.add_argument(
        "--seeds", type=whole, default=3, metavar="N", help="trainings of each cell in the memory task (%(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=whole,
        default=50,
        metavar="N",
        help="training steps for each length, four times as many for the first (%(default)s)",
    )
    parser.add_argument("--part", choices=("flow", "scalar", "memory"), help="measure only this part")
    add_language_flag(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.insight.gradient_report import PAGE, text, write_study
    from speech_lstm.insight.gradient_study import PARTS, Choice
    from speech_lstm.recognition.recognizer import one_thread
    from speech_lstm.training.hardware import keep_freed_memory

    one_thread()  # the matrices of these networks are too small for two
    keep_freed_memory()
    choice = Choice(
        arguments.data,
        arguments.words,
        arguments.cells,
        arguments.seconds,
        arguments.seeds,
        arguments.steps,
        (arguments.part,) if arguments.part else tuple(PARTS),
    )
    print(text(write_study(choice, arguments.out, arguments.language)))
    print(f"\npage {printable(arguments.out / PAGE)}")
    return 0
