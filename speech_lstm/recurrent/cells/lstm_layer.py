"""An LSTM layer with its derivative written out: what autograd does, without its cost for each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input

# The derivative of a step (Greff et al. 2015, section II.B)
#
# Forward, with a_i, a_f, a_z, a_o for the sums that go into the gates:
#     a_i, a_f = W x + R h⁻ + b + p ⊙ c⁻    a_z = W x + R h⁻ + b    a_o = W x + R h⁻ + b + p_o ⊙ c
#     i, f, o = σ(a_i, a_f, a_o)    z = tanh(a_z)    c = f ⊙ c⁻ + i ⊙ z    s = tanh(c)    h = o ⊙ s
# Backward, with ∂v for the derivative of the loss with respect to v. ∂h is the sum of what comes from the layer above
# and of Rᵀ ∂a of the step after; ∂c⁺ is what the step after gives for this step's memory:
#     ∂a_o = ∂h ⊙ s ⊙ o (1 − o)
#     ∂c = ∂c⁺ + ∂h ⊙ o ⊙ (1 − s²) + p_o ⊙ ∂a_o
#     ∂a_i = ∂c ⊙ z ⊙ i (1 − i)    ∂a_f = ∂c ⊙ c⁻ ⊙ f (1 − f)    ∂a_z = ∂c ⊙ i ⊙ (1 − z²)
#     ∂c⁻ = ∂c ⊙ f + p_i ⊙ ∂a_i + p_f ⊙ ∂a_f
# Only this runs step by step. The gradients of the weights are sums over the steps, each formed as one product over
# all steps when every ∂a is known: ∂R = Σ ∂a ⊗ h⁻, ∂W = Σ ∂a ⊗ x, ∂b = Σ ∂a, ∂p_i = Σ ∂a_i ⊙ c⁻,
# ∂p_f = Σ ∂a_f ⊙ c⁻ and ∂p_o = Σ ∂a_o ⊙ c.
#
# In the code `to_v` is ∂v. A gate overwrites its sum, and ∂a overwrites the derivative with respect to its gate, so a
# step allocates next to nothing.


class LSTMLayer(torch.autograd.Function):
    """All frames of an LSTM layer, with peepholes or without, whose blocks are in the order i, f, z, o.

    Forward: Gers & Schmidhuber 2000 in the form of Greff et al. 2015, section II.A; backward: their section II.B.
    Everything of a step is written into buffers that hold all frames. `dtype` is that of the products; the rest has
    that of the state.
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
            sums = torch.addmm(bias[d].to(dtype), in_direction(x, d).flatten(0, 1), matrix[d].t())
            gates[d] = sums.view(frames, batch, -1)
        hiddens, memories = (h.new_empty(directions, frames + 1, batch, hidden) for _ in range(2))
        squashed = h.new_empty(directions, frames, batch, hidden)
        hiddens[:, 0], memories[:, 0] = h, c
        by_gate = None if peepholes is None else peepholes[:, None].chunk(3, -1)
        steps = Steps(gates, hiddens, memories, squashed, by_gate)
        transposed = recurrent.transpose(1, 2)
        for t in range(frames):
            steps.forward(t, transposed)
        ctx.save_for_backward(x, matrix, recurrent, peepholes, gates, hiddens, memories, squashed)
        both = [in_direction(hiddens[d, 1:], d) for d in range(directions)]
        return torch.cat(both, -1), hiddens[:, -1].clone(), memories[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_hidden: Tensor, to_h: Tensor, to_c: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix, recurrent, peepholes, gates, hiddens, memories, squashed = ctx.saved_tensors
        directions, frames, _, hidden = squashed.shape
        by_gate = None if peepholes is None else peepholes[:, None].chunk(3, -1)
        steps = Steps(gates, hiddens, memories, squashed, by_gate, torch.empty_like(gates))
        halves = to_hidden.split(hidden, -1)
        for t in reversed(range(frames)):
            from_above = [half[t if d == 0 else frames - 1 - t] for d, half in enumerate(halves)]
            to_c = steps.backward(t, torch.stack(from_above).add_(to_h), to_c)
            to_h = torch.bmm(steps.to_sums[t].to(recurrent.dtype), recurrent).to(to_c.dtype)
        sums = steps.sums.flatten(1, 2).to(recurrent.dtype)
        to_recurrent = torch.bmm(sums.transpose(1, 2), hiddens[:, :-1].flatten(1, 2).to(recurrent.dtype))
        to_matrix = torch.stack([sums[d].t() @ in_direction(x, d).flatten(0, 1) for d in range(directions)])
        to_x = None
        if ctx.needs_input_grad[0]:
            each = [in_direction((sums[d] @ matrix[d]).view_as(x), d) for d in range(directions)]
            to_x = torch.stack(each).sum(0).to(ctx.dtypes[0])
        return (
            to_x,
            to_matrix.to(ctx.dtypes[1]),
            steps.sums.sum((1, 2)),
            to_recurrent.to(ctx.dtypes[1]),
            None if peepholes is None else steps.to_peepholes(),
            to_h,
            to_c,
            None,
        )


def in_direction(sequence: Tensor, direction: int) -> Tensor:
    """A sequence [frames, …] in the order in which a direction reads it; applied twice it changes nothing."""
    return sequence.flip(0) if direction else sequence


class Steps:
    """The frames of a layer's buffers, each [directions, frames, batch, …], and the computation of one of them."""

    def __init__(
        self,
        gates: Tensor,
        hiddens: Tensor,
        memories: Tensor,
        squashed: Tensor,
        peepholes: tuple[Tensor, ...] | None,
        sums: Tensor | None = None,
    ) -> None:
        """`squashed` holds tanh of the memories; the backward pass writes the gradients of the sums into `sums`."""
        hidden = squashed.shape[-1]
        self.gates, self.both = gates.unbind(1), gates[..., : 2 * hidden].unbind(1)
        self.i, self.f, self.z, self.o = (gate.unbind(1) for gate in gates.chunk(4, -1))
        self.h, self.c, self.tanh = hiddens.unbind(1), memories.unbind(1), squashed.unbind(1)
        self.peepholes, self.memories = peepholes, memories
        if sums is not None:
            self.sums, self.to_sums, self.to_both = sums, sums.unbind(1), sums[..., : 2 * hidden].unbind(1)
            self.to_i, self.to_f, self.to_z, self.to_o = (part.unbind(1) for part in sums.chunk(4, -1))

    def forward(self, t: int, recurrent: Tensor) -> None:
        """Frame t, whose input product is where its gates will be; `recurrent` [directions, hidden, 4 · hidden]."""
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
        self.add_to_memory(t, memory)
        if self.peepholes:
            self.o[t].addcmul_(self.peepholes[2], memory)
        self.o[t].sigmoid_()
        torch.mul(self.o[t], tanh_(self.tanh[t].copy_(memory)), out=self.h[t + 1])

    def backward(self, t: int, to_h: Tensor, to_c: Tensor) -> Tensor:
        """The gradient of the memory before frame t, given those of the hidden state and the memory after it."""
        sigmoid_backward(to_h * self.tanh[t], self.o[t], grad_input=self.to_o[t])
        to_c = torch.ops.aten.tanh_backward(to_h.mul_(self.o[t]), self.tanh[t]).add_(to_c)
        if self.peepholes:
            to_c.addcmul_(self.peepholes[2], self.to_o[t])
        addition = self.memory_gradient(t, to_c)
        torch.mul(to_c, self.z[t], out=self.to_i[t])
        torch.mul(to_c, self.c[t], out=self.to_f[t])
        sigmoid_backward(self.to_both[t], self.both[t], grad_input=self.to_both[t])
        tanh_backward(to_c * self.i[t], self.z[t], grad_input=self.to_z[t])
        to_c.mul_(self.f[t])
        if self.peepholes:
            to_c.addcmul_(self.peepholes[0], self.to_i[t]).addcmul_(self.peepholes[1], self.to_f[t])
        return to_c if addition is None else to_c.add_(addition)

    def add_to_memory(self, t: int, memory: Tensor) -> None:
        """Add to the new memory of frame t what a cell has besides f ⊙ c⁻ + i ⊙ z; nothing here."""

    def memory_gradient(self, t: int, to_c: Tensor) -> Tensor | None:
        """What `add_to_memory` adds to the gradient of the memory before frame t, given that of the new one."""
        return None

    def to_peepholes(self) -> Tensor:
        """The gradient of the peepholes [directions, 3 · hidden]."""
        i, f, _, o = self.sums.chunk(4, -1)
        factors = ((i, self.memories[:, :-1]), (f, self.memories[:, :-1]), (o, self.memories[:, 1:]))
        return torch.cat([(sums * memory).sum((1, 2)) for sums, memory in factors], -1)


def tanh_(x: Tensor) -> Tensor:
    """tanh in place; on the CPU as 2 σ(2 x) − 1, as torch's tanh takes up to three times as long there."""
    if x.dtype == torch.float32 and x.device.type == "cpu":
        return x.mul_(2).sigmoid_().mul_(2).sub_(1)
    return x.tanh_()
