"""Training as in a stream: a recording begins with the state in which the network left the recording before.

A network of one direction carries its state through a stream of any length, but a recording of a second begins with
none. Here each row of a batch follows the same row of the batch before: the network reads one stream of seconds per
row. No gradient goes back into the second before, so a step costs what it costs without a state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speech_lstm.model.network import Network
from speech_lstm.recurrent.cell import State
from speech_lstm.recurrent.stack import Carry


class CarriedStates:
    """The states of the rows of a batch, for `share` of them; the others begin as a recording alone."""

    def __init__(self, network: Network, share: float, rows: int) -> None:
        """The network is on the device that trains; `rows` is the number of recordings of each batch."""
        stack = network.stack
        layers = [stack.layer(i) for i in range(stack.depth)]
        self.network, self.share = network, share
        self.start: tuple[State, ...] = tuple(
            layer.cell.start(rows, layer.directions, layer.input.detach()) for layer in layers
        )
        self.states = self.start

    def logits(self, features: Tensor, seed: int) -> Tensor:
        """Features float32 [rows, frames, size] → logits [rows, labels]. The state after them is kept."""
        random = torch.Generator().manual_seed(seed)
        carried = (torch.rand(len(features), generator=random) < self.share).to(features.device)[None, :, None]
        before = tuple(
            tuple(torch.where(carried, old, start) for old, start in zip(olds, starts, strict=True))
            for olds, starts in zip(self.states, self.start, strict=True)
        )
        pooled, after = self.network.read(features, carry=Carry(before, 0))
        self.states = tuple(
            tuple(part.detach().to(start.dtype) for part, start in zip(parts, starts, strict=True))
            for parts, starts in zip(after.states, self.start, strict=True)
        )
        logits: Tensor = self.network.head(self.network.dropout(pooled))
        return logits

    def tensors(self) -> dict[str, Tensor]:
        """The states by names, for the file that a run continues from."""
        return {f"{i}/{j}": part for i, state in enumerate(self.states) for j, part in enumerate(state)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `tensors` returned."""
        self.states = tuple(
            tuple(tensors[f"{i}/{j}"].to(part.device) for j, part in enumerate(state))
            for i, state in enumerate(self.start)
        )
