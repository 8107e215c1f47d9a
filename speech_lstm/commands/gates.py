"""Show what the gates did with a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import add_model_flag, add_plugin_flag, load_plugins, seconds, whole
from speech_lstm.config import split_names
from speech_lstm.errors import ConfigError


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="one, or several side by side; - reads standard input"
    )
    parser.add_argument("--layer", type=whole, default=1, metavar="N", help="layer to look at, from 1 (%(default)s)")
    parser.add_argument("--direction", default="forward", choices=("forward", "backward"), help="(%(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a figure (.png, .svg, .pdf), a page (.html), all arrays (.npz) or the numbers (.json); "
        "can be given several times",
    )
    parser.add_argument(
        "--diagram",
        type=Path,
        metavar="FILE.svg",
        help="draw the cell with the numbers of one unit of the first recording",
    )
    parser.add_argument(
        "--unit", type=int, metavar="N", help="unit of the diagram (the one that the answer needs most)"
    )
    parser.add_argument(
        "--at", type=seconds, metavar="SECONDS", help="time of the diagram (when the unit is most active)"
    )
    parser.add_argument(
        "--gates", default="", metavar="NAME,NAME", help="show only these in a figure, such as f,c,h (all)"
    )
    parser.add_argument(
        "--order",
        default="active",
        choices=("index", "active", "half-life", "decision"),
        help="of the units in a figure: by number, by when they are most active, by the half-life of their memory, "
        "by what the answer loses without them (%(default)s)",
    )
    parser.add_argument(
        "--start", type=seconds, metavar="SECONDS", help="look at the second that begins here (the loudest)"
    )
    parser.add_argument(
        "--cell-equation", action="store_true", help="print the equations with the names of the figure"
    )
    add_model_flag(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.insight.views import check_places, check_recordings, look

    check_places(arguments.out, arguments.diagram)
    if not arguments.diagram and (arguments.unit, arguments.at) != (None, None):
        raise ConfigError("--unit and --at say what a diagram shows; name its file with --diagram")
    equations_alone = arguments.cell_equation and not (arguments.recordings or arguments.out or arguments.diagram)
    if not equations_alone:
        check_recordings(arguments.recordings)
    load_plugins(arguments)
    from speech_lstm.recognition.recognizer import carried_model, load, one_thread

    one_thread()
    model = load(arguments.model or carried_model(".safetensors")).torch_model
    if arguments.cell_equation:
        from speech_lstm.model.catalogue import legend

        print(legend(model.model.config.cell))
    if equations_alone:
        return 0
    chosen = arguments.layer, arguments.direction, arguments.start, split_names(arguments.gates), arguments.order
    view = look(model, arguments.recordings, *chosen)
    written = [*map(str, arguments.out)]
    for path in arguments.out:  # before anything is printed: a reader that goes away must not end it
        view.write(path)
    if arguments.diagram:
        unit, moment = view.write_diagram(arguments.diagram, arguments.unit, arguments.at)
        written.append(f"{arguments.diagram}: unit {unit} at {moment:.2f} s")
    print("\n".join([view.table(), *([""] if written else []), *written]))
    return 0
