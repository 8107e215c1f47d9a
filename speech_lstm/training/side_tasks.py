"""Further tasks of a training, by heads on the network's vector that are thrown away afterwards.

A network that learns only a few labels forgets what else tells words apart. `teach` needs that for words that it has
never heard, and so does the rejection of words that sound like a command. So the network may also learn to tell the
words of all recordings apart, and to imitate the vector of a network that has heard more speech (an embedder).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from speech_lstm.config import SILENCE, TrainingConfig
from speech_lstm.corpus.examples import Examples
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.errors import ConfigError
from speech_lstm.model.network import Network
from speech_lstm.training.batches import NONE, Batch, Batches
from speech_lstm.training.onnx_teacher import OnnxNetwork
from speech_lstm.training.teachers import cached_answers

FEWEST = 4  # recordings of a word that is a class of its own: a pseudo-word, spoken once, is none


class SideTasks(torch.nn.Module):
    """A network with its further heads."""

    def __init__(self, network: Network, recordings: Recordings, settings: TrainingConfig, vectors: Tensor) -> None:
        """`vectors` are of `imitated_vectors`. Raises ConfigError if there are words to tell apart, but only one has
        recordings enough."""
        super().__init__()
        self.network, self.settings, self.vectors = network, settings, vectors
        self.classes, count = word_classes(recordings.examples) if settings.words else (torch.zeros(0), 0)
        self.sizes = [network.head.out_features, count, vectors.shape[1]]
        self.head = torch.nn.Linear(network.pooling.size, sum(self.sizes[1:]))

    def forward(self, features: Tensor) -> Tensor:
        """Features float32 [rows, frames, size] → [rows, labels + words + vector]: logits of the labels and of the
        words, and the imitated vector."""
        pooled = self.network.pooled(features)
        return torch.cat([self.network.head(self.network.dropout(pooled)), self.head(pooled)], 1)

    def loss(self, answers: Tensor, batch: Batch) -> Tensor:
        """The weighted loss of the tasks besides the labels, for the rows of a batch and their answers."""
        _, words, vectors = answers.split(self.sizes, 1)
        total = answers.new_zeros(())
        if self.settings.words:
            classes = self.classes.to(answers.device)[batch.words]
            summed = cross_entropy(words, classes, ignore_index=NONE, reduction="sum")
            total = total + self.settings.words * summed / (classes != NONE).sum().clamp(min=1)
        if vectors.shape[1]:
            targets = self.vectors.to(answers.device)[torch.from_numpy(batch.unchanged)]
            known = ~targets.isnan().any(1)
            if known.any():
                total = total + self.settings.imitation * (vectors[known] - targets[known]).square().mean()
        return total


def word_classes(examples: Examples) -> tuple[Tensor, int]:
    """The class of each word's number, int64 [words + 1], and the number of classes; NONE for those with too few
    recordings, and in the last place, for rows without a word. Raises ConfigError if fewer than two have enough."""
    counts = np.bincount(examples.word, minlength=len(examples.words))
    named = np.array([not word.startswith("_") for word in examples.words])
    chosen = np.flatnonzero(named & (counts >= FEWEST))
    if len(chosen) < 2:
        raise ConfigError(f"words needs two words with {FEWEST} recordings each; leave it out")
    classes = torch.full((len(examples.words) + 1,), NONE)
    classes[chosen] = torch.arange(len(chosen))
    return classes, len(chosen)


def imitated_vectors(settings: TrainingConfig, recordings: Recordings, batches: Batches, progress: bool) -> Tensor:
    """What the embedder gives for each example, float32 [examples + 1, size], each coordinate with the mean 0 and the
    variance 1; NaN for `_silence_`, and in the last row. Without an embedder the size is 0. Raises ModelError for a
    file that cannot be imitated."""
    examples = recordings.examples
    if not settings.embedder:
        return torch.zeros(len(examples) + 1, 0)
    network = OnnxNetwork(Path(settings.embedder), "embedder")
    labels = np.array(recordings.task.labels)
    asked = np.flatnonzero(labels[examples.label] != SILENCE)
    raw = torch.from_numpy(cached_answers(network, asked, recordings, batches, progress))
    vectors = torch.full((len(examples) + 1, raw.shape[1]), torch.nan)
    vectors[asked] = (raw - raw.mean(0)) / raw.std(0).clamp(min=1e-6)
    return vectors
