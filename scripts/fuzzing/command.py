"""A command of the program, called in this process."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import BinaryIO
from unittest.mock import patch

from fuzzing.kind import Fault
from speech_lstm.cli import DEBUG, main
from speech_lstm.errors import SpeechLSTMError


def command(words: list[str], standard_input: BinaryIO | None = None) -> str:
    """What the command prints. Raises SpeechLSTMError for status 2 and one line, and Fault for anything else."""
    output, errors, status = io.StringIO(), io.StringIO(), 0
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(output))
        stack.enter_context(redirect_stderr(errors))
        stack.enter_context(patch.dict(os.environ, {DEBUG: "1"}))  # shows tracebacks
        if standard_input is not None:
            stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(standard_input)))
        try:
            main(words)
        except SystemExit as end:
            status = int(end.code or 0)
    return checked(status, output.getvalue(), errors.getvalue())


def checked(status: int, output: str, errors: str) -> str:
    """The output of a command that ended well; see `command`."""
    if status < 0 or status > 128:
        raise Fault("crash", f"status {status}", errors)
    lines = [line for line in errors.replace("\r", "\n").split("\n") if line]  # progress is drawn over itself
    for line in lines:
        if not line.isprintable():
            raise Fault("message", "not one printable line", errors)
        if fault := re.search(r"Traceback|\w+Warning", line):
            places = re.findall(r'speech_lstm/(\S+)", line \d+, in (\S+)', errors)
            raise Fault("traceback", ":".join([fault[0], *places[-1:][0]] if places else [fault[0]]), errors)
    if status == 0:
        return output
    if status != 2 or not lines or not lines[-1].startswith("speech-lstm"):
        raise Fault("traceback", f"status {status}", errors)
    raise SpeechLSTMError(lines[-1])
