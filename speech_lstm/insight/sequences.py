"""Recordings of any length for looking at memory: words in a chain, and a word that noise follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.corpus.clip_cache import load_clips
from speech_lstm.corpus.noise import noise_of
from speech_lstm.corpus.speech_commands import Corpus, scan
from speech_lstm.corpus.task import task_of
from speech_lstm.errors import ConfigError, CorpusError

# 25 frames a second, so that 16 s are 400 steps. Log-mel because cells that scan bands read nothing else.
FEATURES = FeatureConfig(kind="log-mel", window_ms=40.0, hop_ms=40.0, mels=40)
FRAMES = SAMPLE_RATE // FEATURES.hop  # of one second, which is one recording


@dataclass(frozen=True)
class Sequences:
    """The two words as some speakers said them, and noise, as features to make sequences of.

    `words` holds for each word its recordings float32 [recordings, FRAMES, size]; `noise` is one long stretch
    float32 [frames, size].
    """

    words: tuple[Tensor, Tensor]
    noise: Tensor

    def chain(self, seconds: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` sequences of one word after another, float32 [count, seconds · FRAMES, size], and which of the two
        is the last of each, int64 [count]: as many of the one as of the other."""
        random = np.random.default_rng(seed)
        words = random.integers(0, 2, (count, seconds))
        words[:, -1] = labels = balanced(count, random)
        return torch.stack([torch.cat([self.draw(word, random) for word in row]) for row in words]), numbers(labels)

    def then_noise(self, seconds: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """`count` sequences of a word and then noise, of the same shape, and which of the two words it is."""
        random = np.random.default_rng(seed)
        labels, rest = balanced(count, random), (seconds - 1) * FRAMES
        starts = random.integers(0, len(self.noise) - rest + 1, count)
        rows = zip(labels, starts, strict=True)
        tails = [torch.cat([self.draw(word, random), self.noise[at : at + rest]]) for word, at in rows]
        return torch.stack(tails), numbers(labels)

    def draw(self, word: int, random: np.random.Generator) -> Tensor:
        """One of the word's recordings."""
        return self.words[word][random.integers(len(self.words[word]))]


def balanced(count: int, random: np.random.Generator) -> np.ndarray:
    """0 and 1 equally often, in a drawn order."""
    return random.permutation(np.arange(count) % 2)


def numbers(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def read_sequences(data: Path, words: tuple[str, ...], longest: int) -> tuple[Sequences, Sequences]:
    """The recordings of two words to train with, and those of all other speakers to score with.

    The noise is long enough for sequences of `longest` seconds. Raises CorpusError for a folder that isn't a
    corpus or has too few recordings of the words, and ConfigError for words that aren't two.
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
            raise CorpusError(f"{data}: no recordings of {word!r} in its {kind} split; choose other --words")
        return front_end(torch.from_numpy(clips.samples[rows] / np.float32(32768)))

    def sequences(training: bool) -> Sequences:
        both = recordings(words[0], training), recordings(words[1], training)
        return Sequences(both, noise_frames(corpus, training, longest, front_end))

    return sequences(True), sequences(False)


def noise_frames(corpus: Corpus, training: bool, longest: int, front_end: FrontEnd) -> Tensor:
    """The features of a split's noise, repeated until a tail of the longest sequence can be cut out of it."""
    noise = noise_of(corpus, "training" if training else "testing")
    repeats = 1 + longest * SAMPLE_RATE // len(noise)
    return front_end(torch.from_numpy(np.tile(noise, repeats))[None])[0]
