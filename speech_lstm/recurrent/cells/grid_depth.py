"""The LSTM of a Grid layer's depth for all frames at once, with its derivative written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speech_lstm.recurrent.cells.lstm_layer import sigmoid_backward, tanh_, tanh_backward


class DepthLSTM(torch.autograd.Function):
    """The gates' sums in the order i, o, f, z and the memory below → the new hidden states and memory.

    m = f ⊙ m_below + i ⊙ z; h = o ⊙ tanh(m) (Kalchbrenner et al. 2015). Without a memory below there is no f. The
    derivative is that of one LSTM step, see lstm_layer.py, without peepholes and with m_below for c⁻.
    """

    @staticmethod
    def forward(ctx: Any, sums: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        """sums [frames, batch, blocks · hidden], below [frames, batch, hidden] → twice [frames, batch, hidden]."""
        hidden = sums.shape[-1] // (3 if below is None else 4)
        gates = torch.empty_like(sums)
        torch.sigmoid(sums[..., :-hidden], out=gates[..., :-hidden])
        z = tanh_(gates[..., -hidden:].copy_(sums[..., -hidden:]))
        i, o, *f, _ = gates.split(hidden, -1)
        memory = i * z
        if below is not None:
            memory.addcmul_(f[0], below)
        squashed = tanh_(memory.clone())
        ctx.save_for_backward(gates, below, squashed)
        return o * squashed, memory

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_h: Tensor, to_memory: Tensor) -> tuple[Tensor, Tensor | None]:
        gates, below, squashed = ctx.saved_tensors
        hidden = squashed.shape[-1]
        sums = torch.empty_like(gates)
        i, o, *f, z = gates.split(hidden, -1)
        to_i, to_o, *to_f, to_z = sums.split(hidden, -1)
        torch.mul(to_h, squashed, out=to_o)
        to_memory = torch.ops.aten.tanh_backward(to_h * o, squashed).add_(to_memory)
        torch.mul(to_memory, z, out=to_i)
        if below is not None:
            torch.mul(to_memory, below, out=to_f[0])
        open_gates = sums[..., :-hidden]
        sigmoid_backward(open_gates, gates[..., :-hidden], grad_input=open_gates)
        tanh_backward(to_memory * i, z, grad_input=to_z)
        return sums, to_memory.mul_(f[0]) if below is not None else None
