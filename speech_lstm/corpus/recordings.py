"""A corpus in memory: the recordings that runs of one task are trained on and scored on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CorpusConfig
from speech_lstm.corpus.clip_cache import ClipCache, load_clips
from speech_lstm.corpus.examples import Examples, training_examples
from speech_lstm.corpus.noise import training_noise
from speech_lstm.corpus.scored_set import ScoredSet, scored_set
from speech_lstm.corpus.speech_commands import Corpus, scan
from speech_lstm.corpus.task import Task, task_of


@dataclass(frozen=True)
class Recordings:
    """What any number of runs of one task are trained on and scored on; `read_recordings` makes it.

    The scored sets raise CorpusError, at their first use, for a split without recordings of the task.
    """

    corpus: Corpus
    clips: ClipCache
    task: Task
    examples: Examples

    @cached_property
    def validation(self) -> ScoredSet:
        return scored_set(self.corpus, self.clips, self.task, "validation")

    @cached_property
    def testing(self) -> ScoredSet:
        return scored_set(self.corpus, self.clips, self.task, "testing")

    @cached_property
    def noise(self) -> NDArray[np.float32]:
        """The noise to train with, float32 [samples]."""
        return training_noise(self.corpus)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is skipped or replaced, for people."""
        return (*self.corpus.notes, *self.clips.notes, *self.examples.notes)

    @cached_property
    def sound(self) -> str:
        """Changes with the samples of the recordings, as their caches know them, and with the files of noise."""
        digest = hashlib.sha256("".join(self.examples.digests).encode())
        for name in self.corpus.noise:
            with (self.corpus.root / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    @cached_property
    def digest(self) -> str:
        """Changes with recordings, labels and splits; see `sound` for the samples."""
        digest = hashlib.sha256(repr((self.task.labels, self.validation.names)).encode())
        for numbers in (self.examples.source, self.examples.row, self.examples.label, self.examples.word):
            digest.update(numbers.tobytes())
        return digest.hexdigest()


def read_recordings(config: CorpusConfig, data: Path, progress: bool = True, task: Task | None = None) -> Recordings:
    """Read the corpus in `data`, or map its cache on disk, for a task or that of the settings.

    Raises ConfigError and CorpusError.
    """
    corpus = scan(data, config.strict)
    task = task or task_of(config.labels, corpus)
    clips = load_clips(data, [clip.name for clip in corpus.clips], progress, config.strict)
    return Recordings(corpus, clips, task, training_examples(corpus, clips, task, config, progress))
