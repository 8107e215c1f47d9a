"""The small network of the gradient study, one cell like another, and how it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speech_lstm.config import NetworkConfig
from speech_lstm.insight.sequences import FEATURES, FRAMES
from speech_lstm.model.network import Network

HIDDEN = 32
BATCH = 32  # sequences
SEEN = 128  # sequences from which an untrained network's normalisation is set
LOOKED_INTO = 16  # sequences whose gradients are measured
LEARNING_RATE = 8e-3  # of Adam at the first step; it falls evenly to 0
CLIP = 1.0  # highest norm of the gradient

Draw = Callable[[int], tuple[Tensor, Tensor]]  # number of a step → features [batch, frames, size], labels [batch]
Told = Callable[[int], Any]  # is told how many seconds one more step's sequences were long


def network_config(cell: str) -> NetworkConfig:
    """One layer that reads forwards, and an answer that hangs on its last hidden state alone."""
    return NetworkConfig(cell=cell, layers=1, hidden=HIDDEN, bidirectional=False, dropout=0.0, pooling="last")


def small_network(cell: str, seed: int) -> Network:
    """The network for telling two words apart, untrained.

    Raises ConfigError for a cell that isn't known, or can't be of this size.
    """
    torch.manual_seed(seed)
    return Network(FEATURES, network_config(cell), 2)


@dataclass
class Learning:
    """What every step of a training saw."""

    losses: list[float] = field(default_factory=list)  # nats
    norms: list[float] = field(default_factory=list)  # of the gradient of all weights, before it was clipped

    @property
    def left_out(self) -> int:
        """Steps whose gradient was not a number: the weights stayed as they were."""
        return sum(not norm < float("inf") for norm in self.norms)


def learn(
    network: torch.nn.Module,
    draw: Draw,
    steps: int,
    told: Told,
    optimizer: torch.optim.Optimizer | None = None,
    clip: float = CLIP,
) -> Learning:
    """Train for some steps, by default with Adam, and leave the network in the state for recognition.

    The learning rate falls evenly to 0.
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
        told(features.shape[1] // FRAMES)
    network.eval()
    return learning


@torch.no_grad()
def see(network: Network, features: Tensor) -> None:
    """Let an untrained network's normalisation see some sequences: its input then has mean 0 and variance 1."""
    network.train()
    network(features)
    network.eval()


@torch.no_grad()
def correct(network: torch.nn.Module, features: Tensor, labels: Tensor) -> int:
    """How many sequences get the right answer."""
    return int((network(features).argmax(1) == labels).sum())
