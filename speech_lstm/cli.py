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
from typing import TYPE_CHECKING, NoReturn

from speech_lstm.commands import build_parser
from speech_lstm.config import listed
from speech_lstm.errors import ConfigError, SpeechLSTMError
from speech_lstm.flags import config_of

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
            print(f"evaluate, classify, gates and listen need --plugin {shlex.quote(source)} for this model")
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
    from speech_lstm.insight.views import check_places, check_recordings, look

    check_places(arguments.out, arguments.diagram)
    if not arguments.diagram and (arguments.unit, arguments.at) != (None, None):
        raise ConfigError("--unit and --at say what a diagram shows; name its file with --diagram")
    equations_alone = arguments.cell_equation and not (arguments.recordings or arguments.out or arguments.diagram)
    if not equations_alone:
        check_recordings(arguments.recordings)
    load_plugins(arguments)
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    model = load(arguments.model)
    if arguments.cell_equation:
        from speech_lstm.catalogue import legend

        print(legend(model.model.config.cell))
    if equations_alone:
        return 0
    chosen = arguments.layer, arguments.direction, arguments.start, listed(arguments.gates), arguments.order
    view = look(model, arguments.recordings, *chosen)
    written = [*map(str, arguments.out)]
    for path in arguments.out:  # before anything is printed: a reader that goes away must not end it
        view.write(path)
    if arguments.diagram:
        unit, moment = view.write_diagram(arguments.diagram, arguments.unit, arguments.at)
        written.append(f"{arguments.diagram}: unit {unit} at {moment:.2f} s")
    print("\n".join([view.table(), *([""] if written else []), *written]))
    return 0


def gradients(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.insight.gradient_page import text
    from speech_lstm.insight.gradient_study import PAGE, PARTS, Choice, write_study
    from speech_lstm.recognition.recognizer import one_thread
    from speech_lstm.training.allocator import keep_freed_memory

    one_thread()  # the matrices of these networks are too small for two
    keep_freed_memory()
    asked = arguments.words, arguments.cells, arguments.seconds, arguments.seeds, arguments.steps
    choice = Choice(arguments.data, *asked, (arguments.part,) if arguments.part else PARTS)
    print(text(write_study(choice, arguments.out)))
    print(f"\npage {arguments.out / PAGE}")
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


COMMANDS = {
    run.__name__: run for run in (download, train, cells, evaluate, classify, gates, gradients, listen, devices)
}


def leave_stdout() -> None:
    """Send what is still buffered nowhere: standard output takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 1 a failure of ours or of some of many files, 2 a fault of the input."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal can't show
    arguments = build_parser().parse_args(argv)
    try:
        status = COMMANDS[arguments.command](arguments)
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
