"""The plain recurrent network, whose fading memory the gates of other cells were invented to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from speech_lstm.recurrent.cell import Cell, Frame, LayerLike, Matrix, State, Track, Vector, Weights, register


@register
class Vanilla(Cell):
    """Elman 1990, with tanh."""

    name = "rnn"
    title = "plain RNN (tanh)"
    paper = "Elman 1990"
    equations = "h = tanh(W x + U h⁻ + b)"
    inputs = ("h",)
    activation: Callable[[Tensor], Tensor] = staticmethod(torch.tanh)
    fused: Callable[..., tuple[Tensor, Tensor]] = staticmethod(torch.rnn_tanh)

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix()}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        return (self.activation(weights.product["recurrent"](frame.x, state[0])),)

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        weights, both, training = layer.torch_weights(), layer.directions == 2, torch.is_grad_enabled()
        hidden, last = self.fused(track.hidden, state[0], weights, True, 1, 0.0, training, both, False)
        return Track(hidden), (last,)


@register
class Rectified(Vanilla):
    """The plain network with the rectifier in place of tanh."""

    name = "rnn-relu"
    title = "plain RNN (relu)"
    equations = "h = relu(W x + U h⁻ + b)"
    activation = staticmethod(torch.relu)
    fused = staticmethod(torch.rnn_relu)


@register
class Identity(Rectified):
    """Le, Jaitly & Hinton 2015: the rectifier, started from the identity, with which it keeps its state at first."""

    name = "irnn"
    title = "IRNN"
    paper = "Le, Jaitly & Hinton 2015"
    equations = "h = relu(W x + U h⁻ + b), U = identity and b = 0 at the start"

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix(identity=True)}
