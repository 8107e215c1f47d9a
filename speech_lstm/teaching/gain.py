"""What a model gains by learning from the recordings that a user kept of its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.teaching.lesson import Lesson, Take, Taught, teach


@dataclass(frozen=True)
class Gain:
    """How many of the recordings were answered rightly, without learning from any and after learning from others."""

    takes: int  # further takes of the words
    takes_before: int  # of them, recognised
    takes_after: int
    others: int  # recordings of no command
    others_before: int  # of them, not taken for a command
    others_after: int


def measure_gain(lesson: Lesson, words: Mapping[str, list[Take]], others: list[Take], rate: float) -> Gain:
    """The gain of a lesson by further takes of its words and by recordings of no command.

    Each half of them is answered by a head that learnt the other half, so that no recording is answered by a head
    that has seen it. `rate` is that of `lesson.teach`.
    """
    before = rights(teach(lesson, rate), words, others)
    after = np.zeros(2, np.int64)
    for half in (0, 1):
        learnt = {word: [*takes, *words.get(word, [])[half::2]] for word, takes in lesson.words.items()}
        taught = teach(replace(lesson, words=learnt, others=[*lesson.others, *others[half::2]]), rate)
        after += rights(taught, {word: takes[1 - half :: 2] for word, takes in words.items()}, others[1 - half :: 2])
    count = sum(map(len, words.values()))
    return Gain(count, int(before[0]), int(after[0]), len(others), int(before[1]), int(after[1]))


def rights(taught: Taught, words: Mapping[str, list[Take]], others: list[Take]) -> np.ndarray:
    """How many takes are recognised, and how many others are taken for no command: int64 [2]."""

    def answer(take: Take) -> str:
        return taught.labels[int(taught.head.logits(take[:1])[0].argmax())]

    recognised = sum(answer(take) == word for word, takes in words.items() for take in takes)
    return np.array([recognised, sum(answer(take) in (UNKNOWN, SILENCE) for take in others)])
