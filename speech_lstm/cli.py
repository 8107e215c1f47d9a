"""The command line: it finds the command, runs it, and says what every one of them does with a fault."""

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
    """The parser of `speech-lstm`; `run` in what it gives is the function of the command."""
    parser = Parser(prog="speech-lstm", description="Spoken commands, recognised by an LSTM.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in commands.NAMES:
        command = import_module(f"speech_lstm.commands.{name.replace('-', '_')}")
        sub = subparsers.add_parser(name, help=command.HELP)
        command.add_flags(sub)
        sub.set_defaults(run=command.run)
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
    except ModuleNotFoundError as error:
        if (fault := missing_package(error)) is None:
            raise
        print(f"speech-lstm: {fault}", file=sys.stderr)
        status = fault.exit_status
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
