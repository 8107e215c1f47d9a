"""A layer: one cell with its weights over all frames, in one or both directions. A track in, a track out."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import Cell, Matrix, Product, State, Tap, Track, Weights, untapped
from speech_lstm.recurrent.engine import Recurrent, run
from speech_lstm.recurrent.norm import InputNorm

# cuDNN copies the weights of `Layer.torch_weights` into one block at every call and warns about it; they are small.
warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")


class Layer(torch.nn.Module):
    """The weights of a layer and the way through it.

    The input's matrix is [directions, blocks · hidden, inputs / bands]; `config` decides about the directions.
    """

    def __init__(self, cell: Cell, inputs: int) -> None:
        """Raises ConfigError where the inputs cannot be divided into the cell's bands."""
        if inputs % cell.bands:
            raise ConfigError(
                f"{inputs} mel bands cannot be divided into {cell.bands} equal bands; "
                "choose a number of bands that divides them"
            )
        super().__init__()
        self.cell, self.directions = cell, 2 if cell.config.bidirectional else 1
        self.size = cell.output_size * self.directions
        inputs //= cell.bands
        rows = len(cell.inputs) * cell.hidden
        self.front: torch.nn.Parameter | None = None
        if cell.bare_input and inputs != cell.hidden:
            self.front = self.parameter(cell.hidden, inputs)
            inputs = cell.hidden
        self.input = self.parameter(rows, inputs)
        self.bias = self.parameter(rows) if cell.bias else None
        self.normalise = InputNorm(self.directions * rows) if cell.normalised_input else None
        self.specs = cell.weights()
        for name, spec in self.specs.items():
            if isinstance(spec, Matrix):
                weight = self.parameter(spec.rows * cell.hidden, spec.columns * cell.hidden)
            else:
                weight = self.parameter(spec.blocks * cell.hidden)
            self.register_parameter(name, weight)
        if not self.input.is_meta:  # on the meta device orthogonal_ would import sympy: two seconds
            self.initialise()

    def parameter(self, *shape: int) -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.empty(self.directions, *shape))

    @torch.no_grad()
    def initialise(self) -> None:
        """Input weights as in torch.nn, recurrent matrices of orthogonal blocks, biases 0 or the cell's."""
        bound = self.cell.hidden**-0.5
        for matrix in (self.front, self.input):
            if matrix is not None:
                matrix.uniform_(-bound, bound)
        if self.bias is not None:
            self.cell.initialise_bias(self.bias.zero_())
        for name, spec in self.specs.items():
            weight = self.get_parameter(name)
            if not isinstance(spec, Matrix):
                weight.uniform_(spec.low, spec.high)
                continue
            fill = torch.nn.init.eye_ if spec.identity else torch.nn.init.orthogonal_
            for direction in weight:
                for row in direction.chunk(spec.rows, 0):
                    for block in row.chunk(spec.columns, 1):
                        fill(block)

    def forward(
        self,
        track: Track,
        state: State | None = None,
        lengths: Tensor | None = None,
        index: int = 0,
        tap: Tap | None = None,
    ) -> tuple[Track, State]:
        """The track after this layer, and the state after the last frame.

        `state` is the state before the first frame, `lengths` int64 [batch] the number of frames without padding, and
        `index` the number of the first frame in a longer recording; `tap` is called with every gate and state.
        """
        if state is None:
            state = self.cell.start(track.hidden.shape[1], self.directions, self.input)
        if tap is None and lengths is None and (result := self.cell.kernel(self, track, state, index)) is not None:
            return result
        xs, weights = self.read(track, lengths), self.weights()
        below = self.directed(track.memory, lengths) if track.memory is not None else None
        valid = valid_frames(lengths, xs.shape[1]) if lengths is not None else None
        with torch.autocast(xs.device.type, enabled=False):  # `Recurrent` has a precision of its own
            sequence = run(self.cell, xs, state, weights, below, valid, index, tap or untapped)
        return self.track(sequence.hidden, sequence.memory, lengths), sequence.state

    def read(self, track: Track, lengths: Tensor | None = None) -> Tensor:
        """The input products of a track [directions, frames, batch, …], as each direction reads it."""
        both = track.hidden.expand(self.directions, *track.hidden.shape)
        return self.project(self.directed(both, lengths), lengths)

    def project(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The input products of all frames at once: x [directions, frames, batch, inputs] → [directions, frames,
        batch, bands · blocks · hidden], each band's followed by its part of x for a cell with `bare_input`."""
        batch, bands = x.shape[2], self.cell.bands
        if bands > 1:  # as if each band were a recording
            x = x.unflatten(-1, (bands, -1)).flatten(2, 3)
        if self.front is not None:
            x = multiply(x, self.front)
        xs = multiply(x, self.input, self.bias)
        if self.normalise is not None:
            xs = self.normalise(xs, valid_frames(lengths, x.shape[1]) if lengths is not None else None)
        xs = xs.to(self.input.dtype)  # one precision for the step, also under autocast
        if self.cell.bare_input:
            xs = torch.cat([xs, x.to(xs.dtype)], -1)
        return xs.unflatten(2, (batch, bands)).flatten(3) if bands > 1 else xs

    @property
    def product_dtype(self) -> torch.dtype:
        """The precision of matrix products: half precision under autocast."""
        kind = self.input.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.input.dtype

    def weights(self) -> Weights:
        """The weights for one loop over time."""
        products: dict[str, Product] = {}
        vectors: dict[str, Tensor] = {}
        for name, spec in self.specs.items():
            weight = self.cell.constrain(name, self.get_parameter(name))
            if isinstance(spec, Matrix):
                products[name] = Recurrent(weight, self.product_dtype)
            else:
                vectors[name] = weight[:, None]
        return Weights(products, vectors)

    def torch_weights(self) -> list[Tensor]:
        """The weights in the order of torch.nn's fused kernels, with 0 for their second bias."""
        assert self.bias is not None
        recurrent, zero = self.get_parameter("recurrent"), self.bias.new_zeros(self.bias.shape[1])
        each = [(self.input[i], recurrent[i], self.bias[i], zero) for i in range(self.directions)]
        return [weight for direction in each for weight in direction]

    def directed(self, sequences: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sequences [directions, frames, batch, …], the backward direction's in the order in which it reads them."""
        if self.directions == 1:
            return sequences
        return torch.stack([sequences[0], backward_in_time(sequences[1], lengths)])

    def track(self, hidden: Tensor, memory: Tensor | None = None, lengths: Tensor | None = None) -> Track:
        """A loop's results [directions, frames, batch, …] in the order of time, padding set to 0."""
        if lengths is not None:
            hidden = hidden * valid_frames(lengths, hidden.shape[1])
        if memory is not None:
            memory = self.directed(memory, lengths)
        both = hidden[:1] if self.directions == 1 else (hidden[0], backward_in_time(hidden[1], lengths))
        return Track(torch.cat(tuple(both), -1), memory)


def multiply(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """W·x + b of every direction: [directions, frames, batch, inputs] → [directions, frames, batch, rows]."""
    flat = x.flatten(1, 2)
    transposed = matrix.transpose(1, 2)
    out = torch.bmm(flat, transposed) if bias is None else torch.baddbmm(bias[:, None], flat, transposed)
    return out.unflatten(1, x.shape[1:3])


def backward_in_time(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """A sequence [frames, batch, …] from its last frame to its first; padding stays at the end."""
    if lengths is None:
        return sequence.flip(0)
    time = torch.arange(len(sequence), device=sequence.device)[:, None]
    index = torch.where(time < lengths, lengths - 1 - time, time)
    return sequence.gather(0, index[..., None].expand_as(sequence))


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """Whether a frame is no padding: bool [1, frames, batch, 1]."""
    return (torch.arange(frames, device=lengths.device)[:, None] < lengths)[None, :, :, None]
