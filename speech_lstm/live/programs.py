"""Programs that run on a word."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
import signal
import subprocess
import time
from types import TracebackType
from typing import Self

from speech_lstm.errors import ActionError, printable
from speech_lstm.files import reason
from speech_lstm.live.command_log import Command
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.report.tables import quantity

EVERY_SECONDS = 1.0  # between the starts of one program
LONGEST_LINE = 1000  # bytes; a program's line is cut there
MOST_LINES = 10  # of a program that are shown in WINDOW_SECONDS
WINDOW_SECONDS = 1.0
WINDOWS = os.name == "nt"
END_SECONDS = 1.0  # from SIGTERM to SIGKILL
BLANK = b"\0\t\n\v\f\r "  # bytes that are dropped at the ends of a line
POLL_SECONDS = 0.02  # from look to look whether it has ended


class Program:
    """Runs `command` on `word`, without a shell unless `shell`.

    The program runs in parallel with the listening, with SPEECH_LSTM_WORD, SPEECH_LSTM_PROBABILITY and
    SPEECH_LSTM_START (seconds) in its environment and nothing on its standard input; each line it prints becomes a
    note, or of a flood an excerpt. While it runs, and for `every` seconds of the stream after its last start, it is
    not started again. It counts as running until it and every other process that holds its output have ended; leaving
    the with block ends them. Raises ActionError where there is no such program.
    """

    def __init__(self, word: str, command: str, shell: bool = False, every: float = EVERY_SECONDS) -> None:
        self.word, self.every = word, every
        if not hasattr(os, "set_blocking"):
            raise ActionError("--on needs Python 3.12 or newer on Windows")
        self.arguments = [*shell_of_the_system(), command] if shell else split_command(word, command)
        self.name = "the command" if shell else printable(os.path.basename(self.arguments[0]))  # noqa: PTH119
        self.process: subprocess.Popen[bytes] | None = None
        self.last_start = -float("inf")  # seconds of the stream
        self.output = b""  # the line that has no end yet
        self.excerpt = Excerpt()
        self.pending: list[str] = []  # notes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.busy:
            self.end()

    @property
    def busy(self) -> bool:
        """Whether it runs."""
        return self.process is not None

    def __call__(self, command: Command) -> None:
        prediction = command.prediction
        if prediction.label != self.word:
            return
        self.collect()  # it may have ended since
        if self.busy:
            self.add_note(f"{self.name} is still running and is not started again")
        elif prediction.start - self.last_start < self.every:
            self.add_note(f"{self.name} is not started again within {self.every:g} s")
        else:
            self.last_start = prediction.start
            self.start(prediction)

    def start(self, prediction: Prediction) -> None:
        """Start the program."""
        variables = {
            "SPEECH_LSTM_WORD": prediction.label,
            "SPEECH_LSTM_PROBABILITY": f"{prediction.probability:.4f}",
            "SPEECH_LSTM_START": f"{prediction.start:.3f}",
        }
        try:
            self.process = subprocess.Popen(
                self.arguments,
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C does not reach it, and its group ends with all that it started
            )
        except OSError as error:
            self.add_note(f"{self.name} does not start: {reason(error)}")
        else:
            os.set_blocking(self.process.stdout.fileno(), False)  # type: ignore[union-attr]

    def notes(self) -> list[str]:
        """What the program printed, and how it failed, since the last call."""
        self.collect()
        notes, self.pending = self.pending, []
        return notes

    def collect(self) -> None:
        """Take in what the program printed and whether it ended, without waiting."""
        if self.process is None:
            return
        ended = self.read(self.process.stdout.fileno())  # type: ignore[union-attr]
        status = self.process.poll() if ended else None
        for line in self.excerpt.lines(status is not None):
            self.add_note(line)
        if status is None:
            return
        self.process.stdout.close()  # type: ignore[union-attr]
        self.process = None
        if status < 0:
            self.add_note(f"{self.name} was ended by signal {-status} ({signal.strsignal(-status)})")
        elif status:
            self.add_note(f"{self.name} failed with exit status {status}")

    def read(self, output: int) -> bool:
        """Read what the pipe holds; returns whether that was the end."""
        try:
            part = os.read(output, 1 << 16)
        except BlockingIOError:
            return False
        lines, _, self.output = (self.output + part).rpartition(b"\n")
        if len(self.output) > LONGEST_LINE or not part:
            lines, self.output = lines + b"\n" + self.output, b""
        self.excerpt.add(lines)
        return not part

    def add_note(self, text: str) -> None:
        self.pending.append(f"{self.word}: {text}")

    def end(self) -> None:
        """End the program and what it started."""
        try:
            self.signal(signal.SIGTERM)
            deadline = time.monotonic() + END_SECONDS
            while self.busy and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                self.collect()
        finally:
            if self.process is not None:
                self.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Signal the program's whole group, whose number stays its own until the program is reaped.

        Windows has neither groups nor signals: there the program alone is ended, at once.
        """
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter on macOS, for a group of zombies
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.terminate()


def shell_of_the_system() -> list[str]:
    """The shell that runs the command after it."""
    return [os.environ.get("COMSPEC", "cmd.exe"), "/c"] if WINDOWS else ["/bin/sh", "-c"]


def split_command(word: str, command: str) -> list[str]:
    """The program and its arguments, split as a shell splits them; raises ActionError."""
    word = printable(word)
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise ActionError(f"--on {word}: cannot split {command!r} into words ({error}); check its quotes") from None
    if not arguments:
        raise ActionError(f"--on {word}: the command is empty; give a program and its arguments")
    if shutil.which(arguments[0]) is None:
        fault = "is not executable" if os.path.exists(arguments[0]) else "does not exist"  # noqa: PTH110
        raise ActionError(
            f"--on {word}: the program {arguments[0]!r} {fault}; check its name, path and permissions, "
            "or pass --shell for a shell command"
        )
    return arguments


class Excerpt:
    """The first MOST_LINES that a program prints in WINDOW_SECONDS, then how many more there were, and the last one.

    What is not shown is counted, not split and decoded: a program that prints without end costs next to nothing.
    """

    def __init__(self) -> None:
        self.window = -math.inf  # when it began, of the monotonic clock
        self.shown = self.skipped = 0  # lines in the window
        self.last = b""  # of the skipped ones
        self.waiting: list[str] = []

    def add(self, lines: bytes) -> None:
        """Take in lines, separated by line breaks."""
        self.turn()
        while (lines := lines.strip(BLANK)) and self.shown < MOST_LINES:
            line, _, lines = lines.partition(b"\n")
            self.waiting.append(text_of(line))
            self.shown += 1
        if lines:
            self.skipped += lines.count(b"\n") + 1
            self.last = lines.rpartition(b"\n")[2]

    def lines(self, ended: bool) -> list[str]:
        """The lines to show since the last call; `ended` if there will be no more."""
        self.turn(ended)
        lines, self.waiting = self.waiting, []
        return lines

    def turn(self, ended: bool = False) -> None:
        """Begin the next window if this one is over."""
        if not ended and time.monotonic() - self.window < WINDOW_SECONDS:
            return
        if self.skipped:
            self.waiting.append(f"{quantity(self.skipped, 'more line')}, the last: {text_of(self.last)}")
        self.window, self.shown, self.skipped = time.monotonic(), 0, 0


def text_of(line: bytes) -> str:
    """A program's line for people, cut at LONGEST_LINE."""
    return printable(line[:LONGEST_LINE].strip(BLANK).decode(errors="replace").expandtabs())
