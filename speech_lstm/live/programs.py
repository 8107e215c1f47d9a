"""Programs that are run when a word is heard."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from types import TracebackType
from typing import Self

from speech_lstm.errors import ActionError
from speech_lstm.files import reason
from speech_lstm.live.command_log import Command

EVERY_SECONDS = 1.0  # between the starts of one program
LONGEST_LINE = 1000  # bytes; a program's line is cut there
END_SECONDS = 1.0  # that a program has to end when asked to, before it is killed
POLL_SECONDS = 0.02


class Program:
    """Runs `command` when `word` is heard, in no shell unless `shell`.

    It runs beside the listening, with SPEECH_LSTM_WORD, SPEECH_LSTM_PROBABILITY and SPEECH_LSTM_START (seconds)
    in its environment and nothing on its standard input; what it prints become notes. While it runs, and for
    `every` seconds of the stream after it was last started, it is not started again. It runs until it has
    ended and so has everything that still holds its output; leaving the with block ends all of that.
    Raises ActionError where there is no such program.
    """

    def __init__(self, word: str, command: str, shell: bool = False, every: float = EVERY_SECONDS) -> None:
        self.word, self.every = word, every
        self.arguments = ["/bin/sh", "-c", command] if shell else split(word, command)
        self.name = "the command" if shell else os.path.basename(self.arguments[0])  # noqa: PTH119
        self.process: subprocess.Popen[bytes] | None = None
        self.started = -float("inf")  # seconds of the stream
        self.output = b""  # the line that has no end yet
        self.said: list[str] = []

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
        found = command.found
        if found.label != self.word:
            return
        self.collect()  # it may have ended since
        if self.busy:
            self.say(f"{self.name} is still running and is not started again")
        elif found.start - self.started < self.every:
            self.say(f"{self.name} is not started again within {self.every:g} s")
        else:
            self.started = found.start
            self.start(command)

    def start(self, command: Command) -> None:
        """Start the program."""
        facts = {
            "SPEECH_LSTM_WORD": command.found.label,
            "SPEECH_LSTM_PROBABILITY": f"{command.found.probability:.4f}",
            "SPEECH_LSTM_START": f"{command.found.start:.3f}",
        }
        try:
            self.process = subprocess.Popen(
                self.arguments,
                env=os.environ | facts,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; and a group of its own, to end it with all that it began
            )
        except OSError as error:
            self.say(f"{self.name} does not start: {reason(error)}")
        else:
            os.set_blocking(self.process.stdout.fileno(), False)  # type: ignore[union-attr]

    def notes(self) -> list[str]:
        """What it printed, and how it failed, since this was last asked."""
        self.collect()
        said, self.said = self.said, []
        return said

    def collect(self) -> None:
        """Take in what the program printed and whether it ended; it is not waited for."""
        if self.process is None or not self.read(self.process.stdout.fileno()):  # type: ignore[union-attr]
            return
        status = self.process.poll()
        if status is None:
            return
        self.process.stdout.close()  # type: ignore[union-attr]
        self.process = None
        if status < 0:
            self.say(f"{self.name} was ended by signal {-status} ({signal.strsignal(-status)})")
        elif status:
            self.say(f"{self.name} failed with exit status {status}")

    def read(self, output: int) -> bool:
        """Read what there is; returns whether that was the last."""
        try:
            part = os.read(output, 1 << 16)
        except BlockingIOError:
            return False
        *lines, self.output = (self.output + part).split(b"\n")
        if len(self.output) > LONGEST_LINE or (not part and self.output):
            lines, self.output = [*lines, self.output], b""
        for line in lines:
            if text := shown(line[:LONGEST_LINE]):
                self.say(text)
        return not part

    def say(self, text: str) -> None:
        self.said.append(f"{self.word}: {text}")

    def end(self) -> None:
        """End the program and what it began."""
        try:
            self.signal(signal.SIGTERM)
            end = time.monotonic() + END_SECONDS
            while self.busy and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
                self.collect()
        finally:
            if self.process is not None:
                self.signal(signal.SIGKILL)
                self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """To the program's whole group, which has its number as long as the program was not waited for."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter: macOS, of a group of zombies
            os.killpg(self.process.pid, number)


def split(word: str, command: str) -> list[str]:
    """The program and its arguments, divided as a shell divides them; raises ActionError."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise ActionError(f"--on {word}: {command!r} can't be divided into words ({error}); see its quotes") from None
    if not arguments:
        raise ActionError(f"--on {word}: the command is empty; give a program and its arguments")
    if shutil.which(arguments[0]) is None:
        found = "is no program that can be run" if os.path.exists(arguments[0]) else "is not there"  # noqa: PTH110
        raise ActionError(
            f"--on {word}: the program {arguments[0]!r} {found}; see its name, its path and its permissions, "
            "or give --shell for a command of the shell"
        )
    return arguments


def shown(line: bytes) -> str:
    """A program's line without what would move a terminal's cursor."""
    text = line.decode(errors="replace").expandtabs()
    return "".join(letter for letter in text if letter.isprintable()).strip()
