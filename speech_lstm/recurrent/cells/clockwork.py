"""The Clockwork RNN: modules of the hidden state that step at their own periods."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import Cell, Frame, LayerLike, Matrix, State, Track, Vector, Weights, register
from speech_lstm.recurrent.cells.clockwork_layer import ClockworkLayer


@register
class Clockwork(Cell):
    """Koutník, Greff, Gomez & Schmidhuber 2014, section 3, with the periods 1, 2, 4, … and tanh.

    The hidden state is divided into `clocks` modules of equal size. Step t computes the modules whose period divides
    t, all of them at t = 0; the others keep their value. A module sees itself and the slower ones: U is block
    upper triangular. Fast modules come first, so that the modules of a step are the first rows of W, U and h.
    """

    name = "clockwork"
    title = "Clockwork RNN"
    paper = "Koutník et al. 2014"
    equations = "where 2^g divides t: h_g = tanh(W_g x + Σ_{j≥g} U_gj h_j⁻ + b_g); elsewhere h_g = h_g⁻"
    inputs = ("h",)
    gates = ("clock",)
    roles: ClassVar[dict[str, str]] = {"clock": "clock: the unit moves", "h": "hidden state"}

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        super().__init__(hidden, config, below)
        if hidden % config.clocks:
            raise ConfigError(
                f"{hidden} hidden units cannot be divided into {config.clocks} equal clockwork modules; "
                "choose a hidden size that clocks divides"
            )
        self.module = hidden // config.clocks

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix()}

    def constrain(self, name: str, weight: Tensor) -> Tensor:
        """U without the blocks that lead from a fast module to a slower one."""
        module = torch.arange(self.hidden, device=weight.device) // self.module
        return weight * (module >= module[:, None])

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        recurrent = self.constrain("recurrent", layer.get_parameter("recurrent"))
        weights = layer.input, layer.bias, recurrent
        settings = self.config.clocks, index, layer.product_dtype
        hidden, h = ClockworkLayer.apply(track.hidden, *weights, state[0], *settings)
        return Track(hidden), (h,)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h = state[0]
        new = weights.product["recurrent"](frame.x, h).tanh()
        periods = 1 << torch.arange(self.hidden, device=h.device) // self.module
        clock = (frame.index % periods == 0).to(h.dtype).expand_as(h)
        return (torch.where(frame.tap("clock", clock) > 0, new, h),)
