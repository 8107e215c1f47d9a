"""Near misses: words whose score came near to a command's, and of which none became one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, commands_of
from speech_lstm.files import to_json
from speech_lstm.live.command_log import Command
from speech_lstm.live.listening import Action

OVER = 0.5  # of the least score; a word that fell below it is over


class ListeningDetector(Protocol):
    """What is watched of a detector."""

    recent: NDArray[np.float32]  # its last samples

    @property
    def scores(self) -> dict[str, float]: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class NearMiss:
    """The moment at which a word that was no command had its highest score."""

    word: str
    scores: dict[str, float]  # label → smoothed probability
    clip: NDArray[np.float32]  # the last second until then, float32 [CLIP_SAMPLES]
    seconds: float  # of the stream
    time: datetime

    @property
    def score(self) -> float:
        return self.scores[self.word]

    def json(self, source: str) -> str:
        """A line of JSON, which has no `label`: it is no command."""
        fields = {"file": source, "end": self.seconds, "nearly": self.word, "probability": self.score}
        return to_json(fields | {"scores": self.scores, "time": self.time.isoformat(timespec="milliseconds")})


class NearMissWatch(Action):
    """An action of `listen`: looks at the scores after each block, and passes near misses on once they are over."""

    def __init__(
        self, detector: ListeningDetector, nearly: float, receivers: Sequence[Callable[[NearMiss], None]]
    ) -> None:
        """A word comes near with the score `nearly`."""
        self.detector, self.nearly, self.receivers = detector, nearly, receivers
        self.best: NearMiss | None = None  # what may become a near miss, at its highest score
        self.is_command = False  # what is said now is a command, whose score may still rise

    def __call__(self, command: Command) -> None:
        self.best, self.is_command = None, True

    def notes(self) -> list[str]:
        """Nothing to tell the user; called after each block."""
        self.look()
        return []

    def look(self) -> None:
        """Take note of a word that scores nearly enough, and pass on the best of it when it is over."""
        scores = self.detector.scores
        word = max(commands_of(scores), key=scores.__getitem__)
        if scores[word] < OVER * self.nearly:
            best, self.best, self.is_command = self.best, None, False
            if best is not None:
                for receive in self.receivers:
                    receive(best)
        elif scores[word] >= max(self.nearly, self.best.score if self.best else 0) and not self.is_command:
            clip, now = self.detector.recent[-CLIP_SAMPLES:], datetime.now().astimezone()
            self.best = NearMiss(word, scores, clip, self.detector.seconds, now)
