"""Write a model as an ONNX file, or as C for microcontrollers."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.commands.flags import add_model_argument, add_plugin_flag, load_plugins
from speech_lstm.errors import ConfigError, printable, require
from speech_lstm.files import OutputError

EXAMPLE = "export runs/first/best.safetensors --out words.onnx --int8"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_argument(parser)
    parser.add_argument("--format", default="onnx", choices=("onnx",), help="format of the file (%(default)s)")
    parser.add_argument("--int8", action="store_true", help="store each weight in 8 bits: a quarter of the size")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file (MODEL.onnx or MODEL.int8.onnx)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="also compare the accuracy on this corpus's testing split"
    )
    parser.add_argument(
        "--streaming",
        action="store_true",
        help="also write FILE.stream.onnx, which runs frame by frame; for a network that reads in one direction",
    )
    parser.add_argument(
        "--c",
        type=Path,
        metavar="DIR",
        help="write C in integers into this new folder instead; for a network that reads in one direction",
    )
    add_plugin_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.c is not None:
        return run_c(arguments)
    require("onnx")  # first, as its extra includes torch
    load_plugins(arguments)
    from speech_lstm.export.files import export
    from speech_lstm.model.bundled import find_model
    from speech_lstm.model.checkpoint import load_model
    from speech_lstm.recognition.recognizer import one_thread

    if arguments.out and not arguments.out.parent.is_dir():
        raise OutputError(f"{arguments.out}: there is no folder {printable(arguments.out.parent)}; make it first")
    one_thread()
    model = load_model(find_model(arguments.model, ".safetensors"))
    out = arguments.out or Path(arguments.model).with_suffix(".int8.onnx" if arguments.int8 else ".onnx")
    print(export(model, out, arguments.int8, arguments.streaming, arguments.data))
    return 0


def run_c(arguments: argparse.Namespace) -> int:
    if arguments.out or arguments.int8 or arguments.streaming:
        raise ConfigError("--c writes C alone; leave out --out, --int8 and --streaming")
    require("torch")
    load_plugins(arguments)
    from speech_lstm.export.c.files import export_c
    from speech_lstm.model.bundled import find_model
    from speech_lstm.model.checkpoint import load_model
    from speech_lstm.recognition.recognizer import one_thread

    one_thread()
    print(export_c(load_model(find_model(arguments.model, ".safetensors")), arguments.c, arguments.data))
    return 0
