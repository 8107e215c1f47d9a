"""Recordings with their right labels: what a model is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.corpus.clip_cache import ClipCache, load_clips, to_int16
from speech_lstm.corpus.noise import noise_of, silences
from speech_lstm.corpus.speech_commands import Clip, Corpus, Split, listing, scan
from speech_lstm.corpus.task import Task, rule_count
from speech_lstm.errors import CorpusError

UNKNOWN_SEED = 59  # decides which unknown recordings a scored split takes; written into every evaluation


@dataclass(frozen=True)
class ScoredSet:
    """Recordings with their right labels."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    waveforms: NDArray[np.int16]  # [recordings, CLIP_SAMPLES]
    truth: NDArray[np.int64]  # [recordings] number of the right label


def read_scored_set(data: Path, labels: tuple[str, ...], split: Split, progress: bool = True) -> ScoredSet:
    """The scored recordings of a split of the corpus in `data`; raises CorpusError."""
    corpus = scan(data)
    clips = load_clips(data, [clip.name for clip in corpus.clips], progress)
    return scored_set(corpus, clips, Task(labels), split)


def scored_set(corpus: Corpus, clips: ClipCache, task: Task, split: Split) -> ScoredSet:
    """The recordings of a split that the task scores, with silence; see `scored_clips`."""
    pairs, silence_count = scored_clips(corpus, task, split)
    words = gather(pairs, clips, task)
    if not silence_count:
        return words
    quiet = to_int16(silences(noise_of(corpus, split), silence_count))
    return ScoredSet(
        words.names + tuple(f"{SILENCE}/{i}" for i in range(silence_count)),
        words.words + (SILENCE,) * silence_count,
        np.concatenate([words.waveforms, quiet]),
        np.concatenate([words.truth, np.full(silence_count, task.labels.index(SILENCE))]),
    )


def gather(pairs: Sequence[tuple[Clip, str]], clips: ClipCache, task: Task) -> ScoredSet:
    """Recordings with their labels, without those that could not be read."""
    pairs = [(clip, label) for clip, label in pairs if clip.name in clips.rows]
    return ScoredSet(
        tuple(clip.name for clip, _ in pairs),
        tuple(clip.word for clip, _ in pairs),
        clips.samples[[clips.rows[clip.name] for clip, _ in pairs]],
        np.array([task.labels.index(label) for _, label in pairs], np.int64),
    )


def scored_clips(corpus: Corpus, task: Task, split: Split) -> tuple[list[tuple[Clip, str]], int]:
    """The recordings of a split that are scored, each with its label, and how many silences to add.

    Every command recording is taken. `_unknown_` takes as many as the standard task's rule says, drawn
    from the sorted names with `UNKNOWN_SEED`; a test archive's own `_unknown_` and `_silence_` are all taken.
    """
    labelled = [(clip, label) for clip in corpus.clips if clip.split == split and (label := task.label_of(clip))]
    unknown = [pair for pair in labelled if pair[1] == UNKNOWN]
    known = [pair for pair in labelled if pair[1] != UNKNOWN]
    if not known:
        raise CorpusError(
            f"{corpus.root}: the {split} split has no recording of {listing(task.labels, 12)}; "
            f"record more takes of each word, or name some of the recordings in {split}_list.txt"
        )
    count = rule_count(sum(label in task.commands for _, label in known))
    own_silence = any(label == SILENCE for _, label in known)
    if not own_silence and len(unknown) > count:
        order = np.random.default_rng(UNKNOWN_SEED).permutation(len(unknown))
        unknown = [unknown[i] for i in sorted(order[:count])]
    return known + unknown, count if SILENCE in task.labels and not own_silence else 0
