"""The one loop over time: a cell's step for every frame, both directions as one batch."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speech_lstm.recurrent.cell import Cell, Frame, State, Tap, Weights, untapped


class Sequence(NamedTuple):
    """What a layer's loop gives: the hidden states and, where the cell hands it up, the memory of every frame."""

    hidden: Tensor  # [directions, frames, batch, hidden]
    memory: Tensor | None  # the same shape
    state: State  # after the last frame


def run(
    cell: Cell,
    xs: Tensor,
    state: State,
    weights: Weights,
    below: Tensor | None = None,
    valid: Tensor | None = None,
    index: int = 0,
    tap: Tap = untapped,
) -> Sequence:
    """Step through the frames of xs [directions, frames, batch, …], the cell's input products.

    `below` [directions, frames, batch, hidden] is the memory from the layer below. Where `valid` [directions or
    1, frames, batch, 1] is false a frame is padding: the state stays. `index` is the number of the first frame.
    """
    hands_up = cell.state.index(cell.hands_up) if cell.hands_up else None
    zeros = [zero for product in weights.product.values() if (zero := getattr(product, "zero", None)) is not None]
    frames = (KeepGraph.apply(xs, *zeros) if zeros else xs).unbind(1)
    belows: tuple[Tensor | None, ...] = below.unbind(1) if below is not None else (None,) * len(frames)
    valids: tuple[Tensor | None, ...] = valid.unbind(1) if valid is not None else (None,) * len(frames)
    hidden, memory = [], []
    for i, (x, under, inside) in enumerate(zip(frames, belows, valids, strict=True)):
        new = cell.step(Frame(x, under, index + i, tap), state, weights)
        if inside is not None:
            new = tuple(torch.where(inside, after, before) for after, before in zip(new, state, strict=True))
        if tap is not untapped:
            new = tuple(tap(name, part) for name, part in zip(cell.state, new, strict=True))
        state = new
        hidden.append(state[0])
        if hands_up is not None:
            memory.append(state[hands_up])
    return Sequence(torch.stack(hidden, 1), torch.stack(memory, 1) if memory else None, state)


# The deferred gradient of a recurrent matrix
#
# A step computes s_t = x_t + U·h_{t−1}, so that with g_t = ∂L/∂s_t the gradient of U is the sum over the steps of
# g_t ⊗ h_{t−1}. Autograd forms it as one small product a step and adds each to a tensor of the size of U. The same
# sum is one large product of all steps: [g_1 … g_T]ᵀ · [h_0 … h_{T−1}]. Therefore the steps multiply by a detached U,
# a hook on each s_t stores (g_t, h_{t−1}), and the backward of `DeferredGradient` multiplies what was stored.
#
# That backward must run after all hooks. Autograd runs a node once every node that uses its output has run, so the
# order follows from who uses the zero that `DeferredGradient` gives:
# - The first step adds it to s_1. The backward of the first step comes after that of every later one, because each
#   step uses the state before it. Where a tap cuts that chain (`detach`), the step behind the cut adds the zero too.
# - `KeepGraph` takes it together with the input products, which every step uses. Without this a loss to which the
#   first step contributes nothing would not reach `DeferredGradient` at all.


class Recurrent:
    """A recurrent matrix [directions, rows, columns] in use: x + U·h at every step.

    The gradient of U is formed once, as one product over all steps, when the loop's backward has ended. With
    `dtype` the product is computed in it and the rest stays in the precision of h.
    """

    def __init__(self, matrix: Tensor, dtype: torch.dtype | None = None) -> None:
        self.steps: list[tuple[Tensor, Tensor]] = []  # g_t and h_{t−1}, from the last step to the first
        self.dtype = dtype or matrix.dtype
        self.zero: Tensor | None = None
        if matrix.requires_grad and torch.is_grad_enabled():
            self.zero = DeferredGradient.apply(matrix, self.steps, self.dtype)
            matrix = matrix.detach()
        self.transposed = matrix.to(self.dtype).transpose(1, 2)
        self.begun = False

    def __call__(self, x: Tensor, h: Tensor) -> Tensor:
        """x [directions, batch, rows], or what can be broadcast to it; h [directions, batch, columns]."""
        if self.dtype == h.dtype:
            out = torch.baddbmm(x, h, self.transposed)
        else:
            out = x + torch.bmm(h.to(self.dtype), self.transposed).to(h.dtype)
        if self.zero is not None:
            if not self.begun or not h.requires_grad:  # the first step, or one behind a cut
                out, self.begun = out + self.zero, True
            out.register_hook(partial(self.store, h.detach()))
        return out

    def store(self, h: Tensor, gradient: Tensor | None) -> None:
        """Store a step's part of the gradient; `gradient` is None if the loss does not depend on the step."""
        assert self.zero is not None
        assert self.zero.grad_fn is not None
        # Where only other gradients are asked for, `DeferredGradient` does not run: what is stored now would be
        # added to the gradient of the next backward.
        if gradient is not None and torch._C._will_engine_execute_node(self.zero.grad_fn):
            self.steps.append((gradient, h))


class KeepGraph(torch.autograd.Function):
    """The input products unchanged, with the zeros of all `DeferredGradient` as further inputs."""

    @staticmethod
    def forward(ctx: Any, xs: Tensor, *zeros: Tensor) -> Tensor:
        ctx.zeros = len(zeros)
        return xs.view_as(xs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return gradient, *[gradient.new_zeros(())] * ctx.zeros


class DeferredGradient(torch.autograd.Function):
    """A zero whose backward gives the matrix its gradient."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, steps: list[tuple[Tensor, Tensor]], dtype: torch.dtype) -> Tensor:
        # The list, not the `Recurrent` that holds it: that holds this zero too, and in a circle both would stay in
        # memory until the garbage collector runs.
        ctx.steps, ctx.dtypes = steps, (dtype, matrix.dtype)
        return matrix.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, None, None]:
        if not ctx.steps:
            return None, None, None
        dtype, dtype_of_matrix = ctx.dtypes
        gradients, hiddens = (torch.cat(tensors, 1).to(dtype) for tensors in zip(*ctx.steps, strict=True))
        ctx.steps.clear()  # for another backward through the same graph
        return torch.bmm(gradients.transpose(1, 2), hiddens).to(dtype_of_matrix), None, None
