"""A lesson: the points of takes and of a bank → the head of the words, and how good it is.

How good it is comes from heads that have not seen what they answer: each of a few leaves out some of the takes of
every word and a part of the bank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.teaching.bank import Bank, Floats
from speech_lstm.teaching.head import PointHead, fit, margins
from speech_lstm.teaching.tail import Tail

FOLDS = 5  # at most; fewer where no word has so many takes
WORDS, OTHERS, QUIET = (
    0.4,
    0.1,
    0.1,
)  # shares of up to FEW words, others and noise; the bank has the rest of 1
FEW = 5  # of more words, each keeps WORDS / FEW: the penalty on the weights would flatten smaller shares
LEAST_MARGIN = 0.0  # a word is at least as likely as all else together, however different the bank is from it
UNCHANGED = 2.0  # what the takes as they are count for, against all of their variations together
NEVER = -1  # the fold of what is never left out

Take = Floats  # points [variations, dimensions] of a recording, the first of it as it is


class Rows(NamedTuple):
    """Points that a head is fitted to."""

    points: Floats  # [n, dimensions]
    labels: NDArray[np.intp]  # [n]
    shares: Floats  # [n], which add up to 1
    folds: NDArray[np.intp]  # [n] which head leaves it out
    first: NDArray[np.bool_]  # [n] a take as it is


@dataclass(frozen=True)
class Lesson:
    """What a head is fitted to."""

    words: dict[str, list[Take]]
    bank: Bank
    others: list[Take] = field(default_factory=list)  # further recordings of no command

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.words, UNKNOWN, SILENCE)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """The points of the bank that are of no taught word: a word of other people is no other word."""
        return ~self.bank.of(self.words)

    def rows(self) -> Rows:
        """All points: the words, the other recordings, and the bank at the end."""
        folds = max(2, min(FOLDS, max(map(len, self.words.values()))))
        unknown, noise = len(self.words), self.bank.is_noise[self.usable]
        others = OTHERS if self.others else 0.0
        share = WORDS / min(unknown, FEW)
        parts = [of_takes(takes, i, share, folds) for i, takes in enumerate(self.words.values())]
        if self.others:
            parts.append(of_takes(self.others, unknown, others, folds))
        shares = np.where(noise, QUIET / max(1, noise.sum()), (1 - WORDS - QUIET - others) / max(1, (~noise).sum()))
        labels, order = np.where(noise, unknown + 1, unknown), np.arange(len(noise)) % folds
        parts.append(Rows(self.bank.points[self.usable], labels, shares, order, np.zeros(len(noise), bool)))
        rows = Rows(*map(np.concatenate, zip(*parts, strict=True)))
        return rows._replace(shares=(rows.shares / rows.shares.sum()).astype(np.float32))


@dataclass(frozen=True)
class Taught:
    """A head, and how good it is."""

    labels: tuple[str, ...]
    head: PointHead
    rates: dict[str, tuple[float, float, float]]  # of each word, false accepts an hour of speech, with an interval
    answers: dict[str, list[str]]  # of each word, the answers to takes that were left out
    confused: dict[str, Counter[str]]  # of each word, the words of the bank that are taken for it
    tried: int  # words and seconds of the bank


def teach(lesson: Lesson, rate: float) -> Taught:
    """Fit the head of a lesson, with so many false accepts an hour of speech, all words together.

    A word is accepted when it is likelier than all else together; the biases put that where the rate is.
    """
    rows, words = lesson.rows(), len(lesson.words)
    count = len(lesson.labels)
    bank = slice(len(rows.labels) - int(lesson.usable.sum()), None)
    speech = lesson.bank.is_speech[lesson.usable]
    unseen = left_out(rows, count)
    tails = [Tail.of(values) for values in margins(unseen[bank][speech])[:, :words].T]
    least = np.array([max(LEAST_MARGIN, tail.margin(rate / words)) for tail in tails], np.float32)
    head = fit(rows.points, rows.labels, rows.shares, count)
    head.biases[:words] -= least
    unseen[:, :words] -= least
    answers = unseen.argmax(1)
    return Taught(
        labels=lesson.labels,
        head=head,
        rates={
            word: (tail.rate(margin), *tail.interval(margin))
            for word, tail, margin in zip(lesson.words, tails, least.tolist(), strict=True)
        },
        answers={
            word: [lesson.labels[answer] for answer in answers[rows.first & (rows.labels == i) & (rows.folds >= 0)]]
            for i, word in enumerate(lesson.words)
        },
        confused=confusions(lesson, answers[bank]),
        tried=int((~lesson.bank.is_noise & lesson.usable).sum()),
    )


def of_takes(takes: Sequence[Take], label: int, share: float, folds: int) -> Rows:
    """The points of takes, in as many folds; a take that is alone is never left out."""
    sizes = [len(take) for take in takes]
    folds_of = [i % folds if len(takes) > 1 else NEVER for i in range(len(takes))]
    first = np.concatenate([np.arange(size) == 0 for size in sizes])
    shares = np.where(first, UNCHANGED * first.size / first.sum(), 1.0)
    return Rows(
        np.concatenate(takes),
        np.full(len(first), label),
        share * shares / shares.sum(),
        np.repeat(folds_of, sizes),
        first,
    )


def left_out(rows: Rows, count: int) -> Floats:
    """The logits float32 [n, labels] of each point by a head that has not seen it."""
    logits = np.zeros((len(rows.labels), count), np.float32)
    for fold in range(int(rows.folds.max()) + 1):
        out = rows.folds == fold
        shares = rows.shares[~out] / rows.shares[~out].sum()
        logits[out] = fit(rows.points[~out], rows.labels[~out], shares, count).logits(rows.points[out])
    return logits


def confusions(lesson: Lesson, answers: NDArray[np.intp]) -> dict[str, Counter[str]]:
    """The words of the bank that are answered by each word, by the answers to its usable points."""
    names = np.array(lesson.bank.names)[lesson.bank.kinds[lesson.usable]]
    return {word: Counter(names[answers == i].tolist()) for i, word in enumerate(lesson.words)}
