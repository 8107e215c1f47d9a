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
    ends = [end for product in weights.product.values() if (end := getattr(product, "end", None)) is not None]
    frames = (Tie.apply(xs, *ends) if ends else xs).unbind(1)
    belows: tuple[Tensor | None, ...] = below.unbind(1) if below is not None else (None,) * len(frames)
    valids: tuple[Tensor | None, ...] = valid.unbind(1) if valid is not None else (None,) * len(frames)
    hidden, memory = [], []
    for i, (x, under, there) in enumerate(zip(frames, belows, valids, strict=True)):
        new = cell.step(Frame(x, under, index + i, tap), state, weights)
        if there is not None:
            new = tuple(torch.where(there, now, before) for now, before in zip(new, state, strict=True))
        if tap is not untapped:
            new = tuple(tap(name, part) for name, part in zip(cell.state, new, strict=True))
        state = new
        hidden.append(state[0])
        if hands_up is not None:
            memory.append(state[hands_up])
    return Sequence(torch.stack(hidden, 1), torch.stack(memory, 1) if memory else None, state)


class Recurrent:
    """A recurrent matrix [directions, rows, columns] in use: x + U·h at every step.

    The gradient of U is formed once, as one product over all steps, when the loop's backward has ended: until
    then hooks keep what goes into it. With `dtype` the product is computed in it and the rest stays in the
    precision of h.
    """

    def __init__(self, matrix: Tensor, dtype: torch.dtype | None = None) -> None:
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.dtype = dtype or matrix.dtype
        self.end: Tensor | None = None
        if matrix.requires_grad and torch.is_grad_enabled():
            self.end = End.apply(matrix, self.kept, self.dtype)
            matrix = matrix.detach()
        self.transposed = matrix.to(self.dtype).transpose(1, 2)
        self.begun = False

    def __call__(self, x: Tensor, h: Tensor) -> Tensor:
        """x [directions, batch, rows], or what can be broadcast to it; h [directions, batch, columns]."""
        if self.dtype == h.dtype:
            out = torch.baddbmm(x, h, self.transposed)
        else:
            out = x + torch.bmm(h.to(self.dtype), self.transposed).to(h.dtype)
        if self.end is not None:
            # The first step's backward comes last, and `End` after it; or that of a step which a tap cut off.
            if not self.begun or not h.requires_grad:
                out, self.begun = out + self.end, True
            out.register_hook(partial(self.keep, h.detach()))
        return out

    def keep(self, h: Tensor, gradient: Tensor | None) -> None:
        """What a step adds to the gradient of the matrix; None if nothing came of the step."""
        assert self.end is not None
        assert self.end.grad_fn is not None
        # Where only other gradients are asked for, `End` isn't run: what was kept would go into the next backward.
        if gradient is not None and torch._C._will_engine_execute_node(self.end.grad_fn):
            self.kept.append((gradient, h))


class Tie(torch.autograd.Function):
    """The input products as they are. Their backward, which comes after that of every step, leads on to each `End`:
    a loss that sees only some of the steps gets there too."""

    @staticmethod
    def forward(ctx: Any, xs: Tensor, *ends: Tensor) -> Tensor:
        ctx.ends = len(ends)
        return xs.view_as(xs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return gradient, *[gradient.new_zeros(())] * ctx.ends


class End(torch.autograd.Function):
    """A zero that a loop's first step adds: its backward, the end of the loop's, gives the matrix its gradient."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, kept: list[tuple[Tensor, Tensor]], dtype: torch.dtype) -> Tensor:
        # The list, not what holds it: that holds this zero too, and both would wait for the garbage collector.
        ctx.kept, ctx.dtypes = kept, (dtype, matrix.dtype)
        return matrix.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, None, None]:
        if not ctx.kept:
            return None, None, None
        dtype, dtype_of_matrix = ctx.dtypes
        gradients, hiddens = (torch.cat(tensors, 1).to(dtype) for tensors in zip(*ctx.kept, strict=True))
        ctx.kept.clear()  # another backward of the same loop begins anew
        return torch.bmm(gradients.transpose(1, 2), hiddens).to(dtype_of_matrix), None, None
