"""The Depth-Gated LSTM: the memory of the layer below flows up through a gate."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import Frame, LayerLike, Matrix, State, Track, Vector, Weights, register
from speech_lstm.recurrent.cells.depth_gated_layer import DepthGatedLoop
from speech_lstm.recurrent.cells.lstm import Peephole


@register
class DepthGated(Peephole):
    """Yao, Cohn, Vylomova, Duh & Dyer 2015; the first layer has none below and is a peephole LSTM.

    With l for the layer below: d = σ(W_d x + w_d ⊙ c⁻ + w_l ⊙ c_l + b_d); c = d ⊙ c_l + f ⊙ c⁻ + i ⊙ z.
    """

    name = "depth-gated"
    title = "Depth-Gated LSTM"
    paper = "Yao et al. 2015"
    equations = "peephole with d = σ(W x + w ⊙ c⁻ + v ⊙ c_below + b); c = d ⊙ c_below + f ⊙ c⁻ + i ⊙ z"
    gates: tuple[str, ...] = ("i", "f", "o", "d", "z")
    roles: ClassVar[dict[str, str]] = Peephole.roles | {"d": "depth gate"}
    hands_up = "c"

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        super().__init__(hidden, config, below)
        if below not in (0, hidden):
            raise ConfigError(
                f"a depth gate adds the memory of the layer below, of {below} units, to its own of {hidden} units; "
                "make all sizes equal"
            )
        if below:
            self.inputs = (*Peephole.inputs, "d")
        else:
            self.gates = Peephole.gates

    def weights(self) -> dict[str, Matrix | Vector]:
        weights: dict[str, Matrix | Vector] = {"recurrent": Matrix(4), "peepholes": Vector(3)}
        return weights | ({"depth": Vector(2)} if self.below else {})

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        """d starts as 1 − f: a constant memory below then gives a memory of the same size here, as Σ d f^n = 1."""
        super().initialise_bias(bias)
        if self.below:
            bias[:, self.block("d")] = -self.config.forget_bias

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        xs, below, depth = layer.read(track), None, None
        if track.memory is not None:
            below, depth = layer.directed(track.memory), layer.get_parameter("depth")
        else:  # the first of tied layers has the weights of d, but does not use them
            xs = xs[..., : 4 * self.hidden]
        weights = layer.get_parameter("recurrent"), layer.get_parameter("peepholes"), depth
        hidden, memory = DepthGatedLoop.apply(xs, below, *weights, *state, layer.product_dtype)
        return layer.track(hidden, memory), (hidden[:, -1], memory[:, -1])

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h, c = state
        x, *x_d = frame.x.split([4 * self.hidden, *[self.hidden] * bool(self.below)], -1)
        i, f, z, o = weights.product["recurrent"](x, h).chunk(4, -1)
        p_i, p_f, p_o = weights.vector["peepholes"].chunk(3, -1)
        i = frame.tap("i", torch.addcmul(i, p_i, c).sigmoid())
        f = frame.tap("f", torch.addcmul(f, p_f, c).sigmoid())
        z = frame.tap("z", z.tanh())
        new = torch.addcmul(f * c, i, z)
        if frame.below is not None:
            w_d, w_l = weights.vector["depth"].chunk(2, -1)
            d = torch.addcmul(torch.addcmul(x_d[0], w_d, c), w_l, frame.below).sigmoid()
            new = torch.addcmul(new, frame.tap("d", d), frame.below)
        o = frame.tap("o", torch.addcmul(o, p_o, new).sigmoid())
        return o * new.tanh(), new
