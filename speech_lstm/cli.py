"""The command line: parses the arguments, runs the command and turns errors into messages and exit statuses."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from speech_lstm import commands
from speech_lstm.commands.flags import Parser
from speech_lstm.errors import INTERRUPTED, SpeechLSTMError, missing_package


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


def discard_stdout() -> None:
    """Discard what standard output still buffers: its reader or its disk accepts no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 for success, 1 if the program or some of many files failed, 2 for wrong input."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot encode
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
    except ModuleNotFoundError as error:
        if (fault := missing_package(error)) is None:
            raise
        print(f"speech-lstm: {fault}", file=sys.stderr)
        status = fault.exit_status
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        discard_stdout()
        status = 0
    except MemoryError:
        print("speech-lstm: not enough memory; lower settings such as batch or hidden", file=sys.stderr)
        status = 2
    except OSError as error:
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise
        print("speech-lstm: cannot write the output: no space left on device; free some disk space", file=sys.stderr)
        discard_stdout()
        status = 2
    sys.exit(status)
