"""Counts, proportions and mistakes of a model's answers to recordings of known labels.

Everything is computed from NumPy arrays, without torch or the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from speech_lstm.config import SILENCE, UNKNOWN, commands_of
from speech_lstm.errors import CorpusError, ModelError
from speech_lstm.report.proportion import Proportion, wilson

LEAST = float(np.finfo(np.float32).tiny)  # a right label of probability 0 costs 87.3 nats instead of infinity
WORST = 20  # mistakes that are listed by name


@dataclass(frozen=True)
class LabelCounts:
    """The counts of one label. A ratio 0/0 is None."""

    label: str
    support: int  # recordings that have the label
    predicted: int  # recordings that were given the label
    correct: int  # both

    @property
    def precision(self) -> float | None:
        """Proportion of the recordings given the label that have it; None if none was given it."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Proportion of the recordings with the label that were given it; None if none has it."""
        return self.correct / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """2·correct / (support + predicted): 0 if all were missed, None if none has or got the label."""
        both = self.support + self.predicted
        return 2 * self.correct / both if both else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True)
class UnknownWord:
    """A word that is not a command, and the commands it was taken for, most frequent first."""

    word: str
    clips: int
    accepted: int  # clips taken for a command
    taken_for: dict[str, int]


@dataclass(frozen=True)
class Mistake:
    """A recording with a wrong answer, and the probability of that answer."""

    name: str
    word: str | None  # the spoken word, if known
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Evaluation:
    """The answers to all recordings of a split, counted; `evaluate` makes it.

    `confusion` is int64 [labels, labels], read-only: row truth, column answer.
    `loss` is the mean cross-entropy in nats of the true labels.
    `words` are the words of `_unknown_`, most often accepted first; empty if they are not known.
    `mistakes` are the most confident wrong answers, at most 20, the most confident first.
    A command is any label but `_silence_` and `_unknown_`.
    """

    labels: tuple[str, ...]
    confusion: np.ndarray
    loss: float
    words: tuple[UnknownWord, ...]
    mistakes: tuple[Mistake, ...]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        return self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson(self.correct, self.count) or (0.0, 1.0)

    @property
    def by_label(self) -> tuple[LabelCounts, ...]:
        """The counts of every label, in the order of the labels."""
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        columns = zip(self.labels, support, predicted, self.confusion.diagonal(), strict=True)
        return tuple(LabelCounts(label, int(s), int(p), int(c)) for label, s, p, c in columns)

    @property
    def command_recall(self) -> Proportion | None:
        """Recordings of commands that were recognised; None without any."""
        commands = self.command_indices
        rows = self.confusion[commands]
        return _proportion(int(rows[:, commands].trace()), int(rows.sum()))

    @property
    def unknown_accepted(self) -> Proportion | None:
        """Recordings of unknown words that were taken for a command; None without any."""
        return self._taken_for_command(UNKNOWN)

    @property
    def silence_accepted(self) -> Proportion | None:
        """Recordings of silence that were taken for a command; None without any."""
        return self._taken_for_command(SILENCE)

    @property
    def command_indices(self) -> list[int]:
        """The indices of the labels that are commands."""
        return [self.labels.index(command) for command in commands_of(self.labels)]

    def _taken_for_command(self, label: str) -> Proportion | None:
        if label not in self.labels:
            return None
        row = self.confusion[self.labels.index(label)]
        return _proportion(int(row[self.command_indices].sum()), int(row.sum()))

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON types. Proportions are 0 to 1; what was not measured is None."""

        def optional(proportion: Proportion | None) -> dict[str, Any] | None:
            return proportion.to_dict() if proportion else None

        return {
            "count": self.count,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "loss": self.loss,
            "command_recall": optional(self.command_recall),
            "unknown_accepted": optional(self.unknown_accepted),
            "silence_accepted": optional(self.silence_accepted),
            "labels": list(self.labels),
            "scores": [counts.to_dict() for counts in self.by_label],
            "confusion": self.confusion.tolist(),
            "words": [asdict(word) for word in self.words],
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
        }


def evaluate(
    labels: Sequence[str],
    names: Sequence[str],
    truth: np.ndarray,
    probabilities: np.ndarray,
    words: Sequence[str] | None = None,
) -> Evaluation:
    """Count the answers of a model; the answer is the label of the highest probability, the first of equals.

    names          n file names, to list the mistakes by
    truth          integers [n], indices into `labels`
    probabilities  floats [n, labels], each row adding up to 1
    words          the n spoken words, such as "cat" for a recording of `_unknown_`

    Raises CorpusError for no recordings, ModelError for probabilities that are NaN or infinite, and
    ValueError for arrays that do not belong together.
    """
    truth, probabilities = np.asarray(truth), np.asarray(probabilities)
    _check(labels, names, truth, probabilities, words)
    answers = probabilities.argmax(axis=1)
    rows = np.arange(len(truth))
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (truth, answers), 1)
    confusion.setflags(write=False)
    right = np.maximum(probabilities[rows, truth].astype(np.float64), LEAST)
    return Evaluation(
        labels=tuple(labels),
        confusion=confusion,
        loss=math.fsum(-np.log(right)) / len(right),  # fsum: the sum does not depend on the order
        words=_unknown_words(labels, truth, answers, words),
        mistakes=_mistakes(labels, names, truth, answers, probabilities[rows, answers], words),
    )


def _check(
    labels: Sequence[str],
    names: Sequence[str],
    truth: np.ndarray,
    probabilities: np.ndarray,
    words: Sequence[str] | None,
) -> None:
    count = len(names)
    if len(set(labels)) != len(labels):
        raise ValueError("labels must differ from each other")
    if truth.shape != (count,) or probabilities.shape != (count, len(labels)):
        raise ValueError(
            f"{count} names and {len(labels)} labels do not match truth of shape {truth.shape} "
            f"and probabilities of shape {probabilities.shape}"
        )
    if words is not None and len(words) != count:
        raise ValueError(f"{len(words)} words do not match {count} names")
    if count == 0:
        raise CorpusError("there is no recording to score; choose another split or folder")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= len(labels):
        raise ValueError(f"truth must be integers from 0 to {len(labels) - 1}")
    if not np.isfinite(probabilities).all():
        raise ModelError("the model's answers are NaN or infinite: its training failed; train it again")


def _proportion(hits: int, of: int) -> Proportion | None:
    return Proportion(hits, of) if of else None


def _unknown_words(
    labels: Sequence[str], truth: np.ndarray, answers: np.ndarray, words: Sequence[str] | None
) -> tuple[UnknownWord, ...]:
    if words is None or UNKNOWN not in labels:
        return ()
    clips: Counter[str] = Counter()
    taken: dict[str, Counter[str]] = {}
    for row in np.flatnonzero(truth == labels.index(UNKNOWN)):
        word, answer = words[int(row)], labels[int(answers[row])]
        clips[word] += 1
        if answer not in (SILENCE, UNKNOWN):
            taken.setdefault(word, Counter())[answer] += 1
    unknown = []
    for word, count in clips.items():
        commands = sorted(taken.get(word, Counter()).items(), key=lambda item: (-item[1], item[0]))
        unknown.append(UnknownWord(word, count, sum(number for _, number in commands), dict(commands)))
    return tuple(sorted(unknown, key=lambda item: (-item.accepted / item.clips, -item.clips, item.word)))


def _mistakes(
    labels: Sequence[str],
    names: Sequence[str],
    truth: np.ndarray,
    answers: np.ndarray,
    probability: np.ndarray,
    words: Sequence[str] | None,
) -> tuple[Mistake, ...]:
    mistakes = []
    for row in np.flatnonzero(truth != answers).tolist():
        word = None if words is None else words[row]
        right, answer = labels[int(truth[row])], labels[int(answers[row])]
        mistakes.append(Mistake(names[row], word, right, answer, float(probability[row])))
    mistakes.sort(key=lambda item: (-item.probability, item.name, item.truth, item.answer, item.word or ""))
    return tuple(mistakes[:WORST])
