"""A plain training loop for a small network that learns from generated sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

LEARNING_RATE = 8e-3  # of Adam at the first step; it falls evenly to 0
CLIP = 1.0  # highest norm of the gradient

Draw = Callable[[int], tuple[Tensor, Tensor]]  # number of a step → features [batch, frames, size], labels [batch]


@dataclass
class Learning:
    """Loss and gradient of every step of a training."""

    losses: list[float] = field(default_factory=list)  # nats
    norms: list[float] = field(default_factory=list)  # of the gradient of all weights, before clipping

    @property
    def skipped(self) -> int:
        """Steps whose gradient was not a number: they do not change the weights."""
        return sum(not norm < float("inf") for norm in self.norms)


def learn(
    network: torch.nn.Module,
    draw: Draw,
    steps: int,
    optimizer: torch.optim.Optimizer | None = None,
    clip: float = CLIP,
    advance: Callable[[], object] | None = None,
) -> Learning:
    """Train for some steps, by default with Adam, and leave the network in evaluation mode.

    The learning rate falls evenly to 0. `advance` is called after each step.
    """
    network.train()
    optimizer = optimizer or torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    learning = Learning()
    for step in range(steps):
        features, labels = draw(step)
        loss = cross_entropy(network(features), labels)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"] * (1 - step / steps)
        if torch.isfinite(norm):
            optimizer.step()
        learning.losses.append(loss.item())
        learning.norms.append(norm.item())
        if advance is not None:
            advance()
    network.eval()
    return learning


@torch.no_grad()
def correct(network: torch.nn.Module, features: Tensor, labels: Tensor) -> int:
    """The number of sequences that the network classifies correctly."""
    return int((network(features).argmax(1) == labels).sum())
