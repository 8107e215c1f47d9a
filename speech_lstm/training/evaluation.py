"""How good a model is on recordings whose label is known: from probabilities to counts, shares and mistakes.

Everything is derived from plain NumPy arrays; neither torch nor the model is needed here.
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
from speech_lstm.training import report

LEAST = float(np.finfo(np.float32).tiny)  # a right label of probability 0 costs 87.3 nats instead of infinity
WORST = 20  # mistakes that are kept with their names


@dataclass(frozen=True)
class LabelScore:
    """The counts of one label. A ratio that is 0/0 is None, not a number that nobody measured."""

    label: str
    support: int  # recordings that have the label
    predicted: int  # recordings that were given the label
    correct: int  # both

    @property
    def precision(self) -> float | None:
        """Of the recordings given the label, the share that have it; None if none was given it."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Of the recordings that have the label, the share that were given it; None if none has it."""
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
    """One word that is no command, and the commands it was taken for, the most frequent first."""

    word: str
    clips: int
    accepted: int  # of the clips, taken for some command
    taken_for: dict[str, int]


@dataclass(frozen=True)
class Mistake:
    """A recording that was given a wrong label with this probability."""

    name: str
    word: str | None  # what was said, where it is known
    truth: str
    answer: str
    probability: float


@dataclass(frozen=True, eq=False)  # arrays don't compare to one truth value
class Evaluation:
    """All recordings of a split, counted. `evaluate_scores` makes it.

    `confusion` is int64 [labels, labels], read-only: row truth, column answer.
    `loss` is the mean cross-entropy in nats of the true labels.
    `words` are the words behind `_unknown_`, most often accepted first; empty where they were not given.
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
    def scores(self) -> tuple[LabelScore, ...]:
        """Precision, recall and F1 of every label, in the order of the labels."""
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        columns = zip(self.labels, support, predicted, self.confusion.diagonal(), strict=True)
        return tuple(LabelScore(label, int(s), int(p), int(c)) for label, s, p, c in columns)

    @property
    def command_recall(self) -> Proportion | None:
        """Recordings of commands that were given exactly their command; None without any."""
        commands = self.commands()
        rows = self.confusion[commands]
        return _share(int(rows[:, commands].trace()), int(rows.sum()))

    @property
    def unknown_accepted(self) -> Proportion | None:
        """Recordings of unknown words that were taken for some command; None without any."""
        return self._taken_for_command(UNKNOWN)

    @property
    def silence_accepted(self) -> Proportion | None:
        """Recordings of silence that were taken for some command (false alarms); None without any."""
        return self._taken_for_command(SILENCE)

    @property
    def headline(self) -> str:
        """The accuracy, its interval and the counts in one line."""
        return report.headline(self)

    def commands(self) -> list[int]:
        """The indices of the labels that are commands."""
        return [self.labels.index(command) for command in commands_of(self.labels)]

    def _taken_for_command(self, label: str) -> Proportion | None:
        if label not in self.labels:
            return None
        row = self.confusion[self.labels.index(label)]
        return _share(int(row[self.commands()].sum()), int(row.sum()))

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has. Shares are 0..1; what was not measured is None."""

        def optional(share: Proportion | None) -> dict[str, Any] | None:
            return share.to_dict() if share else None

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
            "scores": [score.to_dict() for score in self.scores],
            "confusion": self.confusion.tolist(),
            "words": [asdict(word) for word in self.words],
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
        }

    def table(self, words: int = 20, mistakes: int = 10) -> str:
        """A report for the terminal, at most 100 columns wide, of at most so many words and mistakes."""
        return report.table(self, words, mistakes)


def evaluate_scores(
    labels: Sequence[str],
    names: Sequence[str],
    truth: np.ndarray,
    probabilities: np.ndarray,
    words: Sequence[str] | None = None,
) -> Evaluation:
    """Count the answers of a model; the answer is the label of the highest probability, the first of equals.

    names          n file names, to tell the mistakes by
    truth          integers [n], indices into `labels`
    probabilities  floats [n, labels], each row adding up to 1
    words          the n words that were spoken, such as "cat" for a recording of `_unknown_`

    Raises CorpusError for no recordings, ModelError for probabilities that are NaN or infinite, and
    ValueError for arrays that don't belong together.
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
        loss=math.fsum(-np.log(right)) / len(right),  # fsum: the order of the recordings changes no digit
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
            f"{count} names and {len(labels)} labels don't go with truth of shape {truth.shape} "
            f"and probabilities of shape {probabilities.shape}"
        )
    if words is not None and len(words) != count:
        raise ValueError(f"{len(words)} words don't go with {count} names")
    if count == 0:
        raise CorpusError("there is no recording to score; choose another split or folder")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= len(labels):
        raise ValueError(f"truth must be integers from 0 to {len(labels) - 1}")
    if not np.isfinite(probabilities).all():
        raise ModelError("the model's answers are not numbers (NaN): its training went wrong; train it again")


def _share(hits: int, of: int) -> Proportion | None:
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
    found = []
    for word, count in clips.items():
        commands = sorted(taken.get(word, Counter()).items(), key=lambda item: (-item[1], item[0]))
        found.append(UnknownWord(word, count, sum(number for _, number in commands), dict(commands)))
    return tuple(sorted(found, key=lambda item: (-item.accepted / item.clips, -item.clips, item.word)))


def _mistakes(
    labels: Sequence[str],
    names: Sequence[str],
    truth: np.ndarray,
    answers: np.ndarray,
    probability: np.ndarray,
    words: Sequence[str] | None,
) -> tuple[Mistake, ...]:
    found = []
    for row in np.flatnonzero(truth != answers).tolist():
        word = None if words is None else words[row]
        right, answer = labels[int(truth[row])], labels[int(answers[row])]
        found.append(Mistake(names[row], word, right, answer, float(probability[row])))
    found.sort(key=lambda item: (-item.probability, item.name, item.truth, item.answer, item.word or ""))
    return tuple(found[:WORST])
