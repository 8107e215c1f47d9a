"""A user's own recordings, in the layout of Speech Commands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speech_lstm.audio.wav_file import write_wav
from speech_lstm.errors import CorpusError
from speech_lstm.files import atomic_path


def speaker_id(name: str) -> str:
    """Eight hexadecimal digits for a speaker's name, whatever its case."""
    return hashlib.sha256(" ".join(name.split()).casefold().encode()).hexdigest()[:8]


def take_path(root: Path, word: str, speaker: str, number: int) -> Path:
    """The path of a speaker's recording of a word; `number` counts from 0."""
    return root / word / f"{speaker_id(speaker)}_nohash_{number}.wav"


def check_word(word: str) -> None:
    """Raise CorpusError for a word that cannot be the name of a folder of recordings."""
    if not word or word[0] in "._" or not word.isprintable() or set(word) & set('/\\:*?"<>|'):
        raise CorpusError(f"{word!r} cannot name a word's folder; use letters, digits, spaces and hyphens")


def missing_takes(root: Path, words: Sequence[str], speaker: str, each: int) -> list[tuple[str, int]]:
    """The words and numbers that do not exist yet, every word once before any word again.

    Raises CorpusError for a word that cannot be the name of a folder of recordings.
    """
    for word in words:
        check_word(word)
    if not " ".join(speaker.split()):
        raise CorpusError("the speaker's name is empty; give one, which identifies the speaker")
    takes = [(word, number) for number in range(each) for word in words]
    return [take for take in takes if not take_path(root, take[0], speaker, take[1]).exists()]


def write_take(path: Path, clip: np.ndarray) -> None:
    """Write float32 samples at 16 kHz as a 16-bit WAV file, atomically; raises OutputError."""
    with atomic_path(path) as temporary:
        write_wav(temporary, clip)
