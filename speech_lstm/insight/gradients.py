"""The gradient on its way back through time: its norm at every step, for any cell."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speech_lstm.insight.sequences import Sequences
from speech_lstm.insight.small_network import BATCH, MEASURED, Advance, set_normalisation, small_network
from speech_lstm.model.network import Network
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.simple_loop import correct, learn

FAINT = 1e-3  # the share of a gradient below which it counts as lost


class GradientTap:
    """A tap that collects the state after every step, part by part; backward leaves the gradients in it."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.parts: dict[str, list[Tensor]] = {part: [] for part in parts}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name in self.parts:
            value.retain_grad()
            self.parts[name].append(value)
        return value


def state_norms(stack: Stack, features: Tensor, loss: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """The norm of ∂loss/∂s_t for every part s of the state, such as h and c: [batch, frames], by the part's name.

    The stack has one layer in one direction. `loss` maps its hidden states [batch, frames, hidden] to the sum of the
    losses of the sequences. The effect of c_t through h_t counts as an effect of c_t.
    """
    tap = GradientTap(stack.layer(0).cell.state)
    hidden, _ = stack(features, taps=[tap])
    loss(hidden).backward()
    return {part: torch.stack([norm(step) for step in steps], 1) for part, steps in tap.parts.items()}


def norm(state: Tensor) -> Tensor:
    """The norm of the gradient of a state [1, batch, hidden] after backward: [batch]; 0 where it had no effect."""
    return state.new_zeros(state.shape[1]) if state.grad is None else state.grad.norm(dim=(0, 2))


@dataclass(frozen=True)
class Flow:
    """The norms of a gradient by the distance T − t in frames, from 0 up, over several sequences.

    `norm` is the median of ‖∂loss/∂s_t‖. The others are quantiles of its share in ‖∂loss/∂h_T‖, where h_T is the
    output of the last step: the median, the tenth percentile `low` and the ninetieth `high`.
    """

    norm: list[float]
    median: list[float]
    low: list[float]
    high: list[float]

    @property
    def reach(self) -> int:
        """The largest distance, in frames, at which at least a thousandth of the gradient is left."""
        return max((distance for distance, share in enumerate(self.median) if share >= FAINT), default=0)


def gradient_flow(network: Network, features: Tensor, labels: Tensor) -> dict[str, Flow]:
    """The flow of the gradient of the loss at the last frame, for every part of the state, the hidden state first.

    The hidden state is the first part that the next step reads: the output, but in a grid the state along time.
    Computed in float64, because in float32 a small gradient would be 0. The network does not change.
    """
    exact = copy.deepcopy(network).double().eval()

    def loss(hidden: Tensor) -> Tensor:
        return cross_entropy(exact.head(exact.pooling(hidden)), labels, reduction="sum")

    norms = state_norms(exact.stack, exact.normalise(features.double()), loss)
    last = next(iter(norms.values()))[:, -1:]
    parts = sorted(norms, key=lambda part: not norms[part][:, :-1].any())  # what no later step reads comes last
    return {part: quantiles(norms[part].flip(1), last) for part in parts}


def quantiles(norms: Tensor, last: Tensor) -> Flow:
    """Norms [batch, frames], the last frame first, and the norms at the last frame [batch, 1] → a `Flow`."""
    low, median, high = torch.nanquantile(norms / last, norms.new_tensor([0.1, 0.5, 0.9]), 0)
    return Flow(*(line.tolist() for line in (norms.nanmedian(0).values, median, low, high)))


@dataclass(frozen=True)
class Passage:
    """The gradient through chained words of one length, for a network trained on single words or untrained."""

    cell: str
    seed: int
    trained: bool
    seconds: int
    correct: int  # of MEASURED sequences
    flow: dict[str, Flow]

    @property
    def hidden(self) -> Flow:
        """The gradient of the hidden state."""
        return next(iter(self.flow.values()))


def passages(
    cell: str,
    seed: int,
    material: tuple[Sequences, Sequences],
    seconds: Sequence[int],
    steps: int,
    advance: Advance,
) -> list[Passage]:
    """The gradient of the answer to the last word of a chain, before and after training on single words.

    `material` is what the network trains on and what the gradient is measured on.
    """
    training, scoring = material
    network = small_network(cell, seed)
    set_normalisation(network, training)
    results = []
    for trained in (False, True):
        if trained:
            learn(network, lambda step: training.chain(1, BATCH, seed=step), steps, advance=partial(advance, 1))
        for length in seconds:
            chains = scoring.chain(length, MEASURED, seed=0)
            flow = gradient_flow(network, *chains)
            results.append(Passage(cell, seed, trained, length, correct(network, *chains), flow))
            advance(length)
    return results
