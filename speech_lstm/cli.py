"""The command line: one short function for each command, and what every one of them does with a fault.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from speech_lstm.config import listed
from speech_lstm.errors import ConfigError, SpeechLSTMError
from speech_lstm.flags import (
    Parser,
    add_match_flag,
    add_model_flags,
    add_plugin_flag,
    add_settings,
    config_of,
    seconds,
    whole,
)

if TYPE_CHECKING:
    from speech_lstm.recognition.prediction import Prediction

FAILED = 1  # some of many files, or a failure of ours
INTERRUPTED = 130  # the shell's status for Ctrl-C


def download(arguments: argparse.Namespace) -> int:
    from speech_lstm.corpus.archive import download

    folder = download(arguments.version, arguments.data, arguments.url, arguments.sha256)
    data = shlex.quote(str(folder))
    if arguments.version.startswith("test"):
        print(f"next: speech-lstm evaluate MODEL --data {data}, with a model of the 12-class task")
    else:
        print(f"next: speech-lstm train --data {data} --labels 12 --out runs/first")
    return 0


def train(arguments: argparse.Namespace) -> int:
    config = config_of(arguments, arguments.config)
    load_plugins(arguments)
    first = os.environ.get("RANK", "0") == "0"  # of several processes one tells the user
    from speech_lstm.recurrent.plugins import SOURCES
    from speech_lstm.training.run import matched, train
    from speech_lstm.training.trainer import Stopped

    if arguments.match_parameters is not None:
        config = matched(config, arguments.data, arguments.match_parameters)
    try:
        summary = train(config, arguments.data, arguments.out, arguments.resume)
    except Stopped:
        if first:
            given = [word for word in sys.argv[1:] if word != "--resume"]
            start = "torchrun … -m speech_lstm" if "RANK" in os.environ else "speech-lstm"
            print(f"stopped; everything is saved. To go on: {start} {shlex.join(given)} --resume", file=sys.stderr)
        return INTERRUPTED
    if first:
        accuracy = 100 * summary["best_validation_accuracy"]
        print(f"best: epoch {summary['best_epoch']}, validation accuracy {accuracy:.2f} %")
        for name in ("best.safetensors", "curve.png", "summary.json"):
            print(f"  {arguments.out / name}")
        if source := SOURCES.get(config.network.cell):
            print(f"evaluate, classify and listen need --plugin {shlex.quote(source)} for this model")
    return 0


def load_plugins(arguments: argparse.Namespace) -> None:
    """Make the cells known that the user brings."""
    if arguments.plugin:
        from speech_lstm.recurrent.plugins import load_plugin

        for source in arguments.plugin:
            load_plugin(source)


def cells(arguments: argparse.Namespace) -> int:
    config, budget = config_of(arguments, None), arguments.match_parameters
    load_plugins(arguments)
    from speech_lstm import catalogue
    from speech_lstm.recurrent.plugins import load_installed

    width = shutil.get_terminal_size((1000, 24)).columns  # in a pipe no line is broken
    if arguments.name:
        entry = catalogue.entry(arguments.name, config.features, config.network, budget)
        shapes = {"weights": {name: list(shape) for name, shape in entry.weights.items()}}
        text = catalogue.detail(entry, config.features, width)
        print(json.dumps(entry.to_dict() | shapes, indent=2) if arguments.json else text)
        return 0
    for note in load_installed():
        print(f"note: {note}", file=sys.stderr)
    entries = catalogue.entries(config.features, config.network, budget)
    if arguments.json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2))
    else:
        print(catalogue.table(entries, config.features, config.network, budget, width))
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.checkpoint import load_model
    from speech_lstm.files import write_json
    from speech_lstm.training.distributed import choose_device
    from speech_lstm.training.scoring import evaluate_model

    device = choose_device(arguments.device)
    model = load_model(arguments.model, device)
    scores = evaluate_model(model, arguments.data, arguments.split, device, arguments.strict)
    for note in scores.notes:
        print(f"note: {note}", file=sys.stderr)
    print(scores.table())
    if arguments.json:
        write_json(arguments.json, scores.to_dict())
        print(f"\nnumbers in {arguments.json}")
    if arguments.plots:
        from speech_lstm.insight.figures import confusion_figure, recall_figure, save_figure

        save_figure(confusion_figure(scores.evaluation), arguments.plots / "confusion.png")
        save_figure(recall_figure(scores.evaluation), arguments.plots / "labels.png")
        print(f"\npictures {arguments.plots / 'confusion.png'} and {arguments.plots / 'labels.png'}")
    return 0


def classify(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.recording import find_recordings
    from speech_lstm.audio.sources import printable
    from speech_lstm.errors import RecordingError

    paths = find_recordings(arguments.paths)  # before torch is imported: a wrong path is told at once
    load_plugins(arguments)
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    model = load(arguments.model)
    damaged = 0
    for path in paths:
        name, silent = str(path), not arguments.jsonl
        try:
            for answer in model.answers(path, threshold=arguments.threshold):
                print(jsonl(name, answer) if arguments.jsonl else answer.line(name, arguments.top), flush=True)
                silent = False
            if silent:
                print(f"{printable(name)}  no command")
        except RecordingError as error:
            if len(paths) == 1:
                raise
            damaged += 1
            print(f"speech-lstm: {error}", file=sys.stderr)
    if damaged:
        print(f"speech-lstm: {damaged} of {len(paths)} recordings could not be read", file=sys.stderr)
    return FAILED if damaged else 0


def jsonl(name: str, answer: Prediction) -> str:
    """One answer as a line of JSON."""
    place = {"file": name, "start": answer.start, "end": answer.end}
    return json.dumps(place | {"label": answer.label, "probability": answer.probability, "scores": answer.scores})


def gates(arguments: argparse.Namespace) -> int:
    from speech_lstm.insight.views import look, writer_of

    for path in arguments.out:
        writer_of(path)
    load_plugins(arguments)
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    model = load(arguments.model)
    if arguments.cell_equation:
        from speech_lstm.catalogue import legend

        print(legend(model.model.config.cell))
    if not arguments.recordings:
        if arguments.cell_equation:
            return 0
        raise ConfigError("name a recording to look into, or --cell-equation")
    chosen = arguments.layer, arguments.direction, arguments.start, listed(arguments.gates), arguments.order
    view = look(model, arguments.recordings, *chosen)
    print(view.table())
    print()
    for path in arguments.out:
        view.write(path)
        print(path)
    if arguments.diagram:
        unit, moment = view.write_diagram(arguments.diagram, arguments.unit, arguments.at)
        print(f"{arguments.diagram}: unit {unit} at {moment:.2f} s")
    return 0


def devices(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.microphone import device_table, list_devices

    print(device_table(list_devices()))
    return 0


def listen(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.microphone import Microphone

    microphone = Microphone(arguments.device)  # before torch is imported: a wrong device is told at once
    load_plugins(arguments)
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.recognition.terminal import listen

    one_thread()
    listen(microphone, Detector(load(arguments.model), arguments.threshold))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The commands and their flags."""
    parser = Parser(prog="speech-lstm", description="Spoken commands, recognised by an LSTM.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    sub = commands.add_parser("download", help="fetch Speech Commands, checked and unpacked")
    sub.add_argument("--version", default="v0.02", choices=("v0.02", "v0.01", "test-v0.02"), help="(%(default)s)")
    sub.add_argument("--data", type=Path, default=Path("data"), help="folder to put it into (%(default)s)")
    sub.add_argument("--url", help="another place to fetch the same archive from")
    sub.add_argument("--sha256", help="the digest to expect of an archive of your own at --url")
    sub.set_defaults(run=download)

    sub = commands.add_parser("train", help="train a network on a folder of recordings")
    sub.add_argument("--data", type=Path, required=True, help="the corpus: a folder with a folder for each word")
    sub.add_argument("--out", type=Path, required=True, help="the run's folder: models, curve, summary, events")
    sub.add_argument("--config", type=Path, help="a TOML file of settings; a flag beside it wins")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out as if it had not stopped")
    add_match_flag(sub)
    add_plugin_flag(sub)
    add_settings(sub)
    sub.set_defaults(run=train)

    sub = commands.add_parser("cells", help="list the recurrent cells, or show one")
    sub.add_argument("name", nargs="?", metavar="NAME", help="show this cell whole")
    sub.add_argument("--json", action="store_true", help="print JSON")
    add_match_flag(sub)
    add_plugin_flag(sub)
    add_settings(sub, ("features", "network"), without=("cell",))
    sub.set_defaults(run=cells)

    sub = commands.add_parser("evaluate", help="score a model on a split of a folder of recordings")
    sub.add_argument("model", type=Path, metavar="MODEL")
    sub.add_argument("--data", type=Path, required=True, help="the corpus")
    sub.add_argument("--split", default="testing", choices=("training", "validation", "testing"), help="(testing)")
    sub.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    sub.add_argument("--plots", type=Path, metavar="DIR", help="write confusion.png and labels.png to this folder")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    sub.add_argument("--strict", action="store_true", help="end at the first damaged recording")
    add_plugin_flag(sub)
    sub.set_defaults(run=evaluate)

    sub = commands.add_parser("classify", help="say which command recordings hold")
    sub.add_argument("paths", nargs="+", metavar="PATH", help="recordings, folders of them, or - for standard input")
    sub.add_argument("--top", type=whole, default=1, metavar="K", help="show the K likeliest labels (%(default)s)")
    sub.add_argument("--jsonl", action="store_true", help="print one JSON object a line")
    add_model_flags(sub)
    sub.set_defaults(run=classify)

    sub = commands.add_parser("gates", help="show what the gates did with a recording")
    sub.add_argument("recordings", nargs="*", metavar="RECORDING", help="one, or several side by side; - is stdin")
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
    sub.add_argument("--diagram", type=Path, metavar="FILE.svg", help="draw the cell with the numbers of one unit")
    sub.add_argument("--unit", type=int, metavar="N", help="of the diagram (the one that the answer needs most)")
    sub.add_argument("--at", type=seconds, metavar="SECONDS", help="of the diagram (when the unit is most active)")
    sub.add_argument("--gates", default="", metavar="NAME,NAME", help="show only these, such as f,c,h (all)")
    sub.add_argument(
        "--order",
        default="active",
        choices=("index", "active", "half-life", "decision"),
        help="of the units in a figure: by number, by when they are most active, by the half-life of their memory, "
        "by what the answer loses without them (%(default)s)",
    )
    sub.add_argument("--start", type=seconds, metavar="SECONDS", help="the second to look at (the loudest)")
    sub.add_argument("--cell-equation", action="store_true", help="print the equations with the names of the figure")
    sub.add_argument("--model", type=Path, metavar="FILE", help="a model file (the one that comes with the package)")
    add_plugin_flag(sub)
    sub.set_defaults(run=gates)

    sub = commands.add_parser("listen", help="recognise commands from a microphone")
    sub.add_argument("--device", metavar="NAME|INDEX", help="input device, see `speech-lstm devices` (the default)")
    add_model_flags(sub)
    sub.set_defaults(run=listen)

    sub = commands.add_parser("devices", help="list the input devices")
    sub.set_defaults(run=devices)
    return parser


def leave_stdout() -> None:
    """Send what is still buffered nowhere: standard output takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 a failure of ours or of some of many files, 2 a fault of the input."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal can't show
    arguments = build_parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
    except SpeechLSTMError as error:
        print(f"speech-lstm: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        leave_stdout()
        status = 0
    except MemoryError:
        print("speech-lstm: not enough memory; choose smaller settings, such as batch or hidden", file=sys.stderr)
        status = 2
    except OSError as error:
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise
        print("speech-lstm: the output can't be written: no space left on device", file=sys.stderr)
        leave_stdout()
        status = 2
    sys.exit(status)
