"""The task that a corpus is used for: its labels, and the label of each recording."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from speech_lstm.config import COMMANDS_10, SILENCE, UNKNOWN, commands_of
from speech_lstm.corpus.speech_commands import Clip, Corpus, listing
from speech_lstm.errors import ConfigError

RULE_PERCENT = 10  # _unknown_ and _silence_ in the standard task: percent of the command recordings, rounded up


@dataclass(frozen=True)
class Task:
    """The labels of a model, and how a spoken word becomes one of them."""

    labels: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        return commands_of(self.labels)

    def label_of(self, clip: Clip) -> str | None:
        """The label of a recording; None if the task does not use it."""
        if clip.folder in self.labels:
            return clip.folder
        return UNKNOWN if UNKNOWN in self.labels and clip.folder != SILENCE else None


def task_of(labels: str, corpus: Corpus) -> Task:
    """The task of the `labels` setting: 35, 12 or a list of words; raises ConfigError for an invalid list."""
    if labels == "35" and corpus.words:
        return Task(corpus.words)
    words = COMMANDS_10 if labels == "12" else tuple(word.strip() for word in labels.split(","))
    words = commands_of(words)
    if not words or not all(words):
        raise ConfigError(f"labels {labels!r}: give 35, 12 or words separated by commas, such as yes,no,stop")
    if repeated := [word for word, count in Counter(words).items() if count > 1]:
        raise ConfigError(f"labels name {repeated[0]!r} twice")
    if absent := [word for word in words if word not in corpus.words]:
        raise ConfigError(
            f"{corpus.root} has no recordings of {listing(absent, 12)}; it has {listing(corpus.words, 40)}"
        )
    return Task((*words, UNKNOWN, SILENCE))


def rule_count(commands: int, percent: float = RULE_PERCENT) -> int:
    """The number of _unknown_ recordings, or of _silence_, for this number of recordings of commands."""
    return math.ceil(commands * percent / 100)
