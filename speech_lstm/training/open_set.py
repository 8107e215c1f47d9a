"""Which score of a model separates commands best from unknown words, and by how much.

Everything is computed from logits in NumPy arrays, without torch or the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from speech_lstm.config import UNKNOWN, commands_of
from speech_lstm.report.proportion import Proportion

RECALL = 0.95  # of the commands, at which false accepts are compared
RESAMPLED = 1000  # bootstrap samples for the intervals
BASELINE = "posterior"  # the score that recognition compares with a threshold


def command_scores(logits: NDArray[Any], labels: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Scores that grow with how much a recording is like a command; logits [n, labels] → each [n].

    `posterior`       log-probability of the likeliest command, which recognition compares with a threshold
    `not _unknown_`   −log-probability of `_unknown_`: the plain class
    `margin`          logit of the likeliest command less that of `_unknown_`: the log-odds of the two
    `entropy`         negative entropy of the soft-max over the commands alone; with `_unknown_` among the labels
                      its most certain rejections would count as certain
    `command energy`  log Σ exp of the logits of the commands
    `energy`          log Σ exp of all logits (Liu et al. 2020, eq. 6, negative; temperature 1)
    """
    z = logits.astype(np.float64)
    commands = z[:, [labels.index(command) for command in commands_of(labels)]]
    unknown, logs = list(labels).index(UNKNOWN), log_softmax(commands, axis=1)
    return {
        BASELINE: commands.max(axis=1) - logsumexp(z, axis=1),
        f"not {UNKNOWN}": -log_softmax(z, axis=1)[:, unknown],
        "margin": commands.max(axis=1) - z[:, unknown],
        "entropy": (np.exp(logs) * logs).sum(axis=1),
        "command energy": logsumexp(commands, axis=1),
        "energy": logsumexp(z, axis=1),
    }


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Separation:
    """How well one score separates commands from unknown words.

    `auc` is the area under the ROC curve: how often a command scores higher than an unknown word, ties counted
    half. `gain` is the 95 % interval of its difference from the posterior's on the same recordings.
    """

    name: str
    auc: float
    interval: tuple[float, float]  # 95 %, bootstrap
    gain: tuple[float, float]
    at_recall: Proportion  # unknown words accepted at the threshold that accepts 95 % of the commands
    at_plain: Proportion  # at the one that accepts as many commands as the plain answer
    curve: NDArray[np.float64]  # [2, points]: unknown words and commands accepted, 0..1, as the threshold falls

    def to_dict(self) -> dict[str, Any]:
        return {
            "auc": self.auc,
            "interval": list(self.interval),
            "gain": list(self.gain),
            "false_accepts": self.at_recall.to_dict(),
            "false_accepts_at_plain_recall": self.at_plain.to_dict(),
        }


@dataclass(frozen=True)
class OpenSet:
    """Commands and unknown words, separated by several scores; the first of these is the posterior.

    Only commands whose likeliest command is the right one are counted: accepting a wrong one is no gain. `plain_…`
    is accepted by the plain answer, which is the likeliest of all labels.
    """

    words: str  # which unknown words
    plain_commands: Proportion
    plain_unknown: Proportion
    separations: tuple[Separation, ...]

    @property
    def name(self) -> str:
        return f"{self.plain_commands.of:,} commands, {self.plain_unknown.of:,} recordings of {self.words}"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the curves, in JSON types."""
        return {
            "words": self.words,
            "commands": self.plain_commands.of,
            "unknown": self.plain_unknown.of,
            "plain_answer": {"commands": self.plain_commands.to_dict(), "unknown": self.plain_unknown.to_dict()},
            "recall": RECALL,
            "scores": {item.name: item.to_dict() for item in self.separations},
        }


def open_set(
    labels: Sequence[str], logits: NDArray[Any], truth: NDArray[np.int64], unknown: NDArray[Any], words: str
) -> OpenSet | None:
    """Compare the scores on recordings of commands and of unknown words.

    `logits` are floats [n, labels] of recordings with the right labels `truth` [n]: those of commands are used.
    `unknown` are the logits [m, labels] of unknown words, `words` is their name. None without such commands or
    words, or without a label for them.
    """
    commands = [labels.index(command) for command in commands_of(labels)]
    if UNKNOWN not in labels or not commands:
        return None
    known = logits[np.asarray(commands)[logits[:, commands].argmax(axis=1)] == truth]
    if not len(known) or not len(unknown):
        return None
    plain = [Proportion(int(np.isin(part.argmax(axis=1), commands).sum()), len(part)) for part in (known, unknown)]
    ours, theirs = command_scores(known, labels), command_scores(unknown, labels)
    areas = {name: RocArea(ours[name], theirs[name]) for name in ours}
    samples = bootstrap(areas, len(known), len(unknown))
    separations = [
        Separation(
            name,
            area(np.ones(len(known)), np.ones(len(unknown))),
            interval(samples[name]),
            interval(samples[name] - samples[BASELINE]),
            false_accepts(ours[name], theirs[name], math.ceil(RECALL * len(known))),
            false_accepts(ours[name], theirs[name], plain[0].hits),
            area.curve(),
        )
        for name, area in areas.items()
    ]
    return OpenSet(words, plain[0], plain[1], tuple(separations))


def bootstrap(areas: dict[str, RocArea], commands: int, unknown: int) -> dict[str, NDArray[np.float64]]:
    """The areas in bootstrap samples of these numbers of commands and unknown words, the same for every score."""
    random = np.random.default_rng(0)
    samples: dict[str, list[float]] = {name: [] for name in areas}
    for _ in range(RESAMPLED):
        weights = [np.bincount(random.integers(0, n, n), minlength=n) for n in (commands, unknown)]
        for name, area in areas.items():
            samples[name].append(area(*weights))
    return {name: np.array(values) for name, values in samples.items()}


class RocArea:
    """The area under the ROC curve of two samples, whose recordings count as often as they are drawn."""

    def __init__(self, commands: NDArray[np.float64], unknown: NDArray[np.float64]) -> None:
        self.values, place = np.unique(np.concatenate([commands, unknown]), return_inverse=True)
        self.commands, self.unknown = place[: len(commands)], place[len(commands) :]

    def counts(self, commands: NDArray[Any], unknown: NDArray[Any]) -> list[NDArray[Any]]:
        """The numbers of commands and unknown words at each value, lowest first."""
        size = len(self.values)
        return [np.bincount(self.commands, commands, size), np.bincount(self.unknown, unknown, size)]

    def __call__(self, commands: NDArray[Any], unknown: NDArray[Any]) -> float:
        """The area if each command [n] and each unknown word [m] counts this many times."""
        ours, theirs = self.counts(commands, unknown)
        below = np.cumsum(theirs) - theirs / 2
        return float(ours @ below / (ours.sum() * theirs.sum()))

    def curve(self) -> NDArray[np.float64]:
        """The proportions of unknown words and commands that score at least each value, from none to all."""
        counts = self.counts(np.ones(len(self.commands)), np.ones(len(self.unknown)))
        proportions = [np.concatenate([[0.0], np.cumsum(count[::-1]) / count.sum()]) for count in counts]
        return np.stack(proportions[::-1])


def false_accepts(commands: NDArray[np.float64], unknown: NDArray[np.float64], count: int) -> Proportion:
    """Unknown words that score no less than the command at place `count` from the top."""
    if count == 0:
        return Proportion(0, len(unknown))
    threshold = np.sort(commands)[-count]
    return Proportion(int((unknown >= threshold).sum()), len(unknown))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of the values."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
