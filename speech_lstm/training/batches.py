"""Which recordings each training step sees: drawn from the seed, gathered from memory, for one process or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.augment import splice
from speech_lstm.audio.recording import find_recordings
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, CorpusConfig, listed
from speech_lstm.corpus.memory import Memory, load_memory
from speech_lstm.corpus.speech_commands import NOISE_FOLDER, Corpus, Task, rule_count
from speech_lstm.errors import ConfigError, CorpusError

NONE = -1  # in place of a row: silence, or no second half


@dataclass(frozen=True)
class Examples:
    """Training recordings: rows of one or more int16 arrays, each with its label and its word as numbers."""

    sources: tuple[NDArray[np.int16], ...]
    source: NDArray[np.int64]  # [examples] which array
    row: NDArray[np.int64]  # [examples] which row of it
    label: NDArray[np.int64]  # [examples]
    word: NDArray[np.int64]  # [examples] equal where the same word is spoken

    def __len__(self) -> int:
        return len(self.row)


def training_examples(
    corpus: Corpus, memory: Memory, task: Task, config: CorpusConfig, progress: bool = True
) -> Examples:
    """The training split of the corpus, and the further folders that the settings name."""
    held_out = set(listed(config.hold_out))
    at = {name: i for i, name in enumerate(memory.names)}
    found = [
        (0, at[clip.name], label, clip.word)
        for clip in corpus.clips
        if clip.split == "training" and clip.name in at and (label := task.label_of(clip))
        if clip.word not in held_out
    ]
    if not found:
        raise CorpusError(f"{corpus.root}: the training split has no recording of {', '.join(task.labels)}")
    sources = [memory.samples]
    for folder in listed(config.extra):
        extra, words = extra_recordings(Path(folder), progress, config.strict)
        for i, word in enumerate(words):
            label = word if word in task.labels else UNKNOWN
            if label in task.labels and word not in held_out:
                found.append((len(sources), i, label, word))
        sources.append(extra.samples)
    numbers = {word: i for i, word in enumerate(sorted({word for *_, word in found}))}
    table = np.array([(s, r, task.labels.index(label), numbers[word]) for s, r, label, word in found], np.int64)
    return Examples(tuple(sources), *np.ascontiguousarray(table.T))


def extra_recordings(root: Path, progress: bool, strict: bool) -> tuple[Memory, list[str]]:
    """All recordings below a folder, and the word of each: the name of the folder it lies in."""
    names = [str(Path(path).relative_to(root)) for path in find_recordings([root])]
    names = [name for name in names if NOISE_FOLDER not in Path(name).parts]
    memory = load_memory(root, names, progress, strict)
    return memory, [Path(name).parent.name for name in memory.names]


class Batches:
    """The order of the training examples: the same for the same seed, whatever the device and processes."""

    def __init__(
        self,
        examples: Examples,
        task: Task,
        config: CorpusConfig,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.examples, self.config, self.batch, self.seed, self.device = examples, config, batch, seed, device
        # On the CPU the memory maps themselves; on a GPU all recordings lie in its memory, 2.7 GB for v0.02.
        self.sources = [torch.from_numpy(array).to(device) for array in examples.sources]
        self.unknown_label = task.labels.index(UNKNOWN) if UNKNOWN in task.labels else NONE
        self.silence_label = task.labels.index(SILENCE) if SILENCE in task.labels else NONE
        is_unknown = examples.label == self.unknown_label
        self.commands, self.unknown = np.flatnonzero(~is_unknown), np.flatnonzero(is_unknown)
        wanted = rule_count(len(self.commands), config.unknown)
        self.unknown_count = min(wanted, len(self.unknown))
        self.silence_count = rule_count(len(self.commands), config.silence) if self.silence_label != NONE else 0
        total = len(self.commands) + self.unknown_count + self.silence_count
        self.steps = total // batch  # the rest, less than a batch, has its turn in another epoch's order
        if self.steps == 0:
            raise ConfigError(f"batch is {batch}, but an epoch has only {total} recordings; lower batch")

    def epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The examples of every step [steps, batch], NONE for silence, and second halves, NONE for none."""
        random = np.random.default_rng((self.seed, epoch))
        unknown = random.permutation(self.unknown)[: self.unknown_count]
        second = np.full(len(unknown), NONE)
        spliced = np.flatnonzero(random.uniform(size=len(unknown)) < self.config.splices)
        if len(spliced):
            halves = random.integers(0, len(self.examples), (2, len(spliced)))
            differ = self.examples.word[halves[0]] != self.examples.word[halves[1]]
            unknown[spliced[differ]], second[spliced[differ]] = halves[:, differ]
        plain = np.full(len(self.commands) + self.silence_count, NONE)
        first = np.concatenate([unknown, self.commands, np.full(self.silence_count, NONE)])
        order = random.permutation(len(first))[: self.steps * self.batch].reshape(self.steps, self.batch)
        return first[order], np.concatenate([second, plain])[order]

    def labels(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        """The labels int64 [n] of examples and second halves."""
        labels = np.where(first == NONE, self.silence_label, self.examples.label[first])
        return torch.from_numpy(np.where(second == NONE, labels, self.unknown_label))

    def waveforms(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        """The waveforms float32 [n, CLIP_SAMPLES] on the device; zeros for silence."""
        waveforms = self.gather(first)
        spliced = np.flatnonzero(second != NONE)
        if len(spliced):
            rows = torch.from_numpy(spliced).to(self.device)
            waveforms[rows] = splice(waveforms[rows], self.gather(second[spliced]))
        return waveforms

    def gather(self, examples: NDArray[np.int64]) -> Tensor:
        """The recordings float32 [n, CLIP_SAMPLES] of examples; zeros for NONE."""
        waveforms = torch.zeros(len(examples), CLIP_SAMPLES, device=self.device)
        source = np.where(examples == NONE, NONE, self.examples.source[examples])
        for i, samples in enumerate(self.sources):
            here = np.flatnonzero(source == i)
            rows = torch.from_numpy(self.examples.row[examples[here]]).to(self.device)
            waveforms[torch.from_numpy(here).to(self.device)] = samples[rows].float().div_(32768)
        return waveforms
