"""The recordings of each training step: drawn from the seed, gathered from memory, for one process or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.context import beside_speech, cut_off, splice, within_speech
from speech_lstm.config import CLIP_SAMPLES, SILENCE, UNKNOWN, Config
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.corpus.task import rule_count
from speech_lstm.errors import ConfigError

NONE = -1  # instead of a number
CHANCES = 3  # random numbers of a row, for what is done to it


class Kind(IntEnum):
    """What a row of a batch is."""

    WHOLE = 0  # a recording as it is
    SILENCE = 1
    SPLICED = 2  # the first half of one recording and the second half of another
    BACKWARDS = 3  # a recording, from its end to its beginning
    CUT_OFF = 4  # a word that an end of the second cuts off
    SPEECH = 5  # a second of running speech
    IN_SPEECH = 6  # a word in the midst of running speech
    BESIDE_SPEECH = 7  # a word, a pause, and running speech; or the other way round


SPEECH_KINDS = (Kind.SPEECH, Kind.IN_SPEECH, Kind.BESIDE_SPEECH)
UNKNOWN_KINDS = (Kind.SPLICED, Kind.BACKWARDS, Kind.CUT_OFF, Kind.SPEECH, Kind.IN_SPEECH)  # whatever the word


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Rows:
    """What a number of rows are made of; each field has one entry for each row."""

    kind: NDArray[np.int64]  # [rows] a Kind
    first: NDArray[np.int64]  # [rows] number of an example; NONE for silence and running speech
    second: NDArray[np.int64]  # [rows] number of the other example, or the first sample of running speech; or NONE
    chances: NDArray[np.float32]  # [rows, CHANCES] from 0 to 1

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> Rows:
        """Some of the rows."""
        return Rows(**{item.name: getattr(self, item.name)[part] for item in fields(self)})

    @staticmethod
    def join(parts: list[Rows]) -> Rows:
        """All rows of the parts, one after the other."""
        return Rows(**{item.name: np.concatenate([getattr(p, item.name) for p in parts]) for item in fields(Rows)})


@dataclass(frozen=True, eq=False)
class Batch:
    """The recordings of a step; their tensors are computed on the device when they are used."""

    batches: Batches
    content: Rows

    def __len__(self) -> int:
        return len(self.content)

    def rows(self, part: slice) -> Batch:
        """Some of the recordings."""
        return Batch(self.batches, self.content[part])

    @property
    def labels(self) -> Tensor:
        """int64 [recordings]."""
        batches, rows = self.batches, self.content
        labels = np.where(rows.first == NONE, batches.silence_label, batches.examples.label[rows.first])
        labels = np.where(np.isin(rows.kind, UNKNOWN_KINDS), batches.unknown_label, labels)
        return torch.from_numpy(labels).to(batches.device)

    @property
    def unchanged(self) -> NDArray[np.int64]:
        """The numbers of the examples that are whole recordings as they are, int64 [recordings]; NONE for others."""
        return np.where(self.content.kind == Kind.WHOLE, self.content.first, NONE)

    @property
    def words(self) -> Tensor:
        """The numbers of the words that are heard whole, int64 [recordings]; NONE for others."""
        rows = self.content
        whole = np.isin(rows.kind, (Kind.WHOLE, Kind.BESIDE_SPEECH))
        words = np.where(whole, self.batches.examples.word[rows.first], NONE)
        return torch.from_numpy(words).to(self.batches.device)

    @property
    def silent(self) -> Tensor:
        """Which recordings are silence, bool [recordings]."""
        return torch.from_numpy(self.content.kind == Kind.SILENCE).to(self.batches.device)

    @property
    def unknown(self) -> Tensor:
        """Which recordings have the label `_unknown_`, bool [recordings]."""
        return self.labels == self.batches.unknown_label

    @property
    def certain(self) -> Tensor:
        """Which recordings are surely `_unknown_`, bool [recordings]: made for this step, or of an extra folder."""
        extra = (self.unchanged != NONE) & (self.batches.examples.source[self.content.first] != 0)
        made = torch.from_numpy(np.isin(self.content.kind, UNKNOWN_KINDS) | extra)
        return made.to(self.batches.device) & self.unknown

    @property
    def waveforms(self) -> Tensor:
        """float32 [recordings, CLIP_SAMPLES]; zeros for silence."""
        waveforms = self.batches.gather(self.content.first)
        self.change(waveforms, Kind.SPLICED, lambda words, rows: splice(words, self.batches.gather(rows.second)))
        self.change(waveforms, Kind.BACKWARDS, lambda words, _: words.flip(1))
        self.change(waveforms, Kind.CUT_OFF, lambda words, rows: cut_off(words, self.chances(rows)))
        self.change(waveforms, Kind.SPEECH, lambda _, rows: self.speech(rows))
        self.change(waveforms, Kind.IN_SPEECH, partial(self.among, within_speech))
        self.change(waveforms, Kind.BESIDE_SPEECH, partial(self.among, beside_speech))
        return waveforms

    def among(self, surround: Callable[[Tensor, Tensor, Tensor], Tensor], words: Tensor, rows: Rows) -> Tensor:
        """Words with their running speech around them."""
        return surround(words, self.speech(rows), self.chances(rows))

    def speech(self, rows: Rows) -> Tensor:
        """The running speech of some rows, float32 [rows, CLIP_SAMPLES]."""
        windows = self.batches.speech.unfold(0, CLIP_SAMPLES, 1)
        return windows[torch.from_numpy(rows.second).to(self.batches.device)] * (1 / 32768)

    def change(self, waveforms: Tensor, kind: Kind, change: Callable[[Tensor, Rows], Tensor]) -> None:
        """Replace the rows of one kind by what `change` makes of them."""
        places = np.flatnonzero(self.content.kind == kind)
        if len(places):
            index = torch.from_numpy(places).to(self.batches.device)
            waveforms[index] = change(waveforms[index], self.content[places])

    def chances(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows.chances).to(self.batches.device)


class Batches:
    """The order of the training examples: the same for the same seed, whatever the device and processes."""

    def __init__(self, recordings: Recordings, config: Config, device: torch.device) -> None:
        """Raises ConfigError for a batch that is larger than an epoch."""
        examples, labels = recordings.examples, recordings.task.labels
        self.examples, self.config, self.device = examples, config.corpus, device
        self.size, self.seed = config.training.batch, config.training.seed
        # On the CPU the memory maps themselves; on a GPU all recordings are in its memory, 2.7 GB for v0.02.
        self.sources = [torch.from_numpy(array).to(device) for array in examples.sources]
        self.speech = torch.from_numpy(examples.speech).to(device)
        self.unknown_label = labels.index(UNKNOWN) if UNKNOWN in labels else NONE
        self.silence_label = labels.index(SILENCE) if SILENCE in labels else NONE
        is_unknown, own = examples.label == self.unknown_label, examples.source == 0
        self.own = np.flatnonzero(own)
        self.commands, self.unknown = np.flatnonzero(~is_unknown & own), np.flatnonzero(is_unknown)
        self.extra = np.flatnonzero(~is_unknown & ~own)
        self.set_counts()
        self.steps = self.count // self.size  # the rest, less than a batch, is drawn in other epochs
        if self.steps == 0:
            raise ConfigError(f"batch is {self.size}, but an epoch has only {self.count} recordings; lower batch")

    def set_counts(self) -> None:
        """How many recordings of each kind an epoch has."""
        commands, config = len(self.commands), self.config
        has_unknown, has_silence = self.unknown_label != NONE, self.silence_label != NONE
        self.extra_count = min(rule_count(commands, config.extra_commands), len(self.extra))
        self.unknown_count = min(rule_count(commands, config.unknown), len(self.unknown))
        self.silence_count = rule_count(commands, config.silence) if has_silence else 0
        self.cut_count = rule_count(commands, config.cut_off) if has_unknown else 0
        has_speech = has_unknown and len(self.examples.loud) > 0
        self.speech_count = rule_count(commands, config.speech_seconds) if has_speech else 0
        self.in_speech_count = rule_count(commands, config.in_speech) if has_speech else 0
        parts = (self.extra_count, self.unknown_count, self.silence_count, self.cut_count)
        self.count = commands + sum(parts) + self.speech_count + self.in_speech_count

    def epoch(self, epoch: int) -> list[Batch]:
        """The batches of every step."""
        random, more = np.random.default_rng((self.seed, epoch)), np.random.default_rng((self.seed, epoch, 1))
        parts = [
            self.draw_unknown(random),
            self.draw_commands(more),
            rows_of(Kind.WHOLE, random.permutation(self.extra)[: self.extra_count]),
            rows_of(Kind.SILENCE, np.full(self.silence_count, NONE)),
            rows_of(Kind.CUT_OFF, more.choice(self.commands, self.cut_count)),
            rows_of(Kind.SPEECH, np.full(self.speech_count, NONE)),
            rows_of(Kind.IN_SPEECH, more.choice(self.commands, self.in_speech_count)),
        ]
        rows = Rows.join(parts)
        speaks = np.isin(rows.kind, SPEECH_KINDS)
        rows.second[speaks] = self.draw_speech(more, int(speaks.sum()))
        rows.chances[:] = more.random(rows.chances.shape, np.float32)
        order = random.permutation(len(rows))[: self.steps * self.size].reshape(self.steps, self.size)
        return [Batch(self, rows[part]) for part in order]

    def draw_commands(self, random: np.random.Generator) -> Rows:
        """Every command of the corpus once, a share of them beside running speech."""
        rows = rows_of(Kind.WHOLE, self.commands)
        rows.kind[random.uniform(size=len(rows)) < self.config.beside_speech] = Kind.BESIDE_SPEECH
        return rows

    def draw_speech(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Where seconds of running speech begin, int64 [count]: near one in which somebody speaks."""
        if not count:
            return np.zeros(0, np.int64)
        half = CLIP_SAMPLES // 2
        start = random.choice(self.examples.loud, count) + random.integers(-half, half, count)
        return start.clip(0, len(self.examples.speech) - CLIP_SAMPLES)

    def draw_unknown(self, random: np.random.Generator) -> Rows:
        """The `_unknown_` recordings of an epoch, some of which are spliced or backwards."""
        rows = rows_of(Kind.WHOLE, random.permutation(self.unknown)[: self.unknown_count])
        drawn, splices = random.uniform(size=len(rows)), self.config.splices
        # A corpus has few words besides its commands: spliced halves of two words, or one backwards, add others.
        spliced = np.flatnonzero(drawn < splices)
        if len(spliced):
            halves = random.choice(self.own, (2, len(spliced)))
            differ = self.examples.word[halves[0]] != self.examples.word[halves[1]]
            spliced = spliced[differ]
            rows.kind[spliced] = Kind.SPLICED
            rows.first[spliced], rows.second[spliced] = halves[:, differ]
        backwards = np.flatnonzero((splices <= drawn) & (drawn < splices + self.config.reversals))
        if len(backwards):
            rows.kind[backwards], rows.first[backwards] = Kind.BACKWARDS, random.choice(self.own, len(backwards))
        return rows

    def gather(self, examples: NDArray[np.int64]) -> Tensor:
        """The recordings float32 [n, CLIP_SAMPLES] of the numbers of examples [n]; zeros for NONE."""
        clips = torch.zeros(len(examples), CLIP_SAMPLES, dtype=torch.int16, device=self.device)
        source = np.where(examples == NONE, NONE, self.examples.source[examples])
        for i, samples in enumerate(self.sources):
            places = np.flatnonzero(source == i)
            rows = torch.from_numpy(self.examples.row[examples[places]]).to(self.device)
            clips.index_copy_(0, torch.from_numpy(places).to(self.device), samples.index_select(0, rows))
        return clips * (1 / 32768)


def rows_of(kind: Kind, first: NDArray[np.int64]) -> Rows:
    """Rows of one kind, of these examples, without what a kind may need besides."""
    count = len(first)
    return Rows(np.full(count, kind, np.int64), first, np.full(count, NONE), np.zeros((count, CHANCES), np.float32))
