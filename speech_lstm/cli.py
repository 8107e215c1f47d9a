"""The command line: runs a command, and turns whatever stops it into one line and an exit status.

Everything else is imported inside `main`, so that Ctrl-C ends in one line at any moment.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in typing, whose import takes longer than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from speech_lstm.errors import SpeechLSTMError

DEBUG = "SPEECH_LSTM_DEBUG"  # the variable that shows the traceback of an unexpected error


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 for success, 1 if the program or some of many files failed, 2 for wrong input."""
    try:
        status = run(argv)
    except KeyboardInterrupt as interruption:
        status = report_interruption(interruption)
    except Exception as error:
        status = report(error)
    sys.exit(status)


def run(argv: Sequence[str] | None) -> int:
    """Run a command; returns the exit status."""
    import io

    from speech_lstm.commands.parser import build_parser

    open_outputs()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot encode
    try:
        arguments = build_parser().parse_args(argv)
        status = arguments.run(arguments)
    except SystemExit as end:  # of argparse, after --help or for a wrong command line
        status = end.code
    sys.stdout.flush()
    return int(status or 0)


def open_outputs() -> None:
    """Connect the standard outputs that are closed to nothing, lest a file get their number and their text."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123  (it stays open)


def report_interruption(interruption: KeyboardInterrupt) -> int:
    """Say that the command was interrupted; returns the exit status."""
    from speech_lstm.errors import INTERRUPTED, print_line

    print_line("interrupted")
    discard_output()
    return getattr(interruption, "exit_status", INTERRUPTED)


def report(error: Exception) -> int:
    """Print one line about an error; returns the exit status."""
    from speech_lstm.errors import FAILED, print_error

    cause: BaseException | None = error
    while cause is not None:  # a library that is interrupted while it is imported may raise an error of its own
        if isinstance(cause, KeyboardInterrupt):
            return report_interruption(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, BrokenPipeError):  # the reader of our output went away, as `| head` does
        discard_output()
        return 0
    fault = fault_of(error)
    print_error(fault or unexpected(error))
    discard_output()
    return fault.exit_status if fault else FAILED


def fault_of(error: Exception) -> SpeechLSTMError | None:
    """The error as one of the user's input or of the system; None for an unexpected one."""
    from speech_lstm.errors import OutOfMemoryError, SpeechLSTMError, foreign, lacks_memory, missing_package
    from speech_lstm.files import OutputError, is_of_writing, reason

    if isinstance(error, SpeechLSTMError):
        return error
    if lacks_memory(error):
        return OutOfMemoryError("not enough memory; lower settings such as batch or hidden")
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error)
    if isinstance(error, OSError):
        if error.filename is not None:
            name, fault = foreign(os.fsdecode(error.filename)), (error.strerror or str(error)).lower()
            return SpeechLSTMError(f"{name}: {fault}; check the path, its permissions and its disk")
        if is_of_writing(error):
            return OutputError(f"cannot write the output: {reason(error)}")
    return None


def unexpected(error: Exception) -> str:
    """The message about an error that nobody foresaw; its traceback goes to a file, or is shown if DEBUG is set."""
    import tempfile
    import traceback

    from speech_lstm.errors import foreign, masked

    message = f"internal error ({type(error).__name__}: {foreign(error)})"
    trace = masked("".join(traceback.format_exception(error)))
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        print(trace, file=sys.stderr)
        return f"{message}; please report it"
    try:
        descriptor, path = tempfile.mkstemp(
            prefix="speech-lstm-error-", suffix=".txt"
        )  # which only the user can read
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError:
        return f"{message}; run it again with {DEBUG}=1 and please report what it shows"
    return f"{message}; please report it with the file {path}"


def discard_output() -> None:
    """Write what standard output still buffers; discard it if its reader or its disk accepts no more."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
