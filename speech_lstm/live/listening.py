"""The loop of `listen`: blocks go from a source to the detector, what it finds to the display and to the actions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

import numpy as np

from speech_lstm.audio.inputs import Input
from speech_lstm.live.command_log import Command, Journal
from speech_lstm.recognition.prediction import Prediction

WAIT_SECONDS = 0.05  # from look to look at what is still running when the stream has ended


class Hears(Protocol):
    """What listening needs of a detector."""

    @property
    def scores(self) -> Mapping[str, float]: ...
    @property
    def seconds(self) -> float: ...
    def __call__(self, block: np.ndarray) -> Sequence[Prediction]: ...
    def finish(self) -> Sequence[Prediction]: ...


class Display(AbstractContextManager[Any], Protocol):
    """Where the user sees what is heard; it is open while listening and says a last word when it is closed."""

    journal: Journal

    def command(self, command: Command) -> None:
        """Show a command."""
        ...

    def note(self, text: str) -> None:
        """Show a line from an action."""
        ...

    def hear(self, block: np.ndarray) -> None:
        """A block, 1-D float32 at 16 kHz, was heard, and what it brought was shown."""
        ...


class Action(AbstractContextManager[Any], Protocol):
    """What is to happen when a command is heard; it is ready in a with block. It returns at once."""

    def __call__(self, command: Command) -> None: ...
    def notes(self) -> list[str]:
        """What there is to tell the user since this was last asked."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something that it began goes on."""
        ...


def listen(source: Input, detector: Hears, display: Display, actions: Sequence[Action] = ()) -> None:
    """Open `source` and hand on what `detector` finds in it until Ctrl-C or the end of its blocks.

    When the blocks end, what the actions began is waited for; at Ctrl-C it is ended. Raises what the source and
    the actions raise where they can't be opened or break: MicrophoneError, ActionError; BrokenPipeError where
    nobody reads what the display prints.
    """

    def hand_on(found: Sequence[Prediction]) -> None:
        for prediction in found:
            command = display.journal.add(prediction, detector.seconds)
            display.command(command)
            for action in actions:
                action(command)

    def tell() -> None:
        for action in actions:
            for note in action.notes():
                display.note(note)

    try:
        with ExitStack() as stack:
            for part in (*actions, source, display):
                stack.enter_context(part)
            stack.callback(tell)  # what the actions have to say at the end, before the display is closed
            for block in source:
                hand_on(detector(block))
                tell()
                display.hear(block)
            hand_on(detector.finish())
            while any(action.busy for action in actions):
                tell()
                time.sleep(WAIT_SECONDS)
    except KeyboardInterrupt:
        pass  # the way to end it
