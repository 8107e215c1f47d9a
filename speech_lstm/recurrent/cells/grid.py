"""The Grid LSTM over time and depth: a memory in both dimensions."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError
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
from speech_lstm.recurrent.cells.grid_depth import DepthLSTM
from speech_lstm.recurrent.cells.lstm import fused_lstm

LSTM_BLOCKS = ("i", "f", "z", "o")  # the order of torch.nn


def roles_in(*dimensions: str) -> dict[str, str]:
    """The full names of the gates of LSTMs along some dimensions."""
    names = {"i": "input gate", "f": "forget gate", "o": "output gate", "z": "candidate"}
    return {f"{gate}_{along}": f"{role} of {along}" for gate, role in names.items() for along in dimensions}


def remember(
    sums: dict[str, Tensor], memory: Tensor | None, dimension: str, tap: Tap = untapped
) -> tuple[Tensor, Tensor]:
    """The LSTM that runs along one dimension: its gates' sums and old memory → the new hidden state and memory.

    Kalchbrenner et al. 2015, section 2, with h' = o ⊙ tanh(m') as in the LSTM of every other cell here
    (they write tanh(o ⊙ m')). A memory of None is one of zeros.
    """
    z = tap(f"z_{dimension}", sums["z"].tanh())
    i = tap(f"i_{dimension}", sums["i"].sigmoid())
    if memory is None:
        memory = i * z
    else:
        f = tap(f"f_{dimension}", sums["f"].sigmoid())
        memory = torch.addcmul(f * memory, i, z)
    o = tap(f"o_{dimension}", sums["o"].sigmoid())
    return o * memory.tanh(), memory


@register
class Grid(Cell):
    """Kalchbrenner, Danihelka & Graves 2015, section 3, in two dimensions: time and depth.

    An LSTM runs along each, and the gates of both read both hidden states: that of time, from the frame before,
    and that of depth, which comes from the layer below as its output and is x here. Depth's memory goes up as
    `m_depth`; only the state's parts of time go on to the next frame. With `time_first` depth reads time's new hidden
    state in place of the old one (section 3.2). The first layer has a memory below of zeros, and no forget gate for
    it.
    """

    name = "grid"
    title = "Grid LSTM (time × depth)"
    paper = "Kalchbrenner et al. 2015"
    equations = (
        "for time and for depth i, f, o = σ(W x + U h_time⁻ + b); z = tanh(W x + U h_time⁻ + b); m = f ⊙ m⁻ + i ⊙ z; "
        "h = o ⊙ tanh(m); x is h_depth and depth's m⁻ is m_depth of the layer below"
    )
    inputs: tuple[str, ...] = ("i_time", "f_time", "z_time", "o_time", "i_depth", "o_depth", "f_depth", "z_depth")
    gates: tuple[str, ...] = ("i_time", "f_time", "o_time", "i_depth", "f_depth", "o_depth", "z_time", "z_depth")
    roles: ClassVar[dict[str, str]] = roles_in("time", "depth") | {
        "h_depth": "output of depth",
        "m_depth": "memory of depth",
        "h_time": "output of time",
        "m_time": "memory of time",
    }
    keeps = "f_time"
    state = ("h_depth", "m_depth", "h_time", "m_time")
    hands_up = "m_depth"

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        super().__init__(hidden, config, below)
        if below not in (0, hidden):
            raise ConfigError(
                f"a Grid LSTM of {hidden} units cannot use the memory of {below} units of the layer below; "
                "make all sizes equal"
            )
        if not below:
            self.inputs, self.gates = (
                tuple(name for name in names if name != "f_depth") for names in (Grid.inputs, Grid.gates)
            )

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"time": Matrix(4), "depth": Matrix(len(self.inputs) - 4)}

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        for name in ("f_time", "f_depth"):
            if name in self.inputs:
                bias[:, self.block(name)] = self.config.forget_bias

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        """Time does not depend on depth, so time runs first and then depth, all frames at once."""
        assert layer.bias is not None
        (_, _, *start), time = state, 4 * self.hidden
        memory = track.memory
        if memory is None and self.below:  # the first of tied layers
            memory = start[1].new_zeros(layer.directions, *track.hidden.shape[:2], self.hidden)
        of_time, zero = (layer.input, layer.get_parameter("time"), layer.bias), layer.bias.new_zeros(time)
        weights = [part for d in range(layer.directions) for part in (*(w[d, :time] for w in of_time), zero)]
        hidden, *ended = fused_lstm(track.hidden, tuple(start), weights, layer.directions == 2)
        outs: list[tuple[Tensor, Tensor]] = []
        for d, read in enumerate(hidden.split(self.hidden, -1)):
            if not self.config.time_first:
                first = start[0][d : d + 1]
                read = torch.cat([read[1:], first] if d else [first, read[:-1]])
            sums = torch.addmm(layer.bias[d, time:], track.hidden.flatten(0, 1), layer.input[d, time:].t())
            sums = torch.addmm(sums, read.flatten(0, 1), layer.get_parameter("depth")[d].t()).to(start[0].dtype)
            below = memory[d] if memory is not None else None
            outs.append(DepthLSTM.apply(sums.view(*read.shape[:2], -1), below))
        hiddens, memories = zip(*outs, strict=True)
        last = (torch.stack([part[0 if d else -1] for d, part in enumerate(parts)]) for parts in (hiddens, memories))
        return Track(torch.cat(hiddens, -1), torch.stack(memories)), (*last, *ended)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        _, _, h, m = state
        x_time, x_depth = frame.x.tensor_split((4 * self.hidden,), -1)
        time = dict(zip(LSTM_BLOCKS, weights.product["time"](x_time, h).chunk(4, -1), strict=True))
        h_time, m_time = remember(time, m, "time", frame.tap)
        depth = self.of_depth(weights.product["depth"](x_depth, h_time if self.config.time_first else h))
        return *remember(depth, frame.below, "depth", frame.tap), h_time, m_time

    def of_depth(self, sums: Tensor) -> dict[str, Tensor]:
        """The blocks of depth's sums […, blocks · hidden] by their names."""
        names = self.inputs[4:]
        return {name[0]: part for name, part in zip(names, sums.chunk(len(names), -1), strict=True)}
