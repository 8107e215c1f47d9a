"""What `listen` prints in a pipe, a file or a log: a line for each command."""

from __future__ import annotations

import select
import sys
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from speech_lstm.audio.inputs import Input
from speech_lstm.errors import printable
from speech_lstm.live.command_log import Command, CommandLog
from speech_lstm.live.listening import DetectorLike
from speech_lstm.live.near_misses import NearMiss
from speech_lstm.report.tables import quantity


class Lines:
    """Prints each command at once as a line on `file`, by default standard output; all else on standard error.

    Nothing is printed on a standard output that was closed at the start.
    """

    def __init__(self, source: Input, detector: DetectorLike, file: TextIO | None = None) -> None:
        self.log = CommandLog(source.device.name)
        self.source, self.detector = source, detector
        self.file: TextIO | None = file or sys.stdout
        self.overruns = 0
        self.hint = ""

    def __enter__(self) -> Self:
        tell(f"listening to {self.log.source}; Ctrl-C ends")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not BrokenPipeError and self.detector.seconds:
            tell(self.log.summary(self.detector.seconds, self.source.overruns))

    def command(self, command: Command) -> None:
        print(self.line(command), file=self.file, flush=True)

    def line(self, command: Command) -> str:
        """Such as `  12.3 s  yes  0.97  2026-11-25 21:40:59`."""
        prediction = command.prediction
        time = f"{command.time:%Y-%m-%d %H:%M:%S}"
        return f"{prediction.start:6.1f} s  {prediction.label}  {prediction.probability:.2f}  {time}"

    def note(self, text: str) -> None:
        tell(f"{self.detector.seconds:6.1f} s  {text}")

    def update(self, block: np.ndarray) -> None:
        if self.source.overruns > self.overruns:
            self.overruns = self.source.overruns
            self.note(f"{quantity(self.overruns, 'block')} lost so far: this machine is too slow")
        if self.source.hint != self.hint:
            self.hint = self.source.hint
            self.note(self.hint or "the input is fine again")
        if is_closed_by_reader(self.file):
            raise BrokenPipeError


class JsonLines(Lines):
    """Prints each command as a line of JSON, and each near miss that it is given."""

    def line(self, command: Command) -> str:
        return command.json()

    def near(self, miss: NearMiss) -> None:
        print(miss.json(self.log.source), file=self.file, flush=True)


def tell(line: str) -> None:
    """Print a line on standard error. Where it is closed, or its disk is full, listening goes on without."""
    if sys.stderr is None:  # `print` would choose standard output
        return
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        pass


def is_closed_by_reader(file: TextIO | None) -> bool:
    """Whether `file` is a pipe or a socket whose other end is closed, which otherwise only the next write reveals."""
    if file is None or not hasattr(select, "poll"):  # it was closed at the start; Windows
        return False
    try:
        poll = select.poll()
        poll.register(file, 0)  # errors are always reported
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # not a file of the system
        return False
