"""What a kind of input is to the fuzzer, and what can come of a case."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from speech_lstm.recognition.prediction import Prediction

ROOT = Path(__file__).parents[2]
GOOD = ("answered", "refused")
FAULTS = ("traceback", "crash", "hang", "memory", "wrong", "message")
MEANINGS = {
    "answered": "the program gave an answer",
    "refused": "an error of the project, in one printable line",
    "traceback": "any other exception",
    "crash": "the process ended",
    "hang": "no end within the time limit",
    "memory": "more memory than the limit",
    "wrong": "an answer that is NaN or impossible, or something written outside the folder",
    "message": "a message with control characters or line breaks, too long, or from a library",
}
LONGEST_MESSAGE = 1000  # characters; a longer one is no line for people


@dataclass(frozen=True)
class Verdict:
    """What came of a case; the same fault has the same outcome and detail."""

    outcome: str
    detail: str = ""
    text: str = ""  # what was raised or printed

    @property
    def is_fault(self) -> bool:
        return self.outcome in FAULTS

    def same(self, other: Verdict) -> bool:
        return (self.outcome, self.detail) == (other.outcome, other.detail)


class Fault(Exception):
    """Something that must not happen and is no exception of the program."""

    def __init__(self, outcome: str, detail: str, text: str = "") -> None:
        super().__init__(outcome, detail, text)
        self.verdict = Verdict(outcome, detail, text)


class Kind(ABC):
    """A kind of input. A case is the content of one file, so that it can be kept, replayed and made shorter."""

    suffix: str  # of the file
    modules: tuple[str, ...] = ("speech_lstm.recognition.recognizer",)  # imported once for all processes

    @abstractmethod
    def case(self, random: Random) -> bytes:
        """The next input; the generator decides alone which one."""

    @abstractmethod
    def run(self, content: bytes, folder: Path) -> None:
        """Give the input to the program; raises what the program raises, and Fault. `folder` is empty before."""

    def bare(self, content: bytes) -> bytes:
        """The content without its packing or checksum: what is made shorter."""
        return content

    def packed(self, bare: bytes) -> bytes:
        """The content for what `bare` returns."""
        return bare


def check_message(text: str) -> None:
    """Raise Fault unless a message is one printable line."""
    if not text.isprintable() or len(text) > LONGEST_MESSAGE:
        raise Fault("message", "not one printable line", text)


def check_answers(answers: Iterable[Prediction]) -> None:
    """Raise Fault for an answer that is not a label with probabilities."""
    for answer in answers:
        values = [answer.probability, *answer.scores.values()]
        if not all(math.isfinite(value) and -1e-4 <= value <= 1 + 1e-4 for value in values):
            raise Fault("wrong", "probabilities that are none")
        if not 0.98 <= sum(answer.scores.values()) <= 1.02:
            raise Fault("wrong", "probabilities that do not add to 1")
        if answer.label not in answer.scores or not 0 <= answer.start <= answer.end:
            raise Fault("wrong", "a label or a time that is impossible")
        json.dumps(answer.fields("x"), allow_nan=False)
