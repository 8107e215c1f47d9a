"""The words of a model that are recognised as commands; the probabilities of its other words count as `_unknown_`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SILENCE, UNKNOWN, commands_of
from speech_lstm.errors import ConfigError, brief
from speech_lstm.recognition.posteriors import Scorer

Rows = NDArray[np.float32]


class Vocabulary:
    """Reduces rows [n, labels of a model] to rows [n, labels of the vocabulary], which add up to the same."""

    def __init__(self, labels: tuple[str, ...], words: Iterable[str] | None = None) -> None:
        """`words` are commands of a model with these labels; None: all of them.

        A model without `_unknown_` gets this label if it has words that are left out. Raises ConfigError for words
        that are none of its commands, and for no words.
        """
        chosen = commands_of(labels) if words is None else check_words(words, commands_of(labels))
        kept = tuple(label for label in labels if label in (*chosen, UNKNOWN, SILENCE))
        self.merged = [i for i, label in enumerate(labels) if label not in kept]  # places in a model's row
        self.labels = (*kept, UNKNOWN) if self.merged and UNKNOWN not in kept else kept
        self.kept = [labels.index(label) for label in kept]

    def posteriors(self, rows: Rows) -> Rows:
        """Probabilities float32 [n, labels of the model] → [n, labels]."""
        return self.reduce(rows, np.add, 0)

    def logits(self, rows: Rows) -> Rows:
        """Logits float32 [n, labels of the model] → [n, labels]; their soft-max is that of the posteriors."""
        return self.reduce(rows, np.logaddexp, -np.inf)

    def reduce(self, rows: Rows, join: np.ufunc, nothing: float) -> Rows:
        """The rows whose `_unknown_` joins the left out words, beginning with `nothing` if the model has none."""
        if not self.merged:
            return rows
        reduced = np.full((len(rows), len(self.labels)), nothing, np.float32)
        reduced[:, : len(self.kept)] = rows[:, self.kept]
        unknown = reduced[:, self.labels.index(UNKNOWN)]  # a view
        join(unknown, join.reduce(rows[:, self.merged], axis=1), out=unknown)
        return reduced

    def scorer(self, scorer: Scorer) -> Scorer:
        """A scorer of the model's rows as one of the vocabulary's."""
        return VocabularyScorer(self, scorer) if self.merged else scorer


class VocabularyScorer:
    """Scores the windows of a stream by another scorer; see `posteriors.Scorer`."""

    def __init__(self, vocabulary: Vocabulary, scorer: Scorer) -> None:
        self.vocabulary, self.scorer = vocabulary, scorer
        self.labels, self.hop = vocabulary.labels, scorer.hop

    def reset(self) -> None:
        self.scorer.reset()

    def __call__(self, samples: Rows, selected: NDArray[np.bool_]) -> Rows:
        return self.vocabulary.posteriors(self.scorer(samples, selected))


def check_words(words: Iterable[str], commands: tuple[str, ...]) -> tuple[str, ...]:
    """The words as a tuple; raises ConfigError unless there are some and all are among the commands of a model."""
    try:
        chosen = (words,) if isinstance(words, str) else tuple(words)
    except TypeError:
        raise ConfigError(f"words is {brief(words)}; it must be a list of {', '.join(commands)}") from None
    if not chosen:
        raise ConfigError(f"no words are given; the commands of the model are {', '.join(commands)}")
    for word in chosen:
        if word not in commands:
            raise ConfigError(
                f"{brief(word)} is not a command of the model; its commands are {', '.join(commands) or 'none'}"
            )
    return chosen
