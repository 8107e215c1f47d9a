"""The gated recurrent unit in its two forms, and the three mutants that an architecture search found."""

from __future__ import annotations

import torch
from torch import Tensor

from speech_lstm.recurrent.cell import Cell, Frame, LayerLike, Matrix, State, Track, Vector, Weights, register

ROLES = {"r": "reset gate", "z": "update gate", "n": "candidate", "h": "hidden state"}


def blend(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(1 − share) ⊙ first + share ⊙ second: not torch.lerp, whose backward makes training a tenth slower."""
    return torch.addcmul(first, share, second - first)


@register
class GRU(Cell):
    """The GRU of torch.nn and cuDNN: the reset gate acts on the candidate's recurrent product and its bias."""

    name = "gru"
    title = "GRU (reset after the product)"
    paper = "Cho et al. 2014, as in cuDNN"
    equations = "r, z = σ(W x + U h⁻ + b); n = tanh(W x + b + r ⊙ (U h⁻ + b′)); h = z ⊙ h⁻ + (1 − z) ⊙ n"
    inputs: tuple[str, ...] = ("r", "z", "n")  # the order of torch.nn
    gates = ("r", "z", "n")
    roles = ROLES
    keeps = "z"

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix(3), "recurrent_bias": Vector()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        x, x_n = frame.x.split([2 * self.hidden, self.hidden], -1)
        products = weights.product["recurrent"](h.new_zeros(()), h)
        gates, n = products.split([2 * self.hidden, self.hidden], -1)
        r, z = (gates + x).sigmoid().chunk(2, -1)
        r, z = frame.tap("r", r), frame.tap("z", z)
        n = torch.addcmul(x_n, r, n + weights.vector["recurrent_bias"])
        n = frame.tap("n", n.tanh())
        return (blend(n, h, z),)

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        weights, both, training = layer.torch_weights(), layer.directions == 2, torch.is_grad_enabled()
        biases = layer.get_parameter("recurrent_bias")
        weights[3::4] = torch.nn.functional.pad(biases, (2 * self.hidden, 0))  # of r and z it is 0
        hidden, last = torch.gru(track.hidden, state[0], weights, True, 1, 0.0, training, both, False)
        return Track(hidden), (last,)


@register
class ChoGRU(Cell):
    """Cho et al. 2014: the reset gate acts on the hidden state before the candidate's recurrent product."""

    name = "gru-cho"
    title = "GRU (reset before the product)"
    paper = "Cho et al. 2014"
    equations = "r, z = σ(W x + U h⁻ + b); n = tanh(W x + U (r ⊙ h⁻) + b); h = z ⊙ h⁻ + (1 − z) ⊙ n"
    inputs = ("r", "z", "n")
    gates = ("r", "z", "n")
    roles = ROLES
    keeps = "z"

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"gates": Matrix(2), "candidate": Matrix()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        x, x_n = frame.x.split([2 * self.hidden, self.hidden], -1)
        r, z = weights.product["gates"](x, h).sigmoid().chunk(2, -1)
        r, z = frame.tap("r", r), frame.tap("z", z)
        n = frame.tap("n", weights.product["candidate"](x_n, r * h).tanh())
        return (blend(n, h, z),)


@register
class Mutant1(Cell):
    """MUT1: the update gate sees the input alone, and the input enters the candidate without a matrix."""

    name = "mut1"
    title = "MUT1"
    paper = "Jozefowicz, Zaremba & Sutskever 2015"
    equations = "z = σ(W x + b); r = σ(W x + U h⁻ + b); n = tanh(U (r ⊙ h⁻) + tanh(x) + b); h = z ⊙ n + (1 − z) ⊙ h⁻"
    inputs = ("z", "r")
    gates = ("r", "z", "n")
    roles = ROLES
    keeps = "1-z"
    bare_input = True

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"reset": Matrix(), "candidate": Matrix(), "candidate_bias": Vector()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        x_z, x_r, x = frame.x.chunk(3, -1)
        z = frame.tap("z", x_z.sigmoid())
        r = frame.tap("r", weights.product["reset"](x_r, h).sigmoid())
        n = weights.product["candidate"](x.tanh() + weights.vector["candidate_bias"], r * h)
        n = frame.tap("n", n.tanh())
        return (blend(h, n, z),)


@register
class Mutant2(Cell):
    """MUT2: the input enters the reset gate without a matrix."""

    name = "mut2"
    title = "MUT2"
    paper = "Jozefowicz, Zaremba & Sutskever 2015"
    equations = "z = σ(W x + U h⁻ + b); r = σ(x + U h⁻ + b); n = tanh(U (r ⊙ h⁻) + W x + b); h = z ⊙ n + (1 − z) ⊙ h⁻"
    inputs = ("n", "z")  # z next to x, which enters r
    gates = ("r", "z", "n")
    roles = ROLES
    keeps = "1-z"
    bare_input = True

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"gates": Matrix(2), "candidate": Matrix(), "reset_bias": Vector()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        x_n, x = frame.x.split([self.hidden, 2 * self.hidden], -1)
        z, r = weights.product["gates"](x, h).chunk(2, -1)
        r = frame.tap("r", (r + weights.vector["reset_bias"]).sigmoid())
        z = frame.tap("z", z.sigmoid())
        n = frame.tap("n", weights.product["candidate"](x_n, r * h).tanh())
        return (blend(h, n, z),)


@register
class Mutant3(Cell):
    """MUT3: the update gate sees the hidden state through tanh."""

    name = "mut3"
    title = "MUT3"
    paper = "Jozefowicz, Zaremba & Sutskever 2015"
    equations = (
        "z = σ(W x + U tanh(h⁻) + b); r = σ(W x + U h⁻ + b); n = tanh(U (r ⊙ h⁻) + W x + b); h = z ⊙ n + (1 − z) ⊙ h⁻"
    )
    inputs = ("z", "r", "n")
    gates = ("r", "z", "n")
    roles = ROLES
    keeps = "1-z"

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"update": Matrix(), "reset": Matrix(), "candidate": Matrix()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        x_z, x_r, x_n = frame.x.chunk(3, -1)
        z = frame.tap("z", weights.product["update"](x_z, h.tanh()).sigmoid())
        r = frame.tap("r", weights.product["reset"](x_r, h).sigmoid())
        n = frame.tap("n", weights.product["candidate"](x_n, r * h).tanh())
        return (blend(h, n, z),)
