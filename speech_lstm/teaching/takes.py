"""The takes of words: recordings in folders that are named like the words, read and looked over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.energy import frame_levels
from speech_lstm.audio.level import CLIPPED_AT
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import is_recording
from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.corpus.own_words import check_word
from speech_lstm.errors import CorpusError, printable

QUIETEST = -60.0  # dBFS of the louder frames; below it nothing was said
TOO_CLIPPED = 50  # samples
HINT = "record some with `speech-lstm teach WORD …`, or put the recordings of each word in a folder of its name"


@dataclass(frozen=True)
class Take:
    """A recording of a word: its loudest second, float32 [CLIP_SAMPLES]."""

    path: Path
    clip: NDArray[np.float32]


@dataclass
class Takes:
    """The takes of each word, and remarks on those that look wrong."""

    words: dict[str, list[Take]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, word: str, paths: Iterable[Path]) -> None:
        """Read the takes of a word but for silent ones; raises RecordingError, and CorpusError if none is left."""
        takes, silent = [], 0
        for path in paths:
            take = Take(path, fit_clip(read_recording(path)))
            if np.percentile(frame_levels(take.clip), 90) < QUIETEST:
                silent += 1
                self.remarks.append(f"{printable(path)}: silent, not used; record it again")
                continue
            if np.count_nonzero(np.abs(take.clip) >= CLIPPED_AT) >= TOO_CLIPPED:
                self.remarks.append(f"{printable(path)}: clipped; record it again, more softly or farther away")
            takes.append(take)
        if not takes:
            which = "all its takes are silent" if silent else "it has no takes"
            raise CorpusError(f"{printable(word)}: {which}; record some with `speech-lstm record`")
        self.words[word] = takes

    def check(self) -> None:
        """Raise CorpusError if the same recording is a take of two words; one that is there twice counts once."""
        first: dict[bytes, tuple[str, Path]] = {}
        for word, takes in self.words.items():
            for take in list(takes):
                other, path = first.setdefault(take.clip.tobytes(), (word, take.path))
                if other != word:
                    raise CorpusError(
                        f"{printable(path)} and {printable(take.path)} are the same recording; "
                        "a take belongs to one word: remove it from the other"
                    )
                if path != take.path:
                    takes.remove(take)
                    self.remarks.append(f"{printable(take.path)}: the same recording as {printable(path)}; not used")


def read_takes(folder: Path, words: Collection[str] = ()) -> Takes:
    """The takes in a folder, of these words or of all of its sub-folders that have recordings.

    Raises CorpusError if there are none, or a folder has a name that no word can have; RecordingError.
    """
    takes = Takes()
    for word in words or names_in(folder):
        check_taught(word)
        takes.add(word, recordings_in(folder / word))
    takes.check()
    return takes


def check_taught(word: str) -> None:
    """Raise CorpusError for a name that no taught word can have."""
    if word in (UNKNOWN, SILENCE):
        raise CorpusError(
            f"{word} is the label of what is no command; name the word otherwise, or give what is no command with "
            "--also"
        )
    check_word(word)


def read_further(folder: Path, words: Collection[str]) -> tuple[Takes, list[Take]]:
    """The takes of these words in a folder, as far as it has some, and its recordings of no command.

    Those are in the sub-folders `_unknown_` and `_silence_`. Raises CorpusError if there is neither.
    """
    takes = Takes()
    for word in names_in(folder):
        if word in words:
            takes.add(word, recordings_in(folder / word))
        elif word not in (UNKNOWN, SILENCE) and word[0] != "_":
            takes.remarks.append(
                f"{printable(folder / word)}: not used, as {printable(word)} is no word of the model"
            )
    paths = [path for name in (UNKNOWN, SILENCE) for path in recordings_in(folder / name)]
    if not takes.words and not paths:
        raise CorpusError(
            f"{printable(folder)}: has neither takes of the words nor a folder {UNKNOWN} of what is no command; "
            f"`speech-lstm review {printable(folder)}` sorts what `listen --keep` kept"
        )
    return takes, [Take(path, fit_clip(read_recording(path))) for path in paths]


def names_in(folder: Path) -> list[str]:
    """The sub-folders with recordings, sorted; raises CorpusError."""
    if not folder.is_dir():
        raise CorpusError(f"{printable(folder)}: no such folder; {HINT}")
    names = [part.name for part in sorted(folder.iterdir()) if part.name[0] != "." and recordings_in(part)]
    if not names:
        raise CorpusError(f"{printable(folder)}: has no takes; {HINT}")
    return names


def recordings_in(folder: Path) -> list[Path]:
    """The recordings in a folder itself, sorted; none if it is no folder."""
    return sorted(path for path in folder.iterdir() if is_recording(path)) if folder.is_dir() else []
