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
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, CorpusConfig, split_names
from speech_lstm.corpus.clip_cache import Memory, load_memory
from speech_lstm.corpus.speech_commands import NOISE_FOLDER, Corpus, Task, rule_count
from speech_lstm.errors import ConfigError, CorpusError

NONE = -1  # in place of a row: silence, or no second half
BACKWARDS = -2  # in place of a second half: the recording is played from its end to its beginning


@dataclass(frozen=True)
class Examples:
    """Training recordings: rows of one or more int16 arrays, each with its label and its word as numbers."""

    sources: tuple[NDArray[np.int16], ...]
    source: NDArray[np.int64]  # [examples] which array
    row: NDArray[np.int64]  # [examples] which row of it
    label: NDArray[np.int64]  # [examples]
    word: NDArray[np.int64]  # [examples] equal where the same word is spoken
    notes: tuple[str, ...] = ()  # which further recordings were left out, for people

    def __len__(self) -> int:
        return len(self.row)


def training_examples(
    corpus: Corpus, memory: Memory, task: Task, config: CorpusConfig, progress: bool = True
) -> Examples:
    """The training split of the corpus, and the further folders that the settings name."""
    held_out = set(split_names(config.hold_out))
    if both := sorted(held_out & set(task.labels)):
        raise ConfigError(f"hold_out names {both[0]!r}, which is one of the labels; leave it out of one of them")
    at = {name: i for i, name in enumerate(memory.names)}
    found = [
        (0, at[clip.name], label, clip.word)
        for clip in corpus.clips
        if clip.split == "training" and clip.name in at and (label := task.label_of(clip))
    ]
    if not found:
        raise CorpusError(f"{corpus.root}: the training split has no recording of {', '.join(task.labels)}")
    sources = [memory.samples]
    notes: list[str] = []
    for folder in split_names(config.extra):
        extra, words = extra_recordings(Path(folder), corpus.root, progress, config.strict)
        for i, word in enumerate(words):
            label = word if word in task.labels else UNKNOWN
            if label in task.labels:
                found.append((len(sources), i, label, word))
        sources.append(extra.samples)
        notes.extend(extra.notes)
    if strange := sorted(held_out - {word for *_, word in found} - {clip.word for clip in corpus.clips}):
        raise ConfigError(f"hold_out names {strange[0]!r}, of which there are no recordings; correct or remove it")
    found = [example for example in found if example[-1] not in held_out]
    if not found:
        raise ConfigError("hold_out leaves no recording to train on; name fewer words")
    numbers = {word: i for i, word in enumerate(sorted({word for *_, word in found}))}
    table = np.array([(s, r, task.labels.index(label), numbers[word]) for s, r, label, word in found], np.int64)
    source, row, labels, spoken = np.ascontiguousarray(table.T)
    return Examples(tuple(sources), source, row, labels, spoken, tuple(notes))


def extra_recordings(root: Path, corpus: Path, progress: bool, strict: bool) -> tuple[Memory, list[str]]:
    """All recordings below a folder, and the word of each: the name of the folder it lies in."""
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; extra names folders of further recordings")
    inner, outer = sorted([root.resolve(), corpus.resolve()], key=lambda path: -len(path.parts))
    if inner.is_relative_to(outer):
        raise ConfigError(f"extra folder {root} and the corpus {corpus} overlap: training would see what is scored")
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
        is_unknown, own = examples.label == self.unknown_label, examples.source == 0
        self.own = np.flatnonzero(own)
        self.commands, self.unknown = np.flatnonzero(~is_unknown & own), np.flatnonzero(is_unknown)
        self.extra = np.flatnonzero(~is_unknown & ~own)
        self.extra_count = min(rule_count(len(self.commands), config.extra_commands), len(self.extra))
        self.unknown_count = min(rule_count(len(self.commands), config.unknown), len(self.unknown))
        self.silence_count = rule_count(len(self.commands), config.silence) if self.silence_label != NONE else 0
        total = len(self.commands) + self.extra_count + self.unknown_count + self.silence_count
        self.steps = total // batch  # the rest, less than a batch, has its turn in another epoch's order
        if self.steps == 0:
            raise ConfigError(f"batch is {batch}, but an epoch has only {total} recordings; lower batch")

    def epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The examples of every step [steps, batch], NONE for silence, and second halves, NONE or BACKWARDS."""
        random = np.random.default_rng((self.seed, epoch))
        unknown = random.permutation(self.unknown)[: self.unknown_count]
        second, splices = np.full(len(unknown), NONE), self.config.splices
        drawn = random.uniform(size=len(unknown))
        # Real voices say few words but the corpus's own: halves of two of them, or one backwards, are others.
        spliced = np.flatnonzero(drawn < splices)
        if len(spliced):
            halves = random.choice(self.own, (2, len(spliced)))
            differ = self.examples.word[halves[0]] != self.examples.word[halves[1]]
            unknown[spliced[differ]], second[spliced[differ]] = halves[:, differ]
        backwards = np.flatnonzero((splices <= drawn) & (drawn < splices + self.config.reversals))
        if len(backwards):
            unknown[backwards], second[backwards] = random.choice(self.own, len(backwards)), BACKWARDS
        extra = random.permutation(self.extra)[: self.extra_count]
        first = np.concatenate([unknown, self.commands, extra, np.full(self.silence_count, NONE)])
        plain = np.full(len(first) - len(unknown), NONE)
        order = random.permutation(len(first))[: self.steps * self.batch].reshape(self.steps, self.batch)
        return first[order], np.concatenate([second, plain])[order]

    def labels(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        """The labels int64 [n] of examples and second halves."""
        labels = np.where(first == NONE, self.silence_label, self.examples.label[first])
        return torch.from_numpy(np.where(second == NONE, labels, self.unknown_label))

    def waveforms(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Tensor:
        """The waveforms float32 [n, CLIP_SAMPLES] on the device; zeros for silence."""
        waveforms = self.gather(first)
        if len(spliced := np.flatnonzero(second >= 0)):
            rows = torch.from_numpy(spliced).to(self.device)
            waveforms[rows] = splice(waveforms[rows], self.gather(second[spliced]))
        if len(backwards := np.flatnonzero(second == BACKWARDS)):
            rows = torch.from_numpy(backwards).to(self.device)
            waveforms[rows] = waveforms[rows].flip(1)
        return waveforms

    def gather(self, examples: NDArray[np.int64]) -> Tensor:
        """The recordings float32 [n, CLIP_SAMPLES] of examples; zeros for NONE."""
        clips = torch.zeros(len(examples), CLIP_SAMPLES, dtype=torch.int16, device=self.device)
        source = np.where(examples == NONE, NONE, self.examples.source[examples])
        for i, samples in enumerate(self.sources):
            here = np.flatnonzero(source == i)
            rows = torch.from_numpy(self.examples.row[examples[here]]).to(self.device)
            clips.index_copy_(0, torch.from_numpy(here).to(self.device), samples.index_select(0, rows))
        return clips * (1 / 32768)
