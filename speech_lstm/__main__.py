"""`python -m speech_lstm` and `speech-lstm`: the process around `cli.main`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # see cli
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """A signal that ends the program as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = 128 + number


def start() -> NoReturn:
    """Run the command line as this process: a signal ends it in at most one line, whenever it comes."""
    try:
        run()
    except KeyboardInterrupt as interruption:  # before `main` begins, or a second one while it reports the first
        os._exit(getattr(interruption, "exit_status", 130))


def run() -> NoReturn:
    """Run the command line with its signals."""
    sys.unraisablehook = repeat_interruption
    import signal

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # as after nohup
    for number in numbers:
        signal.signal(number, terminate)
    try:
        from speech_lstm.cli import main

        main()
    finally:  # the interpreter ends, which takes a moment; all files are closed
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            numbers.append(signal.SIGINT)
        for number in numbers:
            signal.signal(number, leave)


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End the command as Ctrl-C does, so that it removes its temporary files."""
    raise Terminated(number)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """End the process without a word."""
    os._exit(128 + number)


def repeat_interruption(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt once more where Python can only print the interruption, as in the end of an object."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        import _thread
        import threading

        threading.Timer(0.01, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)


if __name__ == "__main__":
    start()
