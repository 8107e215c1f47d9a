"""What `listen` prints in a pipe, a file or a log: a line for each command."""

from __future__ import annotations

import select
import sys
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from speech_lstm.audio.inputs import Input
from speech_lstm.live.command_log import Command, Journal
from speech_lstm.live.listening import Hears
from speech_lstm.report.tables import counted


class Lines:
    """A line for each command on `file`, at once, and what else there is to say on standard error."""

    def __init__(self, source: Input, detector: Hears, file: TextIO | None = None) -> None:
        self.journal = Journal(source.device.name)
        self.source, self.detector, self.file = source, detector, file or sys.stdout
        self.lost = 0
        self.hint = ""

    def __enter__(self) -> Self:
        print(f"listening to {self.journal.source}; Ctrl-C ends", file=sys.stderr, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not BrokenPipeError and self.detector.seconds:
            summary = self.journal.summary(self.detector.seconds, self.source.overruns)
            print(summary, file=sys.stderr, flush=True)

    def command(self, command: Command) -> None:
        print(self.line(command), file=self.file, flush=True)

    def line(self, command: Command) -> str:
        """Such as `  12.3 s  yes  0.97  2026-11-25 21:40:59`."""
        found = command.found
        return f"{found.start:6.1f} s  {found.label}  {found.probability:.2f}  {command.said:%Y-%m-%d %H:%M:%S}"

    def note(self, text: str) -> None:
        print(f"{self.detector.seconds:6.1f} s  {text}", file=sys.stderr, flush=True)

    def hear(self, block: np.ndarray) -> None:
        if self.source.overruns > self.lost:
            self.lost = self.source.overruns
            self.note(f"{counted(self.lost, 'block')} lost so far: this machine is too slow")
        if self.source.hint != self.hint:
            self.hint = self.source.hint
            self.note(self.hint or "the input is fine again")
        if reader_left(self.file):
            raise BrokenPipeError


class JsonLines(Lines):
    """The same, each command as a line of JSON."""

    def line(self, command: Command) -> str:
        return command.json()


def reader_left(file: TextIO) -> bool:
    """Whether `file` is a pipe or a socket whose other end was closed: writing would tell, but later."""
    if not hasattr(select, "poll"):  # Windows
        return False
    try:
        poll = select.poll()
        poll.register(file, 0)  # of no event but the errors, which are always told
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # no file of the system
        return False
