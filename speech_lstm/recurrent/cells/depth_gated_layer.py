"""The loop of a Depth-Gated layer with its derivative written out, as in lstm_layer.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speech_lstm.recurrent.cells.lstm_layer import Steps, sigmoid_backward


class DepthGatedLoop(torch.autograd.Function):
    """All frames of a Depth-Gated layer (Yao et al. 2015), given its input products in the order i, f, z, o, d.

    Without a layer below, `below` and `depth` are None and xs has no d: a peephole LSTM. `dtype` is that of the
    products; the rest has that of the state.
    """

    @staticmethod
    def forward(
        ctx: Any,
        xs: Tensor,
        below: Tensor | None,
        recurrent: Tensor,
        peepholes: Tensor,
        depth: Tensor | None,
        h: Tensor,
        c: Tensor,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """xs [directions, frames, batch, blocks · hidden]; below [directions, frames, batch, hidden]; recurrent
        [directions, 4 · hidden, hidden]; peepholes [directions, 3 · hidden] of i, f, o; depth [directions, 2 ·
        hidden], of the own memory and of the one below; h and c [directions, batch, hidden] → hidden states and
        memories of all frames [directions, frames, batch, hidden]."""
        directions, frames, batch, _ = xs.shape
        hidden = h.shape[-1]
        ctx.dtypes, recurrent = (xs.dtype, recurrent.dtype), recurrent.to(dtype)
        gates = h.new_empty(directions, frames, batch, 4 * hidden).copy_(xs[..., : 4 * hidden])
        hiddens, memories = (h.new_empty(directions, frames + 1, batch, hidden) for _ in range(2))
        squashed = h.new_empty(directions, frames, batch, hidden)
        hiddens[:, 0], memories[:, 0] = h, c
        d = None
        if below is not None and depth is not None:
            d = torch.addcmul(xs[..., 4 * hidden :].to(h.dtype), depth[:, None, None, hidden:], below)
        steps = DepthGatedSteps(gates, hiddens, memories, squashed, peepholes, d, below, depth)
        transposed = recurrent.transpose(1, 2)
        for t in range(frames):
            steps.forward(t, transposed)
        ctx.save_for_backward(below, recurrent, peepholes, depth, gates, hiddens, memories, squashed, d)
        return hiddens[:, 1:], memories[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_hidden: Tensor, to_memory: Tensor) -> tuple[Tensor | None, ...]:
        below, recurrent, peepholes, depth, gates, hiddens, memories, squashed, d = ctx.saved_tensors
        hidden = squashed.shape[-1]
        to_xs = squashed.new_empty(*squashed.shape[:3], (4 if d is None else 5) * hidden)
        sums = to_xs[..., : 4 * hidden]
        steps = DepthGatedSteps(gates, hiddens, memories, squashed, peepholes, d, below, depth, sums)
        if d is not None:
            steps.allocate_gradients(to_xs[..., 4 * hidden :])
        to_h, to_c = torch.zeros_like(hiddens[:, 0]), torch.zeros_like(hiddens[:, 0])
        arriving = zip(to_hidden.unbind(1), to_memory.unbind(1), strict=True)
        for t, (from_above, from_memory) in reversed(list(enumerate(arriving))):
            to_c = steps.backward(t, from_above + to_h, to_c.add_(from_memory))
            to_h = torch.bmm(steps.to_sums[t].to(recurrent.dtype), recurrent).to(to_c.dtype)
        narrow = sums.flatten(1, 2).to(recurrent.dtype)
        to_recurrent = torch.bmm(narrow.transpose(1, 2), hiddens[:, :-1].flatten(1, 2).to(recurrent.dtype))
        to_below, to_depth = steps.to_depth() if d is not None else (None, None)
        kind, matrix_kind = ctx.dtypes
        return (
            to_xs.to(kind),
            to_below,
            to_recurrent.to(matrix_kind),
            steps.to_peepholes(),
            to_depth,
            to_h,
            to_c,
            None,
        )


class DepthGatedSteps(Steps):
    """The steps of an LSTM layer with peepholes and, where there is a layer below, the depth gate.

    With l for the layer below, the gate d = σ(a_d), a_d = W_d x + w_d ⊙ c⁻ + w_l ⊙ c_l + b_d, adds d ⊙ c_l to the
    memory. Its derivative is ∂a_d = ∂c ⊙ c_l ⊙ d (1 − d). It adds w_d ⊙ ∂a_d to ∂c⁻, and ∂c_l = ∂c ⊙ d + w_l ⊙ ∂a_d.
    Over all frames ∂w_d = Σ ∂a_d ⊙ c⁻ and ∂w_l = Σ ∂a_d ⊙ c_l.
    """

    def __init__(
        self,
        gates: Tensor,
        hiddens: Tensor,
        memories: Tensor,
        squashed: Tensor,
        peepholes: Tensor,
        d: Tensor | None,
        below: Tensor | None,
        depth: Tensor | None,
        sums: Tensor | None = None,
    ) -> None:
        super().__init__(gates, hiddens, memories, squashed, peepholes[:, None].chunk(3, -1), sums)
        self.depth_gates, self.below = d, below
        if d is not None and below is not None and depth is not None:
            self.d, self.c_below = d.unbind(1), below.unbind(1)
            self.w_own, self.w_below = depth[:, None].chunk(2, -1)

    def allocate_gradients(self, to_d: Tensor) -> None:
        """Give the buffer for the gradient of d's sums, and allocate that for the memory below."""
        self.all_to_d, self.to_d = to_d, to_d.unbind(1)
        self.all_to_below = to_d.new_empty(to_d.shape)
        self.to_below = self.all_to_below.unbind(1)

    def add_to_memory(self, t: int, memory: Tensor) -> None:
        if self.depth_gates is not None:
            d = self.d[t].addcmul_(self.w_own, self.c[t]).sigmoid_()
            memory.addcmul_(d, self.c_below[t])

    def memory_gradient(self, t: int, to_c: Tensor) -> Tensor | None:
        if self.depth_gates is None:
            return None
        torch.mul(to_c, self.d[t], out=self.to_below[t])
        sigmoid_backward(to_c * self.c_below[t], self.d[t], grad_input=self.to_d[t])
        return self.w_own * self.to_d[t]

    def to_depth(self) -> tuple[Tensor, Tensor]:
        """The gradients of the memory below and of the two vectors."""
        assert self.below is not None
        to_below = self.all_to_below.addcmul_(self.w_below[:, None], self.all_to_d)
        factors = (self.memories[:, :-1], self.below)
        return to_below, torch.cat([(self.all_to_d * memory).sum((1, 2)) for memory in factors], -1)
