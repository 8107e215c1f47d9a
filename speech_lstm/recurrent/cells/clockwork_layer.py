"""A Clockwork layer that computes only the active rows, with its derivative written out."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from speech_lstm.recurrent.cells.lstm_layer import in_direction, tanh_


class ActiveRows(NamedTuple):
    """The steps that compute the same modules, every `frames.step`-th from `frames.start`, and the rows of those."""

    frames: slice
    rows: int  # units, from the first


def active_rows(frames: int, index: int, clocks: int, hidden: int) -> list[ActiveRows]:
    """The groups of `frames` steps, the first of which has the number `index`, without empty ones.

    A step computes the k fastest modules if it is an odd multiple of 2^(k−1), and all modules if it is a multiple of
    the longest period.
    """
    groups = []
    for active in range(1, clocks + 1):
        longest = active == clocks
        period = 1 << (active - 1 if longest else active)
        start = ((0 if longest else period // 2) - index) % period
        if start < frames:
            groups.append(ActiveRows(slice(start, frames, period), active * (hidden // clocks)))
    return groups


class ClockworkLayer(torch.autograd.Function):
    """All frames of a Clockwork layer (Koutník et al. 2014, section 3), every product with its active rows alone.

    Backward, with a for the sum of an active row, h = tanh(a): ∂a = ∂h ⊙ (1 − h²) and ∂h⁻ = Uᵀ ∂a; an inactive row
    hands its ∂h on as ∂h⁻. The gradients of the weights are one product for each group of steps with the same rows.
    `dtype` is that of the products; the rest has that of the state.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        bias: Tensor,
        recurrent: Tensor,
        h: Tensor,
        clocks: int,
        index: int,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """x [frames, batch, inputs]; matrix [directions, hidden, inputs]; bias [directions, hidden]; recurrent
        [directions, hidden, hidden]; h [directions, batch, hidden] → hidden states [frames, batch, directions ·
        hidden] and the last h."""
        ctx.dtypes = x.dtype, matrix.dtype
        x, matrix, recurrent = x.to(dtype), matrix.to(dtype), recurrent.to(dtype)
        (frames, batch, _), (directions, _, hidden) = x.shape, h.shape
        ctx.groups = active_rows(frames, index, clocks, hidden)
        hiddens = h.new_empty(directions, frames + 1, batch, hidden)
        hiddens[:, 0] = h
        steps: list[tuple[Tensor, Tensor]] = [(h, h)] * frames
        read = [in_direction(x, d) for d in range(directions)]
        for at, rows in ctx.groups:
            sums = h.new_empty(directions, len(range(frames)[at]), batch, rows)
            for d in range(directions):
                flat = torch.addmm(bias[d, :rows].to(dtype), read[d][at].flatten(0, 1), matrix[d, :rows].t())
                sums[d] = flat.view(sums.shape[1:])
            used = recurrent[:, :rows].transpose(1, 2)
            steps[at] = [(step, used) for step in sums.unbind(1)]
        states = hiddens.unbind(1)
        for (sums, used), h, new in zip(steps, states, states[1:], strict=False):
            rows = sums.shape[-1]
            if sums.dtype == dtype:
                sums.baddbmm_(h, used)
            else:
                sums.add_(torch.bmm(h.to(dtype), used))
            new[..., :rows] = tanh_(sums)
            new[..., rows:] = h[..., rows:]
        ctx.save_for_backward(x, matrix, recurrent, hiddens)
        return torch.cat([in_direction(hiddens[d, 1:], d) for d in range(directions)], -1), hiddens[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_hidden: Tensor, to_h: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix, recurrent, hiddens = ctx.saved_tensors
        directions, frames, batch, hidden = hiddens[:, 1:].shape
        sums = [to_h.new_empty(directions, len(range(frames)[at]), batch, rows) for at, rows in ctx.groups]
        steps: list[tuple[Tensor, Tensor]] = [(to_h, to_h)] * frames
        for (at, rows), to_sums in zip(ctx.groups, sums, strict=True):
            steps[at] = [(step, recurrent[:, :rows]) for step in to_sums.unbind(1)]
        from_above = torch.stack([in_direction(half, d) for d, half in enumerate(to_hidden.split(hidden, -1))])
        states, from_above_at = hiddens.unbind(1), from_above.unbind(1)
        for t in reversed(range(frames)):
            to_sums, used = steps[t]
            rows = to_sums.shape[-1]
            to_h = from_above_at[t] + to_h
            active = to_h[..., :rows]
            torch.ops.aten.tanh_backward(active, states[t + 1][..., :rows], grad_input=to_sums)
            active.zero_()
            if used.dtype == to_h.dtype:
                to_h.baddbmm_(to_sums, used)
            else:
                to_h.add_(torch.bmm(to_sums.to(used.dtype), used))
        to_matrix, to_recurrent = torch.zeros_like(matrix), torch.zeros_like(recurrent)
        to_bias = to_h.new_zeros(directions, hidden)
        to_x = x.new_empty(directions, *x.shape) if ctx.needs_input_grad[0] else None
        read = [in_direction(x, d) for d in range(directions)]
        for (at, rows), to_sums in zip(ctx.groups, sums, strict=True):
            to_bias[:, :rows] += to_sums.sum((1, 2))
            for d in range(directions):
                narrow = to_sums[d].flatten(0, 1).to(x.dtype)
                to_matrix[d, :rows] += narrow.t() @ read[d][at].flatten(0, 1)
                to_recurrent[d, :rows] += narrow.t() @ hiddens[d, :-1][at].flatten(0, 1).to(x.dtype)
                if to_x is not None:
                    to_x[d, at] = (narrow @ matrix[d, :rows]).view(-1, batch, x.shape[-1])
        if to_x is not None:
            to_x = torch.stack([in_direction(part, d) for d, part in enumerate(to_x)]).sum(0).to(ctx.dtypes[0])
        kind = ctx.dtypes[1]
        return to_x, to_matrix.to(kind), to_bias, to_recurrent.to(kind), to_h, None, None, None
