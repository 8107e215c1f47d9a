"""An LSTM layer with its derivative written out: what autograd does, without its cost for each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


class LSTMLayer(torch.autograd.Function):
    """All frames of an LSTM layer, with peepholes or without, whose blocks lie in the order i, f, z, o.

    Forward: Gers & Schmidhuber 2000 in the form of Greff et al. 2015, section II.A; backward: their section II.B,
    with the gradient of each matrix formed as one product after the loop. Everything of a step is written into
    buffers that hold all frames. `dtype` is that of the products; the rest has that of the state.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        bias: Tensor,
        recurrent: Tensor,
        peepholes: Tensor | None,
        h: Tensor,
        c: Tensor,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x [frames, batch, inputs]; matrix [directions, 4 · hidden, inputs]; bias [directions, 4 · hidden];
        recurrent [directions, 4 · hidden, hidden]; peepholes [directions, 3 · hidden] of i, f, o; h and c
        [directions, batch, hidden] → hidden states [frames, batch, directions · hidden] and the last h and c."""
        ctx.dtypes = x.dtype, matrix.dtype
        x, matrix, recurrent = x.to(dtype), matrix.to(dtype), recurrent.to(dtype)
        (frames, batch, _), (directions, _, hidden) = x.shape, h.shape
        gates = h.new_empty(directions, frames, batch, 4 * hidden)
        for d in range(directions):
            sums = torch.addmm(bias[d].to(dtype), reading(x, d).flatten(0, 1), matrix[d].t())
            gates[d] = sums.view(frames, batch, -1)
        hiddens, memories = (h.new_empty(directions, frames + 1, batch, hidden) for _ in range(2))
        squashed = h.new_empty(directions, frames, batch, hidden)
        hiddens[:, 0], memories[:, 0] = h, c
        spots = None if peepholes is None else peepholes[:, None].chunk(3, -1)
        step = Step(gates, hiddens, memories, squashed, spots)
        transposed = recurrent.transpose(1, 2)
        for t in range(frames):
            step.forward(t, transposed)
        ctx.save_for_backward(x, matrix, recurrent, peepholes, gates, hiddens, memories, squashed)
        both = [reading(hiddens[d, 1:], d) for d in range(directions)]
        return torch.cat(both, -1), hiddens[:, -1].clone(), memories[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_hidden: Tensor, to_h: Tensor, to_c: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix, recurrent, peepholes, gates, hiddens, memories, squashed = ctx.saved_tensors
        directions, frames, _, hidden = squashed.shape
        spots = None if peepholes is None else peepholes[:, None].chunk(3, -1)
        step = Step(gates, hiddens, memories, squashed, spots, torch.empty_like(gates))
        halves = to_hidden.split(hidden, -1)
        for t in reversed(range(frames)):
            at = [half[t if d == 0 else frames - 1 - t] for d, half in enumerate(halves)]
            to_c = step.backward(t, torch.stack(at).add_(to_h), to_c)
            to_h = torch.bmm(step.to_sums[t].to(recurrent.dtype), recurrent).to(to_c.dtype)
        sums = step.sums.flatten(1, 2).to(recurrent.dtype)
        to_recurrent = torch.bmm(sums.transpose(1, 2), hiddens[:, :-1].flatten(1, 2).to(recurrent.dtype))
        to_matrix = torch.stack([sums[d].t() @ reading(x, d).flatten(0, 1) for d in range(directions)])
        to_x = None
        if ctx.needs_input_grad[0]:
            each = [reading((sums[d] @ matrix[d]).view_as(x), d) for d in range(directions)]
            to_x = torch.stack(each).sum(0).to(ctx.dtypes[0])
        return (
            to_x,
            to_matrix.to(ctx.dtypes[1]),
            step.sums.sum((1, 2)),
            to_recurrent.to(ctx.dtypes[1]),
            None if peepholes is None else step.to_peepholes(),
            to_h,
            to_c,
            None,
        )


def reading(sequence: Tensor, direction: int) -> Tensor:
    """A sequence [frames, …] in the order that a direction reads it in."""
    return sequence.flip(0) if direction else sequence


class Step:
    """The frames of a layer's buffers, each [directions, frames, batch, …], and what is done with one of them."""

    def __init__(
        self,
        gates: Tensor,
        hiddens: Tensor,
        memories: Tensor,
        squashed: Tensor,
        peepholes: tuple[Tensor, ...] | None,
        sums: Tensor | None = None,
    ) -> None:
        hidden = squashed.shape[-1]
        self.gates, self.both = gates.unbind(1), gates[..., : 2 * hidden].unbind(1)
        self.i, self.f, self.z, self.o = (gate.unbind(1) for gate in gates.chunk(4, -1))
        self.h, self.c, self.tanh = hiddens.unbind(1), memories.unbind(1), squashed.unbind(1)
        self.peepholes, self.memories = peepholes, memories
        if sums is not None:  # the gradients of the four sums
            self.sums, self.to_sums, self.to_both = sums, sums.unbind(1), sums[..., : 2 * hidden].unbind(1)
            self.to_i, self.to_f, self.to_z, self.to_o = (part.unbind(1) for part in sums.chunk(4, -1))

    def forward(self, t: int, recurrent: Tensor) -> None:
        """Frame t: its input product stands where its gates will."""
        if recurrent.dtype == self.gates[t].dtype:
            self.gates[t].baddbmm_(self.h[t], recurrent)
        else:
            self.gates[t].add_(torch.bmm(self.h[t].to(recurrent.dtype), recurrent))
        if self.peepholes:
            self.i[t].addcmul_(self.peepholes[0], self.c[t])
            self.f[t].addcmul_(self.peepholes[1], self.c[t])
        self.both[t].sigmoid_()
        tanh_(self.z[t])
        memory = torch.mul(self.f[t], self.c[t], out=self.c[t + 1]).addcmul_(self.i[t], self.z[t])
        self.enrich(t, memory)
        if self.peepholes:
            self.o[t].addcmul_(self.peepholes[2], memory)
        self.o[t].sigmoid_()
        torch.mul(self.o[t], tanh_(self.tanh[t].copy_(memory)), out=self.h[t + 1])

    def backward(self, t: int, to_h: Tensor, to_c: Tensor) -> Tensor:
        """The gradient of the memory before frame t, given those of what came out of it."""
        sigmoid_backward(to_h * self.tanh[t], self.o[t], grad_input=self.to_o[t])
        to_c = torch.ops.aten.tanh_backward(to_h.mul_(self.o[t]), self.tanh[t]).add_(to_c)
        if self.peepholes:
            to_c.addcmul_(self.peepholes[2], self.to_o[t])
        share = self.impoverish(t, to_c)
        torch.mul(to_c, self.z[t], out=self.to_i[t])
        torch.mul(to_c, self.c[t], out=self.to_f[t])
        sigmoid_backward(self.to_both[t], self.both[t], grad_input=self.to_both[t])
        tanh_backward(to_c * self.i[t], self.z[t], grad_input=self.to_z[t])
        to_c.mul_(self.f[t])
        if self.peepholes:
            to_c.addcmul_(self.peepholes[0], self.to_i[t]).addcmul_(self.peepholes[1], self.to_f[t])
        return to_c if share is None else to_c.add_(share)

    def enrich(self, t: int, memory: Tensor) -> None:
        """Add to the new memory of frame t what a cell has beside i, f and z; nothing here."""

    def impoverish(self, t: int, to_c: Tensor) -> Tensor | None:
        """The share of that in the gradient of the memory before frame t, given that of the new one."""
        return None

    def to_peepholes(self) -> Tensor:
        """The gradient of the peepholes [directions, 3 · hidden]."""
        i, f, _, o = self.sums.chunk(4, -1)
        seen = ((i, self.memories[:, :-1]), (f, self.memories[:, :-1]), (o, self.memories[:, 1:]))
        return torch.cat([(sums * memory).sum((1, 2)) for sums, memory in seen], -1)


def tanh_(x: Tensor) -> Tensor:
    """tanh in place; on the CPU as 2 σ(2 x) − 1, as torch's tanh takes up to three times as long there."""
    if x.dtype == torch.float32 and x.device.type == "cpu":
        return x.mul_(2).sigmoid_().mul_(2).sub_(1)
    return x.tanh_()
