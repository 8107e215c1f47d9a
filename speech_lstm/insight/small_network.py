"""The small network of the gradient study, the same for every cell."""

from __future__ import annotations

from collections.abc import Callable

import torch

from speech_lstm.config import NetworkConfig
from speech_lstm.insight.sequences import FEATURES, Sequences
from speech_lstm.model.network import Network

HIDDEN = 32
BATCH = 32  # sequences
NORMALISED_BY = 128  # sequences from which the normalisation of an untrained network is set
MEASURED = 16  # sequences whose gradients are measured

Advance = Callable[[int], object]  # moves a progress bar on by so many seconds of sequences


def network_config(cell: str) -> NetworkConfig:
    """One layer that reads forwards, and an answer that depends on its last hidden state alone."""
    return NetworkConfig(cell=cell, layers=1, hidden=HIDDEN, bidirectional=False, dropout=0.0, pooling="last")


def small_network(cell: str, seed: int) -> Network:
    """An untrained network that distinguishes two words.

    Raises ConfigError for an unknown cell, and for one that cannot have this size.
    """
    torch.manual_seed(seed)
    return Network(FEATURES, network_config(cell), 2)


@torch.no_grad()
def set_normalisation(network: Network, training: Sequences, seconds: int = 1) -> None:
    """Set the normalisation of an untrained network by chains of words: its input then has mean 0 and variance 1."""
    network.train()
    network(training.chain(seconds, NORMALISED_BY, seed=0)[0])
    network.eval()
