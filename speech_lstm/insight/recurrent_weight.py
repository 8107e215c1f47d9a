"""The textbook case: a weight to the power of the steps, a forget gate in its place, and a matrix for both.

Pascanu, Mikolov & Bengio 2013: ∂h_T/∂h_t is a product of T − t factors diag(tanh′) U. It must vanish if U's largest
singular value is below 1, and can explode only if that is above 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.insight.gradients import Flow, gradient_flow, state_norms
from speech_lstm.insight.sequences import Sequences
from speech_lstm.insight.small_network import BATCH, MEASURED, Advance, set_normalisation, small_network
from speech_lstm.model.network import Network
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.simple_loop import CLIP, Learning, learn

STEPS = 100
WEIGHTS = (0.9, 1.0, 1.1)
FORGET_BIASES = (0.0, 1.0, 3.0, 5.0)
GAINS = (0.8, 1.0, 1.5, 2.0)
EXPLODING = 2.0  # the gain that the trainings start from
TRAINED_SECONDS = 2
LONGER = 3  # times as many training steps as the other parts take for each length
RATE = 0.2  # of plain gradient descent: Adam would hide how large the gradient is


def unit(cell: str) -> Stack:
    """A single unit of a cell, in float64; all its weights are 0."""
    network = NetworkConfig(cell=cell, layers=1, hidden=1, bidirectional=False, dropout=0.0)
    stack = Stack(1, network).double()
    with torch.no_grad():
        for weight in stack.parameters():
            weight.zero_()
    return stack


def powers(weight: float, steps: int = STEPS) -> list[float]:
    """∂h_T/∂h_t at the distances 0 … steps of a linear unit h = w h⁻ + x: a rectifier in its linear range."""
    stack = unit("rnn-relu")
    with torch.no_grad():
        stack.layer(0).input.fill_(1.0)
        stack.layer(0).get_parameter("recurrent").fill_(weight)
    return by_distance(stack, "h", steps)


def gate_powers(forget_bias: float, steps: int = STEPS) -> list[float]:
    """∂c_T/∂c_t at the distances 0 … steps of an LSTM's unit with f = σ(forget_bias), all other weights 0."""
    stack = unit("lstm")
    layer = stack.layer(0)
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias[:, layer.cell.block("f")] = forget_bias
    return by_distance(stack, "c", steps)


def by_distance(stack: Stack, part: str, steps: int) -> list[float]:
    """∂h_T/∂s_t of a part s of the state, as a share of that at distance T − t = 0: at the distances 0 … steps."""
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
    """A training by plain gradient descent, with the norm of the gradient clipped or not."""

    clip: float | None
    learning: Learning
    singular_values: list[float]  # of the recurrent matrix after it


def plain_network(gain: float, seed: int) -> Network:
    """A plain network whose recurrent singular values are all `gain`."""
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
    """The gradient through untrained plain networks, for each of GAINS."""
    results = []
    for gain in GAINS:
        network = plain_network(gain, seed)
        set_normalisation(network, training, TRAINED_SECONDS)
        flow = gradient_flow(network, *scoring.chain(TRAINED_SECONDS, MEASURED, seed=0))["h"]
        results.append(Spectrum(gain, singular_values(network), flow))
    return results


def descents(training: Sequences, seed: int, steps: int, advance: Advance) -> list[Descent]:
    """The training of a plain network whose gradient explodes, without clipping and with it."""
    results = []
    for clip in (None, CLIP):
        network = plain_network(EXPLODING, seed)
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        learning = learn(
            network,
            lambda step: training.chain(TRAINED_SECONDS, BATCH, seed=step),
            steps,
            optimizer,
            clip or math.inf,
            advance=partial(advance, TRAINED_SECONDS),
        )
        results.append(Descent(clip, learning, singular_values(network)))
    return results
