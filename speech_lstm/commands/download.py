"""Download Speech Commands, verify it and unpack it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from speech_lstm.errors import printable

EXAMPLE = "download --data data"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--version",
        default="v0.02",
        choices=("v0.02", "v0.01", "test-v0.02"),
        help="the archive; test-v0.02 is the official test set of the 12-class task (%(default)s)",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=Path("data"), help="folder to unpack it into (%(default)s)"
    )
    parser.add_argument("--url", help="another address of the same archive")
    parser.add_argument("--sha256", help="SHA-256 of your own archive at --url")


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.corpus.archive import download

    folder = download(arguments.version, arguments.data, arguments.url, arguments.sha256)
    data = printable(shlex.quote(str(folder)))
    if arguments.version.startswith("test"):
        print(f"next: speech-lstm evaluate MODEL --data {data}, with a model of the 12-class task")
    else:
        print(f"next: speech-lstm train --data {data} --labels 12 --out runs/first")
    return 0
