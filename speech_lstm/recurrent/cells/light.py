"""Lighter cells: LiGRU has no reset gate, IndRNN no recurrent matrix, minGRU and minLSTM no h⁻ in their gates."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speech_lstm.recurrent.cell import (
    Cell,
    Frame,
    LayerLike,
    Matrix,
    State,
    Tap,
    Track,
    Vector,
    Weights,
    register,
    untapped,
)
from speech_lstm.recurrent.cells.gru import ROLES, blend

SPAN = 100  # frames, one second at the default hop: how long an IndRNN's memory may grow
LONGEST = 2 ** (1 / SPAN)  # the largest recurrent weight: a value at most doubles over the span


@register
class LiGRU(Cell):
    """Ravanelli, Brakel, Omologo & Bengio 2018: no reset gate, the rectifier, and batch normalisation of W x.

    The shift of the normalisation takes the place of the bias.
    """

    name = "ligru"
    title = "LiGRU (light GRU)"
    paper = "Ravanelli et al. 2018"
    equations = "z = σ(BN(W x) + U h⁻); n = relu(BN(W x) + U h⁻); h = z ⊙ h⁻ + (1 − z) ⊙ n"
    inputs = ("z", "n")
    gates = ("z", "n")
    roles = ROLES
    keeps = "z"
    bias = False
    normalised_input = True

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix(2)}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        z, n = weights.product["recurrent"](frame.x, h).chunk(2, -1)
        z, n = frame.tap("z", z.sigmoid()), frame.tap("n", n.relu())
        return (blend(n, h, z),)


@register
class IndRNN(Cell):
    """Li, Li, Cook, Zhu & Gao 2018: every unit reads only itself in the step before, by a bounded weight."""

    name = "indrnn"
    title = "IndRNN (independent units)"
    paper = "Li et al. 2018"
    equations = f"h = relu(W x + u ⊙ h⁻ + b), |u| ≤ 2^(1/{SPAN})"
    inputs = ("h",)

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Vector(low=0.0, high=LONGEST)}

    def constrain(self, name: str, weight: Tensor) -> Tensor:
        return Bound.apply(weight, LONGEST)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        return (torch.addcmul(frame.x, weights.vector["recurrent"], state[0]).relu(),)


class Bound(torch.autograd.Function):
    """Clamp to ±limit. A weight beyond the limit still gets the gradient that leads it back, as if it were clipped
    after the optimizer's step; clamp's own gradient is 0 there and would leave it at the limit for good."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.limit = limit
        return weight.clamp(-limit, limit)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        outward = (weight.abs() > ctx.limit) & (gradient * weight < 0)  # the optimizer steps against the gradient
        return gradient.masked_fill(outward, 0), None


class Minimal(Cell):
    """Feng et al. 2024: h = a ⊙ h⁻ + b, where a and b depend on the input alone.

    The candidate is their positive g(x), that of the log-space form: x + ½ from 0 up, σ(x) below.
    """

    paper = "Feng et al. 2024"

    def coefficients(self, x: Tensor, tap: Tap) -> tuple[Tensor, Tensor]:
        """a and b [..., hidden] of input products [..., blocks · hidden], of one frame or of all at once."""
        raise NotImplementedError

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        a, b = self.coefficients(frame.x, frame.tap)
        return (torch.addcmul(b, a, h),)

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        """The coefficients of all frames at once, then the recurrence h = a ⊙ h⁻ + b.

        On the CPU the scan takes 1.6 to 1.9 times as long as one frame after another (forward and backward, 98
        frames, batch 64, hidden 128, one thread). On a GPU it takes two thirds of the time of an IndRNN's loop, and
        a third without CUDA graphs (NVIDIA H200).
        """
        h = state[0]
        xs = layer.read(track)
        with torch.autocast(h.device.type, enabled=False):
            a, b = self.coefficients(xs, untapped)
            hidden = scan(a, b, h) if h.device.type == "cuda" else one_by_one(a, b, h)
        return layer.track(hidden), (hidden[:, -1],)


@register
class MinGRU(Minimal):
    """minGRU: the update gate reads only the input."""

    name = "mingru"
    title = "minGRU"
    equations = "z = σ(W x + b); n = g(W x + b), g(x) = x + ½ where x ≥ 0, else σ(x); h = (1 − z) ⊙ h⁻ + z ⊙ n"
    inputs: tuple[str, ...] = ("z", "n")
    gates = ("z", "n")
    roles = ROLES
    keeps = "1-z"

    def coefficients(self, x: Tensor, tap: Tap) -> tuple[Tensor, Tensor]:
        z, n = x.chunk(2, -1)
        z, n = tap("z", z.sigmoid()), tap("n", positive(n))
        return 1 - z, z * n


@register
class MinLSTM(Minimal):
    """minLSTM: both gates read only the input and are scaled to a sum of 1."""

    name = "minlstm"
    title = "minLSTM"
    equations = (
        "f, i = σ(W x + b); f' = f / (f + i); i' = i / (f + i); n = g(W x + b), "
        "g(x) = x + ½ where x ≥ 0, else σ(x); h = f' ⊙ h⁻ + i' ⊙ n"
    )
    inputs: tuple[str, ...] = ("f", "i", "n")
    gates = ("f'", "i'", "n")
    roles: ClassVar[dict[str, str]] = ROLES | {"f'": "forget gate", "i'": "input gate"}
    keeps = "f'"

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        bias[:, self.block("f")] = self.config.forget_bias

    def coefficients(self, x: Tensor, tap: Tap) -> tuple[Tensor, Tensor]:
        f, i, n = x.chunk(3, -1)
        # f / (f + i) as the sigmoid of log f − log i: shut gates, f = i = 0 in float32, give no 0 / 0.
        odds = torch.nn.functional.logsigmoid(f) - torch.nn.functional.logsigmoid(i)
        f, i = tap("f'", odds.sigmoid()), tap("i'", (-odds).sigmoid())
        return f, i * tap("n", positive(n))


def positive(x: Tensor) -> Tensor:
    """g of Feng et al. 2024: x + ½ from 0 up, σ(x) below; of any shape."""
    return torch.where(x >= 0, x + 0.5, x.sigmoid())


def one_by_one(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """All h = a ⊙ h⁻ + b of a sequence, one after another; shapes as in `scan`."""
    h, hidden = start, []
    for factor, term in zip(a.unbind(1), b.unbind(1), strict=True):
        h = torch.addcmul(term, factor, h)
        hidden.append(h)
    return torch.stack(hidden, 1)


def scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """All h = a ⊙ h⁻ + b of a sequence, in as many rounds as its length has binary digits (Hillis & Steele 1986).

    a and b [directions, frames, batch, hidden], `start` the h before them [directions, batch, hidden]. A round
    combines every frame with the one a distance before it and doubles the distance. There is no division and no
    logarithm, so gates of 0 and 1 are exact.
    """
    b = torch.cat([torch.addcmul(b[:, :1], a[:, :1], start[:, None]), b[:, 1:]], 1)
    distance = 1
    while distance < b.shape[1]:
        combined = torch.addcmul(b[:, distance:], a[:, distance:], b[:, :-distance])
        b = torch.cat([b[:, :distance], combined], 1)
        a = torch.cat([a[:, :distance], a[:, distance:] * a[:, :-distance]], 1)
        distance *= 2
    return b
