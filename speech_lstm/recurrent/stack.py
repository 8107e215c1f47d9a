"""The stack of recurrent layers: features of every frame in, hidden states of every frame out."""

from __future__ import annotations

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig


class Stack(torch.nn.Module):
    """Stacked LSTM (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000), in one or both directions.

    The fused kernel of torch.nn runs it. torch.nn adds two biases to every gate; the forget gate's are
    set to `forget_bias` and 0, so that their sum is what Jozefowicz et al. (2015) advise.
    """

    def __init__(self, inputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.size = config.hidden * (2 if config.bidirectional else 1)
        self.lstm = torch.nn.LSTM(
            inputs,
            config.hidden,
            config.layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        if not self.lstm.weight_hh_l0.is_meta:  # orthogonal_ of mere shapes would import sympy: two seconds
            self.initialise(config.hidden, config.forget_bias)

    @torch.no_grad()
    def initialise(self, hidden: int, forget_bias: float) -> None:
        """Orthogonal recurrent weights for each gate, biases 0 but for the forget gate's."""
        forget = slice(hidden, 2 * hidden)  # gates lie in the order input, forget, candidate, output
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight_hh"):
                for gate in parameter.chunk(4):
                    torch.nn.init.orthogonal_(gate)
            elif name.startswith("bias"):
                parameter.zero_()
                if name.startswith("bias_ih"):
                    parameter[forget] = forget_bias

    def forward(self, features: Tensor) -> Tensor:
        """Features [batch, frames, inputs] → hidden states [batch, frames, size], forward direction first."""
        hidden, _ = self.lstm(features)
        return hidden
