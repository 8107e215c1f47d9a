"""Sequences of any length for studies of memory: words in a chain, and a word followed by noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.corpus.clip_cache import load_clips
from speech_lstm.corpus.noise import noise_of
from speech_lstm.corpus.speech_commands import Corpus, scan
from speech_lstm.corpus.task import task_of
from speech_lstm.errors import ConfigError, CorpusError

# 25 frames a second keep 16 s down to 400 steps. Log-mel, because cells that scan bands read nothing else.
FEATURES = FeatureConfig(kind="log-mel", window_ms=40.0, hop_ms=40.0, mels=40)
FRAMES = SAMPLE_RATE // FEATURES.hop  # of one second, which is one recording


@dataclass(frozen=True)
class Sequences:
    """The features of two words, spoken by several people, and of noise, to make sequences from.

    `words` holds for each word its recordings float32 [recordings, FRAMES, size]; `noise` is one long stretch
    float32 [frames, size].
    """

    words: tuple[Tensor, Tensor]
    noise: Tensor

    def chain(self, seconds: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` sequences of words, float32 [count, seconds · FRAMES, size], and the index of each one's last word,
        int64 [count]: both words equally often."""
        random = np.random.default_rng(seed)
        words = random.integers(0, 2, (count, seconds))
        words[:, -1] = labels = balanced_labels(count, random)
        sequences = [torch.cat([self.draw(word, random) for word in row]) for row in words]
        return torch.stack(sequences), torch.from_numpy(labels)

    def then_noise(self, seconds: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` sequences of a word and then noise, of the same shape, and the index of the word, int64 [count]."""
        random = np.random.default_rng(seed)
        labels, rest = balanced_labels(count, random), (seconds - 1) * FRAMES
        starts = random.integers(0, len(self.noise) - rest + 1, count)
        rows = zip(labels, starts, strict=True)
        sequences = [torch.cat([self.draw(word, random), self.noise[at : at + rest]]) for word, at in rows]
        return torch.stack(sequences), torch.from_numpy(labels)

    def draw(self, word: int, random: np.random.Generator) -> Tensor:
        """One of the word's recordings."""
        return self.words[word][random.integers(len(self.words[word]))]


def balanced_labels(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """0 and 1 equally often, in random order."""
    return random.permutation(np.arange(count, dtype=np.int64) % 2)


def read_sequences(data: Path, words: tuple[str, ...], longest: int) -> tuple[Sequences, Sequences]:
    """The recordings of two words for training, and those of all other speakers for scoring.

    The noise is long enough for sequences of `longest` seconds. Raises CorpusError for a folder that is not a corpus
    or has too few recordings of the words, and ConfigError unless there are two words.
    """
    corpus = scan(data)
    if len(words) != 2 or len(task_of(",".join(words), corpus).commands) != 2:
        raise ConfigError(f"words is {','.join(words)!r}; give two, such as yes,no")
    front_end = FrontEnd(FEATURES)
    clips = load_clips(data, [clip.name for clip in corpus.clips])  # all: one cache serves every command

    def recordings(word: str, training: bool) -> Tensor:
        chosen = (c for c in corpus.clips if c.folder == word and (c.split == "training") == training)
        rows = [clips.rows[clip.name] for clip in chosen if clip.name in clips.rows]
        if not rows:
            kind = "training" if training else "validation and testing"
            raise CorpusError(f"{data}: no recordings of {word!r} in the {kind} split; choose other --words")
        return front_end(torch.from_numpy(clips.samples[rows] / np.float32(32768)))

    def sequences(training: bool) -> Sequences:
        both = recordings(words[0], training), recordings(words[1], training)
        return Sequences(both, noise_frames(corpus, training, longest, front_end))

    return sequences(True), sequences(False)


def noise_frames(corpus: Corpus, training: bool, longest: int, front_end: FrontEnd) -> Tensor:
    """The features of a split's noise, repeated until it is longer than the longest sequence."""
    noise = noise_of(corpus, "training" if training else "testing")
    repeats = 1 + longest * SAMPLE_RATE // len(noise)
    return front_end(torch.from_numpy(np.tile(noise, repeats))[None])[0]
