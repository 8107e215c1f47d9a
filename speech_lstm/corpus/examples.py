"""The recordings that a network is trained on, with their labels and words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import UNKNOWN, CorpusConfig, split_names
from speech_lstm.corpus.clip_cache import ClipCache, load_clips
from speech_lstm.corpus.speech_commands import NOISE_FOLDER, Corpus
from speech_lstm.corpus.task import Task
from speech_lstm.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class Examples:
    """Training recordings: rows of one or more int16 arrays, each with its label and its word as numbers."""

    sources: tuple[NDArray[np.int16], ...]  # each [clips, CLIP_SAMPLES]; the first is the corpus's own
    source: NDArray[np.int64]  # [examples] which array
    row: NDArray[np.int64]  # [examples] which row of it
    label: NDArray[np.int64]  # [examples]
    word: NDArray[np.int64]  # [examples] equal if the same word is spoken
    digests: tuple[str, ...]  # of the samples of each array
    notes: tuple[str, ...] = ()  # further recordings that are skipped, for people

    def __len__(self) -> int:
        return len(self.row)


def training_examples(
    corpus: Corpus, clips: ClipCache, task: Task, config: CorpusConfig, progress: bool = True
) -> Examples:
    """The training split of the corpus, and the further folders of the settings.

    Raises ConfigError for words to hold out that are labels or not there, and CorpusError without a recording.
    """
    held_out = set(split_names(config.hold_out))
    if both := sorted(held_out & set(task.labels)):
        raise ConfigError(f"hold_out names {both[0]!r}, which is one of the labels; leave it out of one of them")
    rows = [
        (0, clips.rows[clip.name], label, clip.word)
        for clip in corpus.clips
        if clip.split == "training" and clip.name in clips.rows and (label := task.label_of(clip))
    ]
    if not rows:
        raise CorpusError(f"{corpus.root}: the training split has no recording of {', '.join(task.labels)}")
    caches = [clips]
    notes: list[str] = []
    for folder in split_names(config.extra):
        extra, words = extra_recordings(Path(folder), corpus.root, progress, config.strict)
        for i, word in enumerate(words):
            label = word if word in task.labels else UNKNOWN
            if label in task.labels:
                rows.append((len(caches), i, label, word))
        caches.append(extra)
        notes.extend(extra.notes)
    if absent := sorted(held_out - {word for *_, word in rows} - {clip.word for clip in corpus.clips}):
        raise ConfigError(f"hold_out names {absent[0]!r}, but there are no recordings of it; correct or remove it")
    rows = [example for example in rows if example[-1] not in held_out]
    if not rows:
        raise ConfigError("hold_out leaves no recording to train on; name fewer words")
    numbers = {word: i for i, word in enumerate(sorted({word for *_, word in rows}))}
    table = np.array([(s, r, task.labels.index(label), numbers[word]) for s, r, label, word in rows], np.int64)
    source, row, label_numbers, word_numbers = np.ascontiguousarray(table.T)
    sources, digests = tuple(cache.samples for cache in caches), tuple(cache.digest for cache in caches)
    return Examples(sources, source, row, label_numbers, word_numbers, digests, tuple(notes))


def extra_recordings(root: Path, corpus: Path, progress: bool, strict: bool) -> tuple[ClipCache, list[str]]:
    """All recordings below a folder, and the word of each: the name of its folder."""
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; extra names folders of further recordings")
    inner, outer = sorted([root.resolve(), corpus.resolve()], key=lambda path: -len(path.parts))
    if inner.is_relative_to(outer):
        raise ConfigError(f"extra folder {root} and the corpus {corpus} overlap: training would use what is scored")
    names = [str(Path(path).relative_to(root)) for path in find_recordings([root])]
    names = [name for name in names if NOISE_FOLDER not in Path(name).parts]
    clips = load_clips(root, names, progress, strict)
    return clips, [Path(name).parent.name for name in clips.names]
