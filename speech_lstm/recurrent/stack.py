"""The stack of recurrent layers: features of every frame in, hidden states of every frame out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import State, Tap, Track
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.registry import find_cell


class Carry(NamedTuple):
    """The state of a stack between two chunks of a recording."""

    states: tuple[State, ...]  # of each layer
    frames: int  # so far


class Stack(torch.nn.Module):
    """Layers of one kind of cell, in one or both directions; dropout between them."""

    def __init__(self, inputs: int, config: NetworkConfig) -> None:
        """Raises ConfigError for a cell that is not registered and for sizes that it cannot have."""
        super().__init__()
        self.config = config
        self.embed: torch.nn.Linear | None = None
        sizes = config.layer_sizes
        if config.tied:
            if len(set(sizes)) > 1:
                raise ConfigError(
                    f"tied layers share their weights, so all sizes must be equal, but they are {config.sizes}"
                )
            self.embed = torch.nn.Linear(inputs, sizes[0] * (2 if config.bidirectional else 1))
            inputs = self.embed.out_features
        self.depth = len(sizes)
        self.layers = torch.nn.ModuleList()
        below = sizes[0] if config.tied and find_cell(config.cell).hands_up else 0
        for i, size in enumerate(sizes[:1] if config.tied else sizes):
            first = find_cell(config.cell)
            kind = find_cell(first.above) if i and first.above else first
            layer = Layer(kind(size, config, below), inputs)
            self.layers.append(layer)
            inputs, below = layer.size, size if kind.hands_up else 0
        self.size = inputs

    def forward(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        carry: Carry | None = None,
        taps: Sequence[Tap | None] | None = None,
    ) -> tuple[Tensor, Carry]:
        """Features [batch, frames, inputs] → hidden states [batch, frames, size], forward direction first.

        `lengths` int64 [batch] are the numbers of frames without padding, `carry` is what the call for the chunk
        before returned (for the backward direction: for the chunk after), and `taps` are one for each layer.
        """
        nothing = (None,) * self.depth
        before, index = (carry.states, carry.frames) if carry else (nothing, 0)
        track, after = self.begin(features), []
        for i, (state, tap) in enumerate(zip(before, taps or nothing, strict=True)):
            track, last = self.climb(i, track, state, lengths, index, tap)
            after.append(last)
        return track.hidden.transpose(0, 1), Carry(tuple(after), index + features.shape[1])

    def begin(self, features: Tensor) -> Track:
        """The track below the first layer, of features [batch, frames, inputs]."""
        return Track(features.transpose(0, 1) if self.embed is None else self.embed(features).transpose(0, 1))

    def climb(
        self,
        i: int,
        track: Track,
        state: State | None = None,
        lengths: Tensor | None = None,
        index: int = 0,
        tap: Tap | None = None,
    ) -> tuple[Track, State]:
        """The track above layer i, counted from 0, given the one below it: see `Layer.forward`."""
        if i:
            dropped = torch.nn.functional.dropout(track.hidden, self.config.dropout, self.training)
            track = Track(dropped, track.memory)
        return self.layer(i)(track, state, lengths, index, tap)

    def layer(self, i: int) -> Layer:
        """Layer i, counted from 0; tied layers are one."""
        layer = self.layers[0 if self.config.tied else i]
        assert isinstance(layer, Layer)
        return layer
