"""A task that needs a long memory: which of two words came first in a recording that continues with noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from speech_lstm.insight.gradients import Flow, gradient_flow
from speech_lstm.insight.sequences import Sequences
from speech_lstm.insight.small_network import BATCH, MEASURED, Advance, small_network
from speech_lstm.training.simple_loop import Draw, Learning, correct, learn

FIRST = 4  # times as many steps in the first stage, which learns the words themselves
KNOWN = 0.75  # the accuracy, half way from guessing to certainty, from which a cell counts as knowing the word
SCORED = 400  # sequences, half of them of each word; the same for every cell and seed
SPACING = 1_000_003  # of the stages' seeds: a prime above the steps of any stage, so that no two share a batch


@dataclass(frozen=True)
class Stage:
    """The training on sequences of one length, and how many of the scored ones were correct after it."""

    seconds: int
    correct: int
    of: int
    learning: Learning

    @property
    def accuracy(self) -> float:
        return self.correct / self.of


@dataclass(frozen=True)
class MemoryRun:
    """The task with one cell and one seed: every stage, then the gradient through the longest sequences."""

    cell: str
    seed: int
    stages: list[Stage]
    flow: dict[str, Flow]

    @property
    def hidden(self) -> Flow:
        """The gradient of the hidden state."""
        return next(iter(self.flow.values()))


def run_memory_task(
    cell: str,
    seed: int,
    material: tuple[Sequences, Sequences],
    seconds: Sequence[int],
    steps: int,
    advance: Advance,
) -> MemoryRun:
    """Train on the shortest sequences and continue with each longer length; after each, score other speakers' words.

    `material` is what the network trains on and what it is scored on.
    """
    training, scoring = material
    network = small_network(cell, seed)
    stages: list[Stage] = []
    for number, length in enumerate(seconds):
        draw = batches(training, length, (100 * seed + number) * SPACING)
        learning = learn(network, draw, steps if number else FIRST * steps, advance=partial(advance, length))
        hits = correct(network, *scoring.then_noise(length, SCORED, seed=0))
        stages.append(Stage(length, hits, SCORED, learning))
    flow = gradient_flow(network, *scoring.then_noise(seconds[-1], MEASURED, seed=0))
    return MemoryRun(cell, seed, stages, flow)


def batches(training: Sequences, seconds: int, start: int) -> Draw:
    """A different batch for every step."""
    return lambda step: training.then_noise(seconds, BATCH, start + step)


def chance_limit(recordings: int) -> float:
    """The accuracy that one in forty guessers exceeds on so many recordings: one half and 1.96 standard errors."""
    return min(1.0, 0.5 + 1.96 * 0.5 / math.sqrt(recordings))


def verdict(accuracy: float, recordings: int) -> str:
    """`guesses`, `knows` or, between the two, `is unsure`."""
    if accuracy <= chance_limit(recordings):
        return "guesses"
    return "knows" if accuracy >= KNOWN else "is unsure"
