"""The recordings that a network is trained on, with their labels and words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import rms
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import CLIP_SAMPLES, UNKNOWN, CorpusConfig, split_names
from speech_lstm.corpus.clip_cache import ClipCache, load_clips
from speech_lstm.corpus.left_out import left_out_names
from speech_lstm.corpus.speech_commands import NOISE_FOLDER, Corpus
from speech_lstm.corpus.task import Task
from speech_lstm.errors import ConfigError, CorpusError

PAUSE = 0.2  # of the median second's level, below which nobody speaks in a second of running speech


class Row(NamedTuple):
    """A training recording before its label and word are numbers."""

    source: int
    row: int
    label: str
    word: str
    name: str  # the path in the corpus; of an extra folder, with the folder


@dataclass(frozen=True)
class Examples:
    """Training recordings: rows of one or more int16 arrays, each with its label and its word as numbers."""

    sources: tuple[NDArray[np.int16], ...]  # each [clips, CLIP_SAMPLES]; the first is the corpus's own
    source: NDArray[np.int64]  # [examples] which array
    row: NDArray[np.int64]  # [examples] which row of it
    label: NDArray[np.int64]  # [examples]
    word: NDArray[np.int64]  # [examples] number of the spoken word
    words: tuple[str, ...]  # of these numbers
    digests: tuple[str, ...]  # of the samples of each array
    speech: NDArray[np.int16]  # [samples] running speech, one recording after the other
    loud: NDArray[np.int64]  # [seconds] the samples at which its seconds in which somebody speaks begin
    notes: tuple[str, ...] = ()  # recordings that are skipped or left out, for people

    def __len__(self) -> int:
        return len(self.row)

    def subset(self, chosen: NDArray[np.bool_]) -> Examples:
        """The examples that are chosen, bool [examples]."""
        arrays = {name: getattr(self, name)[chosen] for name in ("source", "row", "label", "word")}
        return replace(self, **arrays)


def training_examples(
    corpus: Corpus, clips: ClipCache, task: Task, config: CorpusConfig, progress: bool = True
) -> Examples:
    """The training split of the corpus, and the further folders of the settings.

    Raises ConfigError for words to hold out that are labels or not there, for recordings to leave out that are not
    there, and if nothing remains; CorpusError without a recording.
    """
    held_out = set(split_names(config.hold_out))
    if both := sorted(held_out & set(task.labels)):
        raise ConfigError(f"hold_out names {both[0]!r}, which is one of the labels; leave it out of one of them")
    rows = corpus_rows(corpus, clips, task)
    caches = [clips]
    notes: list[str] = []
    known = {clip.name for clip in corpus.clips}  # including other splits and damaged recordings
    for folder in map(Path, split_names(config.extra)):
        extra, words = extra_recordings(folder, corpus.root, progress, config.strict)
        rows += extra_rows(len(caches), folder, extra, words, task)
        known.update((folder / name).as_posix() for name in (*extra.names, *extra.damaged))
        caches.append(extra)
        notes.extend(extra.notes)
    if absent := sorted(held_out - {row.word for row in rows} - {clip.word for clip in corpus.clips}):
        raise ConfigError(f"hold_out names {absent[0]!r}, but there are no recordings of it; correct or remove it")
    rows = [row for row in rows if row.word not in held_out]
    if not rows:
        raise ConfigError("hold_out leaves no recording to train on; name fewer words")
    if config.leave_out:
        rows = without_left_out(rows, Path(config.leave_out), known, notes)
    words_spoken = tuple(sorted({row.word for row in rows}))
    numbers = {word: i for i, word in enumerate(words_spoken)}
    table = np.array([(r.source, r.row, task.labels.index(r.label), numbers[r.word]) for r in rows], np.int64)
    source, row, label_numbers, word_numbers = np.ascontiguousarray(table.T)
    sources, digests = tuple(cache.samples for cache in caches), tuple(cache.digest for cache in caches)
    speech = running_speech(config, corpus.root, progress)
    digests = (*digests, *(cache.digest for cache in speech))
    notes.extend(note for cache in speech for note in cache.notes)
    arrays = source, row, label_numbers, word_numbers
    return Examples(sources, *arrays, words_spoken, digests, *joined(speech), tuple(notes))


def corpus_rows(corpus: Corpus, clips: ClipCache, task: Task) -> list[Row]:
    """The training split of the corpus; raises CorpusError if it is empty."""
    rows = [
        Row(0, clips.rows[clip.name], label, clip.word, clip.name)
        for clip in corpus.clips
        if clip.split == "training" and clip.name in clips.rows and (label := task.label_of(clip))
    ]
    if not rows:
        raise CorpusError(
            f"{corpus.root}: the training split has no recording of {', '.join(task.labels)}; "
            "record more takes of each word, or name fewer recordings in validation_list.txt and testing_list.txt"
        )
    return rows


def extra_rows(source: int, folder: Path, clips: ClipCache, words: Sequence[str], task: Task) -> list[Row]:
    """The recordings of an extra folder that have a label."""
    labels = [word if word in task.labels else UNKNOWN for word in words]
    return [
        Row(source, i, label, word, (folder / name).as_posix())
        for i, (name, word, label) in enumerate(zip(clips.names, words, labels, strict=True))
        if label in task.labels
    ]


def without_left_out(rows: list[Row], path: Path, known: Collection[str], notes: list[str]) -> list[Row]:
    """The rows that a file does not name, which may name all that are `known`; a note counts the others."""
    left_out = left_out_names(path, known)
    remaining = [row for row in rows if row.name not in left_out]
    if not remaining:
        raise ConfigError(f"leave_out: {path} names every recording to train on; remove some of its lines")
    count = len(rows) - len(remaining)
    more = f"; not trained on anyway: {len(left_out) - count:,} more" if len(left_out) > count else ""
    notes.append(f"left out by {path}: {count:,} of {len(rows):,} training recordings{more}")
    return remaining


def extra_recordings(root: Path, corpus: Path, progress: bool, strict: bool) -> tuple[ClipCache, list[str]]:
    """All recordings below a folder, and the word of each: the name of its folder."""
    names = [name for name in further_names("extra", root, corpus) if NOISE_FOLDER not in Path(name).parts]
    clips = load_clips(root, names, progress, strict)
    return clips, [Path(name).parent.name for name in clips.names]


def running_speech(config: CorpusConfig, corpus: Path, progress: bool) -> list[ClipCache]:
    """The seconds of the long recordings in each folder of running speech; raises ConfigError where it is missing."""
    folders = [Path(folder) for folder in split_names(config.speech)]
    if (config.in_speech or config.beside_speech) and not folders:
        raise ConfigError(
            "in_speech and beside_speech need running speech; name folders of it with speech, or set both to 0"
        )
    return [
        load_clips(root, further_names("speech", root, corpus), progress, config.strict, long=True)
        for root in folders
    ]


def joined(speech: Sequence[ClipCache]) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Running speech as one array [samples], and where its seconds begin in which somebody speaks."""
    if not speech:
        return np.zeros(0, np.int16), np.zeros(0, np.int64)
    seconds = speech[0].samples if len(speech) == 1 else np.concatenate([cache.samples for cache in speech])
    levels = np.array([rms(second / np.float32(32768)) for second in seconds])
    loud = np.flatnonzero(levels >= PAUSE * np.median(levels))
    return seconds.reshape(-1), loud * CLIP_SAMPLES


def further_names(setting: str, root: Path, corpus: Path) -> list[str]:
    """The recordings below a folder that a setting names besides the corpus, as paths below it."""
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; {setting} names folders of further recordings")
    inner, outer = sorted([root.resolve(), corpus.resolve()], key=lambda path: -len(path.parts))
    if inner.is_relative_to(outer):
        raise ConfigError(
            f"{setting} folder {root} and the corpus {corpus} overlap: training would use what is scored"
        )
    return [str(Path(path).relative_to(root)) for path in find_recordings([root])]
