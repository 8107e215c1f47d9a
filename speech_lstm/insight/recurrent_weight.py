"""The textbook's case: a weight to the power of the steps, a forget gate in its place, and a matrix for both.

Pascanu, Mikolov & Bengio 2013: ∂h_T/∂h_t is a product of T − t factors diag(tanh′) U. Where U's largest singular
value is below 1 it must vanish, and it can only explode where that is above 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.insight.gradients import Flow, gradient_flow, state_norms
from speech_lstm.insight.sequences import Sequences
from speech_lstm.insight.small_network import BATCH, LOOKED_INTO, SEEN, Told, see, small_network
from speech_lstm.model.network import Network
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.simple_loop import CLIP, Learning, learn

STEPS = 100
WEIGHTS = (0.9, 1.0, 1.1)
FORGET_BIASES = (0.0, 1.0, 3.0, 5.0)
GAINS = (0.8, 1.0, 1.5, 2.0)
EXPLODING = 2.0  # the gain with which training is tried
TRAINED_SECONDS = 2
LONGER = 3  # times as many steps of training as the other parts take for each length
RATE = 0.2  # of plain gradient descent: Adam would hide how large the gradient is


def unit(cell: str) -> Stack:
    """A single unit of a cell, all its weights 0."""
    network = NetworkConfig(cell=cell, layers=1, hidden=1, bidirectional=False, dropout=0.0)
    stack = Stack(1, network).double()
    with torch.no_grad():
        for weight in stack.parameters():
            weight.zero_()
    return stack


def powers(weight: float, steps: int = STEPS) -> list[float]:
    """∂h_T/∂h_t at the distances 0 … steps of a linear unit h = w h⁻ + x: a rectifier that is never shut."""
    stack = unit("rnn-relu")
    with torch.no_grad():
        stack.layer(0).input.fill_(1.0)
        stack.layer(0).get_parameter("recurrent").fill_(weight)
    return by_distance(stack, "h", steps)


def kept(forget_bias: float, steps: int = STEPS) -> list[float]:
    """∂c_T/∂c_t at the distances 0 … steps of an LSTM's unit with f = σ(forget_bias), which sees nothing else."""
    stack = unit("lstm")
    layer = stack.layer(0)
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias[:, layer.cell.block("f")] = forget_bias
    return by_distance(stack, "c", steps)


def by_distance(stack: Stack, part: str, steps: int) -> list[float]:
    """What a change of a part of the state does to the same part, or to h in its place, `distance` steps later."""
    norms = state_norms(stack, torch.ones(1, steps + 1, 1).double(), lambda hidden: hidden[:, -1].sum())[part][0]
    return (norms / norms[-1]).flip(0).tolist()


@dataclass(frozen=True)
class Spectrum:
    """A plain network whose recurrent matrix is `gain` times an orthogonal one, and the gradient through it."""

    gain: float
    singular_values: list[float]
    flow: Flow


@dataclass(frozen=True)
class Descent:
    """A training by plain gradient descent, with a highest norm of the gradient or without one."""

    clip: float | None
    learning: Learning
    singular_values: list[float]  # of the recurrent matrix afterwards


def plain_network(gain: float, seed: int) -> Network:
    """A plain network all of whose recurrent singular values are `gain`."""
    network = small_network("rnn", seed)
    with torch.no_grad():
        recurrent(network).mul_(gain)
    return network


def recurrent(network: Network) -> Tensor:
    """The recurrent matrix [1, hidden, hidden] of a plain network."""
    return network.stack.layer(0).get_parameter("recurrent")


def singular_values(network: Network) -> list[float]:
    return torch.linalg.svdvals(recurrent(network).detach())[0].tolist()


def spectra(training: Sequences, scoring: Sequences, seed: int) -> list[Spectrum]:
    """Untrained plain networks with ever larger singular values, and the gradient through each."""
    found = []
    for gain in GAINS:
        network = plain_network(gain, seed)
        see(network, training.chain(TRAINED_SECONDS, SEEN, seed=0)[0])
        flow = gradient_flow(network, *scoring.chain(TRAINED_SECONDS, LOOKED_INTO, seed=0))["h"]
        found.append(Spectrum(gain, singular_values(network), flow))
    return found


def descents(training: Sequences, seed: int, steps: int, told: Told) -> list[Descent]:
    """The training of a plain network that explodes, without clipping and with it."""
    found = []
    for clip in (None, CLIP):
        network = plain_network(EXPLODING, seed)
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        learning = learn(
            network,
            lambda step: training.chain(TRAINED_SECONDS, BATCH, seed=step),
            steps,
            optimizer,
            clip or math.inf,
            advance=lambda: told(TRAINED_SECONDS),
        )
        found.append(Descent(clip, learning, singular_values(network)))
    return found
