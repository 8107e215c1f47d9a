"""A source and a detector for tests: blocks of silence, in which the detector finds commands by a script."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from speech_lstm.audio.devices import InputDevice
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.recognition.prediction import Prediction

LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)
BLOCK = np.zeros(1600, np.float32)


class SilentSource:
    """A source of `count` blocks; it loses blocks before those of `losses` and raises `end` after the last one."""

    def __init__(self, count: int, losses: tuple[int, ...] = (), end: BaseException | None = None) -> None:
        self.device = InputDevice(3, "USB [bold]Mikrofon[/] Gerät", 1, 44_100.0, True)
        self.count, self.losses, self.end = count, losses, end
        self.overruns = 0
        self.hint = ""
        self.entered = 0

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.entered -= 1

    def __iter__(self) -> Iterator[np.ndarray]:
        assert self.entered == 1
        for place in range(self.count):
            self.overruns += self.losses.count(place)
            yield BLOCK
        if self.end is not None:
            raise self.end


class ScriptedDetector:
    """Finds the commands of `script`, by the number of the block."""

    def __init__(self, script: dict[int, str], labels: tuple[str, ...] = LABELS) -> None:
        self.script = script
        self.scores = {label: 1.0 / (len(labels) - place) for place, label in enumerate(labels)}
        self.blocks = 0

    @property
    def seconds(self) -> float:
        return self.blocks * len(BLOCK) / SAMPLE_RATE

    def __call__(self, block: np.ndarray) -> list[Prediction]:
        self.blocks += 1
        if label := self.script.get(self.blocks):
            return [Prediction(label, 0.97, self.seconds - 0.5, self.seconds, self.scores)]
        return []

    def finish(self) -> list[Prediction]:
        return []
