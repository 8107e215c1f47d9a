"""A task that needs a long memory: which of two words began a recording that goes on with noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from speech_lstm.insight.gradients import Flow, gradient_flow
from speech_lstm.insight.sequences import Sequences
from speech_lstm.insight.small_network import BATCH, LOOKED_INTO, Told, small_network
from speech_lstm.training.simple_loop import Draw, Learning, correct, learn

FIRST = 4  # times as many steps in the first stage, where the words themselves are learnt
KNOWN = 0.75  # the accuracy, half way from guessing to certainty, from which a cell is said to know the word
SCORED = 400  # sequences, half of them of each word; the same for every cell and seed
APART = 1_000_003  # a prime above the steps of any stage, so that no two stages share a batch


@dataclass(frozen=True)
class Stage:
    """How a network learnt sequences of so many seconds, and how many of those that it is scored on it got right."""

    seconds: int
    correct: int
    of: int
    learning: Learning

    @property
    def accuracy(self) -> float:
        return self.correct / self.of


@dataclass(frozen=True)
class Trial:
    """One cell with one seed: every stage, and then the gradient on its way back through the longest sequences."""

    cell: str
    seed: int
    stages: list[Stage]
    flow: dict[str, Flow]

    @property
    def hidden(self) -> Flow:
        """The gradient of the hidden state."""
        return next(iter(self.flow.values()))


def trial(
    cell: str,
    seed: int,
    material: tuple[Sequences, Sequences],
    seconds: Sequence[int],
    steps: int,
    told: Told,
) -> Trial:
    """Learn the shortest sequences and go on with each longer length; after each, score other speakers' words.

    `material` is what is learnt and what is scored.
    """
    training, scoring = material
    network = small_network(cell, seed)
    stages: list[Stage] = []
    for number, length in enumerate(seconds):
        draw = batches(training, length, (100 * seed + number) * APART)
        learning = learn(network, draw, steps if number else FIRST * steps, advance=partial(told, length))
        right = correct(network, *scoring.then_noise(length, SCORED, seed=0))
        stages.append(Stage(length, right, SCORED, learning))
    flow = gradient_flow(network, *scoring.then_noise(seconds[-1], LOOKED_INTO, seed=0))
    return Trial(cell, seed, stages, flow)


def batches(training: Sequences, seconds: int, start: int) -> Draw:
    """Another batch for every step."""
    return lambda step: training.then_noise(seconds, BATCH, start + step)


def trials_by_cell(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """The trials of each cell, one for every seed."""
    found: dict[str, list[Trial]] = {}
    for done in trials:
        found.setdefault(done.cell, []).append(done)
    return found


def chance_limit(recordings: int) -> float:
    """The accuracy that one in forty guessers exceeds on so many recordings: one half and 1.96 standard errors."""
    return min(1.0, 0.5 + 1.96 * 0.5 / math.sqrt(recordings))


def verdict(accuracy: float, recordings: int) -> str:
    """`guesses`, `knows` or, between the two, `is unsure`."""
    if accuracy <= chance_limit(recordings):
        return "guesses"
    return "knows" if accuracy >= KNOWN else "is unsure"
