"""The memory test of Jozefowicz et al. 2015, section 3.1: read some symbols, then recall them in the same order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from speech_lstm.config import NetworkConfig
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.simple_loop import correct, learn

SYMBOLS = 5  # to be recalled, as in the paper
ALPHABET = 8  # different ones; the paper has 26 and 4 minutes
HIDDEN = 48
BATCH = 64  # sequences
SCORED = 200  # sequences
LEARNING_RATE = 0.02  # of Adam; it falls evenly to 0
CLIP = 1.0


class RecallNetwork(torch.nn.Module):
    """One layer of the cell, forwards; each of its last steps classifies a symbol."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        config = NetworkConfig(cell=cell, layers=1, hidden=HIDDEN, bidirectional=False, dropout=0.0)
        self.stack = Stack(ALPHABET + 1, config)
        self.head = torch.nn.Linear(HIDDEN, ALPHABET)

    def forward(self, symbols: Tensor) -> Tensor:
        """Symbols float32 [batch, 2 · SYMBOLS, ALPHABET + 1] → logits [batch · SYMBOLS, ALPHABET]."""
        hidden, _ = self.stack(symbols)
        return self.head(hidden[:, SYMBOLS:]).flatten(0, 1)


def sequences(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` sequences float32 [count, 2 · SYMBOLS, ALPHABET + 1] and the symbols in them, int64 [count · SYMBOLS].

    A sign follows the symbols. During recall each step reads the right symbol of the step before (teacher forcing).
    """
    symbols = torch.randint(ALPHABET, (count, SYMBOLS), generator=torch.Generator().manual_seed(seed))
    sign = torch.full((count, 1), ALPHABET)
    read = torch.cat([symbols, sign, symbols[:, :-1]], 1)
    return one_hot(read, ALPHABET + 1).float(), symbols.flatten()


def recall_share(cell: str, steps: int, seed: int) -> float:
    """The share of symbols that a network of the cell recalls after some steps of training."""
    torch.manual_seed(seed)
    network = RecallNetwork(cell)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    learn(network, lambda step: sequences(BATCH, seed + 1 + step), steps, optimizer, CLIP)
    features, symbols = sequences(SCORED, seed)
    return correct(network, features, symbols) / len(symbols)
