"""The parser of the command line."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from speech_lstm import commands
from speech_lstm.errors import masked, printable


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, and takes no empty path: it would mean the current folder."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.register("type", Path, path)

    def error(self, message: str) -> NoReturn:
        line = printable(masked(message), 500)
        self.exit(2, f"{self.prog}: {line}; see {self.prog} --help\n")


def path(text: str) -> Path:
    """`text` as a path; raises ArgumentTypeError for the empty one."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; name a file or a folder")
    return Path(text)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `speech-lstm`. In the namespace it returns, `run` is the function of the chosen command."""
    parser = Parser(prog="speech-lstm", description="Recognise spoken commands with recurrent networks.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in commands.NAMES:
        command = import_module(f"speech_lstm.commands.{name.replace('-', '_')}")
        sub = subparsers.add_parser(name, help=summary(command.__doc__))
        command.add_flags(sub)
        sub.set_defaults(run=command.run)
    return parser


def summary(docstring: str | None) -> str:
    """The first line of a docstring in the style of argparse: lower case, no full stop."""
    line = (docstring or "").partition("\n")[0].removesuffix(".")
    return line[:1].lower() + line[1:]
