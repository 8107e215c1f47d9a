"""The loop of `listen`: blocks go from a source to the detector, its commands to the display and to the actions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from speech_lstm.audio.inputs import Input
from speech_lstm.live.command_log import Command, CommandLog
from speech_lstm.recognition.prediction import Prediction

POLL_SECONDS = 0.05  # from look to look at the actions that still run when the stream has ended


class DetectorLike(Protocol):
    """What listening needs of a detector."""

    @property
    def scores(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...
    def __call__(self, block: np.ndarray) -> Sequence[Prediction]: ...
    def finish(self) -> Sequence[Prediction]: ...


class Display(AbstractContextManager[Any], Protocol):
    """Where the user sees the commands; it is open while listening, and closing it prints a summary."""

    log: CommandLog

    def command(self, command: Command) -> None:
        """Show a command."""
        ...

    def note(self, text: str) -> None:
        """Show a line from an action."""
        ...

    def update(self, block: np.ndarray) -> None:
        """Show the state after a block, 1-D float32 at 16 kHz, whose commands and notes have been shown."""
        ...


class Action(AbstractContextManager[Any], Protocol):
    """What happens on a command; it is ready inside a with block. A call returns at once.

    A subclass has nothing to end, and nothing that runs on, unless it says so itself.
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None  # mypy takes `pass` for an abstract method

    def __call__(self, command: Command) -> None: ...
    def notes(self) -> list[str]:
        """Lines for the user since the last call."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something that it started still runs."""
        return False


def listen(source: Input, detector: DetectorLike, display: Display, actions: Sequence[Action] = ()) -> None:
    """Open `source` and pass on what `detector` recognises in it, until Ctrl-C or the end of its blocks.

    At the end of the blocks, it waits for what the actions started; Ctrl-C ends that as well. Raises what the source
    and the actions raise where they cannot be opened or break: MicrophoneError, ActionError; BrokenPipeError where
    nobody reads what the display prints.
    """

    def pass_on(predictions: Sequence[Prediction]) -> None:
        for prediction in predictions:
            command = display.log.add(prediction, detector.seconds)
            display.command(command)
            for action in actions:
                action(command)

    def show_notes() -> None:
        for action in actions:
            for note in action.notes():
                display.note(note)

    try:
        with ExitStack() as stack:
            for part in (*actions, source, display):
                stack.enter_context(part)
            stack.callback(show_notes)  # the last ones, before the display is closed
            for block in source:
                pass_on(detector(block))
                show_notes()
                display.update(block)
            pass_on(detector.finish())
            while any(action.busy for action in actions):
                show_notes()
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        pass  # the way to end it
