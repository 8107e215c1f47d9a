"""The Grid LSTM over time and frequency, which scans the mel bands of every frame."""

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
from speech_lstm.recurrent.cells.grid import LSTM_BLOCKS, remember, roles_in
from speech_lstm.recurrent.engine import run


def skew(sequence: Tensor) -> Tensor:
    """Frames [directions, frames, batch, bands, n] → the steps of the wave front [directions, frames + bands − 1,
    bands · batch, n], band k delayed by k steps; 0 where it has no frame."""
    bands = sequence.shape[3]
    steps = sequence.shape[1] + bands - 1
    # Cut into rows one shorter than they were, each starts one further to the left.
    filled = torch.nn.functional.pad(sequence.permute(0, 3, 1, 2, 4), (0, 0, 0, 0, 0, bands)).flatten(1, 2)
    return filled[:, : bands * steps].unflatten(1, (bands, steps)).transpose(1, 2).flatten(2, 3)


def unskew(steps: Tensor, bands: int, frames: int) -> Tensor:
    """The inverse of `skew`: [directions, frames + bands − 1, bands · batch, n] → [directions, frames, batch,
    bands, n]."""
    rows = steps.unflatten(2, (bands, -1)).transpose(1, 2).flatten(1, 2)
    filled = torch.nn.functional.pad(rows, (0, 0, 0, 0, 0, bands)).unflatten(1, (bands, frames + bands))
    return filled[:, :, :frames].permute(0, 2, 3, 1, 4)


def advance(
    x: Tensor, h: Tensor, m: Tensor, k: Tensor, n: Tensor, weights: Weights, tap: Tap = untapped
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One band of one frame: new hidden state and memory of time (h, m) and of frequency (k, n)."""
    parts = weights.product["recurrent"](x, torch.cat([h, k], -1)).chunk(8, -1)
    time, frequency = (dict(zip(LSTM_BLOCKS, four, strict=True)) for four in (parts[:4], parts[4:]))
    return *remember(time, m, "time", tap), *remember(frequency, n, "frequency", tap)


class Wave(Cell):
    """All bands as one batch, the lowest band first, moving in a wave front.

    In step s band k computes frame s − k. Its own frame before and the band below in the same frame are both of step
    s − 1, so all bands advance at once, and frames + bands − 1 steps are enough. k and n come from the band below.
    """

    state = ("h", "m", "k", "n")
    hands_up = "k"

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h, m, *below = state
        batch = h.shape[1] // self.config.bands
        k, n = (torch.nn.functional.pad(part[:, :-batch], (0, 0, batch, 0)) for part in below)
        return advance(frame.x, h, m, k, n, weights)


@register
class TimeFrequency(Cell):
    """Li, Mohamed, Zweig & Gong 2015; Sainath & Li 2016: their grid form, without peepholes and overlapping bands.

    The log-mel bands of a frame are divided into `bands` equal ones, which share their weights. The frequency LSTM
    scans them upward from zero in every frame, the time LSTM runs along the frames of each band; the memories are
    separate, and the gates of both read both hidden states. The output h of a frame holds time's hidden states of
    all bands and then frequency's, hidden / (2 · bands) units each; m holds the memories of time. Of h only time's
    half goes on to the next frame. The layers above are LSTMs. A gate's name in a tap ends in the band, as in
    `i_time.0`.
    """

    name = "grid-tf"
    title = "time-frequency Grid LSTM (first layer)"
    paper = "Li et al. 2015; Sainath & Li 2016"
    equations = (
        "in band b, for time and for frequency i, f, o = σ(W x_b + U h_time⁻ + V h_frequency(b−1) + b); "
        "z = tanh(likewise); m = f ⊙ m⁻ + i ⊙ z; h = o ⊙ tanh(m); frequency's m⁻ is that of band b−1"
    )
    inputs = tuple(f"{block}_{dimension}" for dimension in ("time", "frequency") for block in LSTM_BLOCKS)
    gates = tuple(f"{gate}_{dimension}" for gate in "ifoz" for dimension in ("time", "frequency"))
    roles: ClassVar[dict[str, str]] = roles_in("time", "frequency") | {"h": "output", "m": "memory of time"}
    keeps = "f_time"
    state = ("h", "m")
    reads_bands = True
    above = "lstm"

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        if config.tied:
            raise ConfigError(
                "the time-frequency Grid LSTM reads mel bands, which tied layers do not pass on; leave out tied"
            )
        if hidden % (2 * config.bands):
            raise ConfigError(
                f"{hidden} hidden units cannot be divided between time and frequency in {config.bands} bands; "
                f"choose a multiple of {2 * config.bands}"
            )
        super().__init__(hidden // (2 * config.bands), config, below)
        self.bands = config.bands
        self.gates = tuple(f"{gate}.{band}" for band in range(config.bands) for gate in TimeFrequency.gates)

    @property
    def output_size(self) -> int:
        return 2 * self.bands * self.hidden

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"recurrent": Matrix(8, 2)}

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        for name in ("f_time", "f_frequency"):
            bias[:, self.block(name)] = self.config.forget_bias

    def start(self, batch: int, directions: int, like: Tensor) -> State:
        half = self.bands * self.hidden
        return like.new_zeros(directions, batch, 2 * half), like.new_zeros(directions, batch, half)

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        xs, bands = layer.read(track), self.bands
        frames, batch = xs.shape[1:3]
        inside = torch.ones_like(xs[:1, ..., None, :1], dtype=torch.bool).expand(-1, -1, -1, bands, -1)
        half = bands * self.hidden  # of the old output only time's half goes on
        h, m = (part[..., :half].unflatten(-1, (bands, -1)).transpose(1, 2).flatten(1, 2) for part in state)
        zero, weights = torch.zeros_like(h), layer.weights()
        with torch.autocast(xs.device.type, enabled=False):
            wave = run(
                Wave(self.hidden, self.config),
                skew(xs.unflatten(-1, (bands, -1))),
                (h, m, zero, zero),
                weights,
                valid=skew(inside),
            )
        assert wave.memory is not None
        parts = [unskew(part, bands, frames) for part in (wave.hidden, wave.memory)]
        hidden = torch.cat([part.flatten(3) for part in parts], -1)
        memory = wave.state[1].unflatten(1, (bands, batch)).transpose(1, 2).flatten(2)
        return layer.track(hidden), (hidden[:, -1], memory)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        """One frame, band by band: the same as the wave front computes for many frames at once."""
        bands = self.bands
        h, m = state[0].chunk(2 * bands, -1)[:bands], state[1].chunk(bands, -1)
        k = n = torch.zeros_like(m[0])
        new: list[tuple[Tensor, Tensor, Tensor]] = []
        for band, x in enumerate(frame.x.chunk(bands, -1)):

            def tap(name: str, value: Tensor, band: int = band) -> Tensor:
                return frame.tap(f"{name}.{band}", value)

            h_new, m_new, k, n = advance(x, h[band], m[band], k, n, weights, tap)
            new.append((h_new, k, m_new))
        of_time, of_frequency, memories = zip(*new, strict=True)
        return torch.cat([*of_time, *of_frequency], -1), torch.cat(memories, -1)
