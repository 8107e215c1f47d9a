"""Show the gates of the network while it reads a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import (
    add_language_flag,
    add_model_flag,
    add_plugin_flag,
    load_plugins,
    seconds,
    whole,
)
from speech_lstm.config import split_names
from speech_lstm.errors import ConfigError, printable, require

EXAMPLE = "gates recording.wav --out gates.html"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="one file, or several side by side; - reads standard input"
    )
    parser.add_argument("--layer", type=whole, default=1, metavar="N", help="layer to show, from 1 (%(default)s)")
    parser.add_argument(
        "--direction", default="forward", choices=("forward", "backward"), help="direction to show (%(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a figure (.png, .svg, .pdf), a page (.html), all arrays (.npz) or the numbers (.json); "
        "may be repeated",
    )
    parser.add_argument(
        "--diagram",
        type=Path,
        metavar="FILE.svg",
        help="draw the cell with the numbers of one unit, from the first recording",
    )
    parser.add_argument(
        "--unit", type=int, metavar="N", help="unit of the diagram (the one that the answer needs most)"
    )
    parser.add_argument(
        "--at", type=seconds, metavar="SECONDS", help="time of the diagram (that of the unit's largest output)"
    )
    parser.add_argument(
        "--gates",
        default="",
        metavar="NAME,NAME",
        help="what to show in a figure, such as f,c,h (all)",
    )
    parser.add_argument(
        "--order",
        default="active",
        choices=("index", "active", "half-life", "decision"),
        help="order of the units in a figure: by number, by the time of their largest output, by the half-life of "
        "their memory, or by the probability that the answer loses without them (%(default)s)",
    )
    parser.add_argument(
        "--start", type=seconds, metavar="SECONDS", help="show the second that begins here (the loudest)"
    )
    parser.add_argument(
        "--cell-equation", action="store_true", help="print the equations of the cell and their names"
    )
    add_language_flag(parser)
    add_model_flag(parser)
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.insight.views import PAGE, check_places, check_recordings, look

    check_places(arguments.out, arguments.diagram)
    if any(path.suffix.lower() == PAGE for path in arguments.out):
        require("onnx")
    if not arguments.diagram and (arguments.unit, arguments.at) != (None, None):
        raise ConfigError("--unit and --at select what --diagram shows; name its file with --diagram")
    only_equations = arguments.cell_equation and not (arguments.recordings or arguments.out or arguments.diagram)
    if not only_equations:
        check_recordings(arguments.recordings)
    load_plugins(arguments)
    from speech_lstm.model.bundled import find_model
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    model = load(find_model(arguments.model, ".safetensors")).torch_model
    if arguments.cell_equation:
        from speech_lstm.model.catalogue import legend

        print(legend(model.model.config.cell))
    if only_equations:
        return 0
    view = look(
        model,
        arguments.recordings,
        layer=arguments.layer,
        direction=arguments.direction,
        start=arguments.start,
        gates=split_names(arguments.gates),
        order=arguments.order,
        language=arguments.language,
    )
    outputs = [*map(printable, arguments.out)]
    for path in arguments.out:  # before anything is printed: a closed pipe must not prevent it
        if path.suffix.lower() == PAGE:
            from speech_lstm.web.gates_page import write_page

            write_page(view, path)
        else:
            view.write(path)
    if arguments.diagram:
        unit, moment = view.write_diagram(arguments.diagram, arguments.unit, arguments.at)
        outputs.append(f"{printable(arguments.diagram)}: unit {unit} at {moment:.2f} s")
    print("\n".join([view.table(), *([""] if outputs else []), *outputs]))
    return 0
