"""The recordings of each training step: drawn from the seed, gathered from memory, for one process or several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.augment import splice
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, Config
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.corpus.task import rule_count
from speech_lstm.errors import ConfigError

NONE = -1  # instead of an example: silence, or no second half
BACKWARDS = -2  # instead of a second half: the recording is played from its end to its beginning


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Batch:
    """The recordings of a step; their tensors are computed on the device when they are used."""

    batches: Batches
    first: NDArray[np.int64]  # [recordings] numbers of examples, NONE for silence
    second: NDArray[np.int64]  # [recordings] examples whose second halves are spliced on, NONE or BACKWARDS

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, part: slice) -> Batch:
        """Some of the recordings."""
        return Batch(self.batches, self.first[part], self.second[part])

    @property
    def labels(self) -> Tensor:
        """int64 [recordings]."""
        labels = np.where(self.first == NONE, self.batches.silence_label, self.batches.examples.label[self.first])
        labels = np.where(self.second == NONE, labels, self.batches.unknown_label)
        return torch.from_numpy(labels).to(self.batches.device)

    @property
    def silent(self) -> Tensor:
        """Which recordings are silence, bool [recordings]."""
        return torch.from_numpy(self.first == NONE).to(self.batches.device)

    @property
    def unknown(self) -> Tensor:
        """Which recordings have the label `_unknown_`, bool [recordings]."""
        return self.labels == self.batches.unknown_label

    @property
    def waveforms(self) -> Tensor:
        """float32 [recordings, CLIP_SAMPLES]; zeros for silence."""
        batches, second = self.batches, self.second
        waveforms = batches.gather(self.first)
        if len(spliced := np.flatnonzero(second >= 0)):
            rows = torch.from_numpy(spliced).to(batches.device)
            waveforms[rows] = splice(waveforms[rows], batches.gather(second[spliced]))
        if len(backwards := np.flatnonzero(second == BACKWARDS)):
            rows = torch.from_numpy(backwards).to(batches.device)
            waveforms[rows] = waveforms[rows].flip(1)
        return waveforms


class Batches:
    """The order of the training examples: the same for the same seed, whatever the device and processes."""

    def __init__(self, recordings: Recordings, config: Config, device: torch.device) -> None:
        """Raises ConfigError for a batch that is larger than an epoch."""
        examples, labels = recordings.examples, recordings.task.labels
        self.examples, self.config, self.device = examples, config.corpus, device
        self.size, self.seed = config.training.batch, config.training.seed
        # On the CPU the memory maps themselves; on a GPU all recordings are in its memory, 2.7 GB for v0.02.
        self.sources = [torch.from_numpy(array).to(device) for array in examples.sources]
        self.unknown_label = labels.index(UNKNOWN) if UNKNOWN in labels else NONE
        self.silence_label = labels.index(SILENCE) if SILENCE in labels else NONE
        is_unknown, own = examples.label == self.unknown_label, examples.source == 0
        self.own = np.flatnonzero(own)
        self.commands, self.unknown = np.flatnonzero(~is_unknown & own), np.flatnonzero(is_unknown)
        self.extra = np.flatnonzero(~is_unknown & ~own)
        self.extra_count = min(rule_count(len(self.commands), self.config.extra_commands), len(self.extra))
        self.unknown_count = min(rule_count(len(self.commands), self.config.unknown), len(self.unknown))
        has_silence = self.silence_label != NONE
        self.silence_count = rule_count(len(self.commands), self.config.silence) if has_silence else 0
        total = len(self.commands) + self.extra_count + self.unknown_count + self.silence_count
        self.steps = total // self.size  # the rest, less than a batch, is drawn in other epochs
        if self.steps == 0:
            raise ConfigError(f"batch is {self.size}, but an epoch has only {total} recordings; lower batch")

    def epoch(self, epoch: int) -> list[Batch]:
        """The batches of every step."""
        random = np.random.default_rng((self.seed, epoch))
        unknown, second = self.draw_unknown(random)
        extra = random.permutation(self.extra)[: self.extra_count]
        first = np.concatenate([unknown, self.commands, extra, np.full(self.silence_count, NONE)])
        second = np.concatenate([second, np.full(len(first) - len(unknown), NONE)])
        order = random.permutation(len(first))[: self.steps * self.size].reshape(self.steps, self.size)
        return [Batch(self, first[rows], second[rows]) for rows in order]

    def draw_unknown(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The `_unknown_` recordings of an epoch: `first` and `second` as in a batch."""
        unknown = random.permutation(self.unknown)[: self.unknown_count]
        second, splices = np.full(len(unknown), NONE), self.config.splices
        drawn = random.uniform(size=len(unknown))
        # A corpus has few words besides its commands: spliced halves of two words, or one backwards, add others.
        spliced = np.flatnonzero(drawn < splices)
        if len(spliced):
            halves = random.choice(self.own, (2, len(spliced)))
            differ = self.examples.word[halves[0]] != self.examples.word[halves[1]]
            unknown[spliced[differ]], second[spliced[differ]] = halves[:, differ]
        backwards = np.flatnonzero((splices <= drawn) & (drawn < splices + self.config.reversals))
        if len(backwards):
            unknown[backwards], second[backwards] = random.choice(self.own, len(backwards)), BACKWARDS
        return unknown, second

    def gather(self, examples: NDArray[np.int64]) -> Tensor:
        """The recordings float32 [n, CLIP_SAMPLES] of the numbers of examples [n]; zeros for NONE."""
        clips = torch.zeros(len(examples), CLIP_SAMPLES, dtype=torch.int16, device=self.device)
        source = np.where(examples == NONE, NONE, self.examples.source[examples])
        for i, samples in enumerate(self.sources):
            places = np.flatnonzero(source == i)
            rows = torch.from_numpy(self.examples.row[examples[places]]).to(self.device)
            clips.index_copy_(0, torch.from_numpy(places).to(self.device), samples.index_select(0, rows))
        return clips * (1 / 32768)
