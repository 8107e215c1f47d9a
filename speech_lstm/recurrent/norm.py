"""Batch normalisation with running averages: the base of the normalisations of features and of input products."""

from __future__ import annotations

import torch
from torch import Tensor


class RunningNorm(torch.nn.Module):
    """Scale and shift of batch normalisation (Ioffe & Szegedy 2015), and the running averages for recognition."""

    epsilon = 1e-5  # added to the variance

    def __init__(self, size: int, momentum: float) -> None:
        """`momentum` is the least weight of a new batch in the averages."""
        super().__init__()
        self.momentum = momentum
        self.weight = torch.nn.Parameter(torch.ones(size))
        self.bias = torch.nn.Parameter(torch.zeros(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("batches", torch.zeros(()))
        self.mean: Tensor
        self.variance: Tensor
        self.batches: Tensor

    @torch.no_grad()
    def average(self, mean: Tensor, variance: Tensor) -> None:
        """Add the mean and variance of a batch, each [size], to the running averages."""
        # The plain mean of all batches so far, as long as that gives a new one more weight. The count is a tensor: a
        # number would have to wait for the GPU.
        self.batches += 1
        share = (1 / self.batches).clamp(min=self.momentum)
        self.mean.lerp_(mean.to(self.mean.dtype), share)
        self.variance.lerp_(variance.to(self.variance.dtype), share)


class InputNorm(RunningNorm):
    """Batch normalisation of a layer's input products over recordings and frames."""

    def __init__(self, size: int, momentum: float = 0.05) -> None:
        super().__init__(size, momentum)

    def forward(self, xs: Tensor, valid: Tensor | None) -> Tensor:
        """xs [directions, frames, batch, rows] → the same shape; only `valid` frames enter the statistics."""
        directions, frames, batch, rows = xs.shape
        flat = xs.permute(1, 2, 0, 3).reshape(frames * batch, directions * rows)
        chosen = flat if valid is None else flat[valid.expand(1, frames, batch, 1).flatten()]
        mean, variance = self.mean, self.variance
        if self.training:  # with a momentum of 1 `batch_norm` writes those of this batch into them
            mean, variance = torch.zeros_like(mean), torch.zeros_like(variance)
        normal = torch.nn.functional.batch_norm(
            chosen, mean, variance, self.weight, self.bias, self.training, 1.0, self.epsilon
        )
        if self.training:
            self.average(mean, variance)
        if valid is not None:
            normal = flat.masked_scatter(valid.expand(1, frames, batch, 1).reshape(-1, 1), normal)
        return normal.view(frames, batch, directions, rows).permute(2, 0, 1, 3)
