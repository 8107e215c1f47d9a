"""The inputs of `scripts/soak.py` that are lost again and again while they are listened to, and come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

ROOT = Path(__file__).parents[1]
PLAYER = ["pacat", "--playback", "--device=virtual_mic", "--format=s16le", "--rate=16000", "--channels=1"]
ABSENT_SECONDS = 4.0  # from a loss to the return

Speak = Callable[[], subprocess.Popen[bytes]]  # starts a process that writes words in real time, raw


class LossyInput(AbstractContextManager[Any], Protocol):
    """An input inside a with block: the flags that listen to it, and how it goes and comes."""

    flags: list[str]
    environment: Mapping[str, str]
    stdin: IO[bytes] | None

    def lose(self, number: int) -> None: ...
    def restore(self, number: int) -> None: ...


class ServerSource:
    """A source of a private sound server, "" for the default one: the server is killed, and hangs, in turn."""

    stdin = None

    def __init__(self, device: str, speak: Speak) -> None:
        self.flags, self.speak = ["--device", device], speak
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        sys.path.insert(0, str(ROOT / "tests"))
        from support.virtual_microphone import VirtualMicrophone

        self.virtual = self.stack.enter_context(VirtualMicrophone())
        self.environment = self.virtual.environment
        self.play()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.virtual.go_on()
        self.end_playing()
        self.stack.close()

    def play(self) -> None:
        self.speaker = self.speak()
        self.player = subprocess.Popen(
            PLAYER,
            env=self.environment,
            stdin=self.speaker.stdout,
            stderr=subprocess.DEVNULL,  # it complains about each loss
        )

    def end_playing(self) -> None:
        for process in (self.player, self.speaker):
            process.kill()
            process.wait()

    def lose(self, number: int) -> None:
        if number % 2:
            self.virtual.stop()
        else:
            self.virtual.kill()
            self.end_playing()

    def restore(self, number: int) -> None:
        if number % 2:
            self.virtual.go_on()
        else:
            self.virtual.start()
            self.play()


class Pipe:
    """Standard input, whose sender stops for a while."""

    flags: list[str] = []  # noqa: RUF012
    environment: Mapping[str, str] = os.environ

    def __init__(self, speak: Speak) -> None:
        self.speak = speak

    def __enter__(self) -> Self:
        self.speaker = self.speak()
        self.stdin = self.speaker.stdout
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.speaker.kill()
        self.speaker.wait()

    def lose(self, number: int) -> None:
        self.speaker.send_signal(signal.SIGSTOP)

    def restore(self, number: int) -> None:
        self.speaker.send_signal(signal.SIGCONT)


class PlayedFile:
    """A recording that is played, and whose file is removed for a while."""

    environment: Mapping[str, str] = os.environ
    stdin = None

    def __init__(self, write: Callable[[Path], None]) -> None:
        self.write = write

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "words.wav")
        self.write(self.path)
        self.flags = ["--input", str(self.path)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.folder.cleanup()

    def lose(self, number: int) -> None:
        self.path.rename(self.path.with_suffix(".gone"))

    def restore(self, number: int) -> None:
        self.path.with_suffix(".gone").rename(self.path)


def lose_and_restore(source: LossyInput, seconds: float, losses: int, ended: Callable[[], bool]) -> int:
    """Lose the input `losses` times in `seconds`, evenly, unless `ended`; returns how often it was."""
    start = time.monotonic()
    for number in range(losses):
        wait_until(start + (number + 1) * seconds / (losses + 1) - ABSENT_SECONDS, ended)
        if ended():
            return number
        source.lose(number)
        wait_until(time.monotonic() + ABSENT_SECONDS, ended)
        source.restore(number)
    return losses


def wait_until(moment: float, ended: Callable[[], bool]) -> None:
    while time.monotonic() < moment and not ended():
        time.sleep(0.1)
