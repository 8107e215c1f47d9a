"""The small network of the gradient study, the same for every cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.insight.sequences import FEATURES
from speech_lstm.model.network import Network

HIDDEN = 32
BATCH = 32  # sequences
SEEN = 128  # sequences from which an untrained network's normalisation is set
LOOKED_INTO = 16  # sequences whose gradients are measured

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


@torch.no_grad()
def see(network: Network, features: Tensor) -> None:
    """Let an untrained network's normalisation see some sequences: its input then has mean 0 and variance 1."""
    network.train()
    network(features)
    network.eval()
