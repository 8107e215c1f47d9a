"""Choose thresholds for a rate of false accepts.

With --speech the smoothing and the pauses that a command needs around it are chosen too. --room needs no corpus.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.commands.flags import (
    add_model_argument,
    add_plugin_flag,
    add_speech_flag,
    load_plugins,
    positive,
)
from speech_lstm.commands.make_stream import add_stream_flags, plan_of
from speech_lstm.errors import ConfigError

if TYPE_CHECKING:
    from speech_lstm.config import DetectionConfig
    from speech_lstm.recognition.recognizer import Recognizer

SUFFIX = ".calibrated"  # before that of the model, of the file that is written without --out

EXAMPLE = "calibrate MODEL --data DIR --false-accepts-per-hour 0.5 --out calibrated.safetensors"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    material = parser.add_mutually_exclusive_group(required=True)
    material.add_argument("--data", type=Path, metavar="DIR", help="the corpus that the stream is made from")
    material.add_argument(
        "--room",
        type=Path,
        metavar="FILE",
        help="a recording of your room without commands: thresholds are raised until it has no more false accepts",
    )
    parser.add_argument(
        "--false-accepts-per-hour",
        type=positive,
        default=0.5,
        metavar="RATE",
        help="highest rate of all words together, in the speech if there is any, else in the stream (%(default)s)",
    )
    add_speech_flag(parser)
    parser.add_argument(
        "--stream-false-accepts-per-hour",
        type=positive,
        metavar="RATE",
        help="with --speech: highest rate in the stream of single words as well (any)",
    )
    parser.add_argument(
        "--hours", type=positive, default=4, help="length of the stream; a low rate needs a long one (%(default)s)"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"write the model here (NAME{SUFFIX}.onnx for NAME.onnx)",
    )
    place.add_argument("--in-place", action="store_true", help="change MODEL itself")
    add_stream_flags(parser, "validation")
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    load_plugins(arguments)
    from speech_lstm.config import commands_of
    from speech_lstm.corpus.speech_commands import scan
    from speech_lstm.errors import print_note, printable
    from speech_lstm.model.bundled import find_model
    from speech_lstm.model.forms import new_forms
    from speech_lstm.recognition.onnx_model import OnnxModel
    from speech_lstm.recognition.recognizer import load, one_thread
    from speech_lstm.streams.replay import plan_posteriors, speech_posteriors
    from speech_lstm.streams.report import precision_notes, thresholds_table
    from speech_lstm.streams.speech_thresholds import Material, choose_decision
    from speech_lstm.streams.thresholds import choose_thresholds
    from speech_lstm.teaching.report import room_line
    from speech_lstm.teaching.room import choose_for_room

    rate, stream_rate = arguments.false_accepts_per_hour, arguments.stream_false_accepts_per_hour
    if stream_rate is not None and not arguments.speech:
        raise ConfigError(
            "--stream-false-accepts-per-hour is a second rate, besides that in speech; "
            "give --speech, or only --false-accepts-per-hour"
        )
    one_thread()
    file = find_model(arguments.model, ".safetensors")
    out = place_of(arguments, file)
    recognizer = load(file)
    files = recognizer.backend.files if isinstance(recognizer.backend, OnnxModel) else (file,)
    if arguments.room:
        room = choose_for_room(recognizer, arguments.room, rate)
        with new_forms(files, out) as forms:
            write(forms, recognizer, room.detection)
        print(f"{room_line(room)}\nthresholds in {printable(out)}")
        return 0
    plan = plan_of(arguments, commands_of(recognizer.labels), 3600 * arguments.hours)
    corpus = scan(arguments.data)
    with new_forms(files, out) as forms:  # an unwritable place fails before hours of work
        comparison = None
        speech = speech_posteriors(recognizer, arguments.speech) if arguments.speech else None
        posteriors, notes = plan_posteriors(recognizer, corpus, plan)
        if speech:
            material = Material(posteriors, speech, rate, stream_rate)
            chosen, comparison = choose_decision(material, recognizer.detection)
        else:
            chosen = choose_thresholds(posteriors, recognizer.detection, rate)
        write(forms, recognizer, chosen.detection)
    for note in (*notes, *precision_notes(chosen)):
        print_note(note)
    print(thresholds_table(chosen, comparison))
    print(f"\n{chosen.detection.rate}: thresholds in {printable(out)}")
    return 0


def place_of(arguments: argparse.Namespace, file: Path) -> Path:
    """The file that the model of `file` is written to; raises ConfigError for a bundled one without --out."""
    if arguments.out:
        if (arguments.out.suffix == ".onnx") != (file.suffix == ".onnx"):
            raise ConfigError(f"{arguments.out}: the form of a model stays; its name must end in {file.suffix}")
        return arguments.out
    if file != Path(arguments.model):
        raise ConfigError(f"{arguments.model} is a bundled model, which is not changed; pass --out FILE")
    return file if arguments.in_place else file.with_suffix(SUFFIX + file.suffix)


def write(forms: list[tuple[Path, Path]], recognizer: Recognizer, detection: DetectionConfig) -> None:
    """Write the forms of a recogniser's model with other thresholds: see `new_forms`."""
    from dataclasses import replace

    from speech_lstm.model.onnx_file import read_content
    from speech_lstm.model.onnx_head import with_header
    from speech_lstm.recognition.onnx_model import OnnxModel

    model = recognizer.backend
    if isinstance(model, OnnxModel):
        header, facts = replace(model.header, detection=detection), model.session.facts
        for form, place in forms:
            place.write_bytes(with_header(read_content(form), header, facts["precision"], facts["source"]))
    else:
        from speech_lstm.model.checkpoint import save_model

        save_model(forms[0][1], replace(model.model, detection=detection))
