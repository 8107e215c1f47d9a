"""The layout of Speech Commands: the recordings of a folder, their words, speakers and splits."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import AUDIO_SUFFIXES
from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.errors import CorpusError, RecordingError, printable
from speech_lstm.files import InputError, read_text

Split = Literal["training", "validation", "testing"]
SPLITS: tuple[Split, ...] = ("training", "validation", "testing")
LISTED: tuple[Split, ...] = ("validation", "testing")  # the splits that have a list; the rest is training
NOISE_FOLDER = "_background_noise_"
SUFFIXES = tuple(AUDIO_SUFFIXES)
LONGEST_NOISE = 3600.0  # seconds of one noise recording, which is held in memory
HASH_RANGE = 2**27 - 1  # names are hashed into 0 … HASH_RANGE; the archive's own constant
TAKES_PART = 5  # one of so many takes is for validation, and one for testing, where a corpus is split by takes
SPLIT_PERCENT = 10  # of the speakers are for validation, and as many for testing
SPOKEN = re.compile(r"(?:(?P<word>.+?)_)?(?P<speaker>[0-9a-f]+)_nohash_")  # unknown clips of the test archive


@dataclass(frozen=True)
class Clip:
    """One recording of a corpus."""

    name: str  # path inside the corpus, with forward slashes
    folder: str
    word: str  # the spoken word; differs from the folder in the test archive's `_unknown_`
    split: Split


@dataclass(frozen=True)
class Corpus:
    """A folder of recordings in the layout of Speech Commands."""

    root: Path
    clips: tuple[Clip, ...]
    noise: tuple[str, ...]  # background recordings, as paths inside the corpus
    notes: tuple[str, ...]  # what is skipped or replaced, for people

    @property
    def words(self) -> tuple[str, ...]:
        """The words that have their own folder, sorted."""
        return tuple(sorted({clip.folder for clip in self.clips} - {SILENCE, UNKNOWN}))


def scan(root: Path, strict: bool = False) -> Corpus:
    """Find the recordings below `root`.

    Raises CorpusError for a folder that is not such a corpus, and if `strict` and a noise recording is damaged.
    """
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; `speech-lstm download` downloads Speech Commands")
    notes: list[str] = []
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        recordings = {folder.name: recordings_in(folder, notes) for folder in folders}
        stray = sorted(p.name for p in root.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
        dangling = sorted(p.name for p in root.iterdir() if p.is_symlink() and not p.exists())
    except OSError as error:
        raise CorpusError(f"{error.filename}: cannot be read: {error.strerror}; change its permissions") from error
    noise = recordings.pop(NOISE_FOLDER, [])
    names = [name for word in recordings.values() for name in word]
    if not names:
        raise CorpusError(f"{root}: no recordings; put them into folders of their words, such as {root}/yes/")
    if stray:
        notes.append(f"skipped, outside a word's folder: {listing(stray)}")
    if dangling:
        notes.append(f"skipped, links that lead nowhere: {listing(dangling)}")
    splits = split_names(root, names, notes)
    clips = tuple(Clip(name, name.split("/")[0], spoken_word(name), splits[name]) for name in names)
    own_silence = any(clip.folder == SILENCE for clip in clips)
    readable = readable_noise(root, noise, strict, notes)
    if not readable and not own_silence:
        notes.append(f"{NOISE_FOLDER}/ has no recordings: generated noise replaces them")
    return Corpus(root, clips, readable, tuple(notes))


def recordings_in(folder: Path, notes: list[str]) -> list[str]:
    """The recordings directly in a word's folder, as `word/file`, sorted; what else is in it goes to the notes.

    Links to files and to folders are followed.
    """
    files, folders, dangling = [], [], []
    with os.scandir(folder) as entries:  # Path.is_file would ask the disk for each of 100,000 files
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                files.append(entry.name)
            elif entry.is_dir():
                folders.append(entry.name)
            elif entry.is_symlink():
                dangling.append(entry.name)
    names = [name for name in files if name.lower().endswith(SUFFIXES)]
    others = [name for name in files if not name.lower().endswith(SUFFIXES) and name != "README.md"]
    if others:
        notes.append(f"{folder.name}/: skipped, no recordings: {listing(others)}")
    if folders:
        notes.append(f"{folder.name}/: skipped, folders inside a word's folder: {listing(folders)}")
    if dangling:
        notes.append(f"{folder.name}/: skipped, links that lead nowhere: {listing(dangling)}")
    if not names:
        notes.append(f"{folder.name}/: an empty folder")
    return [f"{folder.name}/{name}" for name in names]


def readable_noise(root: Path, names: Sequence[str], strict: bool, notes: list[str]) -> tuple[str, ...]:
    """The noise recordings that can be read; the others go to the notes, or raise CorpusError if `strict`."""
    readable = []
    for name in names:
        try:
            read_recording(root / name, max_seconds=LONGEST_NOISE)
            readable.append(name)
        except RecordingError as error:
            if strict:
                raise CorpusError(str(error)) from error
            notes.append(f"skipped: {error}")
    return tuple(readable)


def listing(names: Iterable[str], most: int = 3) -> str:
    """The first few of some names, and the number of all others, in one line."""
    names = [printable(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def spoken_word(name: str) -> str:
    """The word of `folder/file`: the folder, but in `_unknown_` the word in the file's name."""
    folder, _, file = name.partition("/")
    match = SPOKEN.match(file) if folder == UNKNOWN else None
    return match["word"] if match and match["word"] else folder


def split_names(root: Path, names: Sequence[str], notes: list[str]) -> dict[str, Split]:
    """The split of each name: by the corpus's two lists, or if they are missing by the hash rule, or by takes.

    A corpus with recordings of `_silence_` and without lists is a test archive: all of it is for testing.
    """
    missing = [f"{split}_list.txt" for split in LISTED if not (root / f"{split}_list.txt").is_file()]
    if len(missing) == len(LISTED) and any(name.startswith(f"{SILENCE}/") for name in names):
        notes.append(f"a test archive, with recordings of {SILENCE} and no lists: all of it is for testing")
        return dict.fromkeys(names, "testing")
    if missing:
        hashed = {name: hashed_split(name) for name in names}
        if {"training", "validation"} <= set(hashed.values()):
            notes.append(f"{' and '.join(missing)} missing: the split follows the hash rule of the archive")
            return hashed
        notes.append("too few speakers to split by: split by takes, so the scores are of voices that are trained on")
        return split_by_takes(names)
    members = {split: listed_names(root / f"{split}_list.txt") for split in LISTED}
    if both := members["validation"] & members["testing"]:
        notes.append(f"on both lists, taken for testing: {listing(sorted(both))}")
    if absent := (members["validation"] | members["testing"]) - set(names):
        notes.append(f"listed but missing: {listing(sorted(absent))}")
    splits: dict[str, Split] = dict.fromkeys(names, "training")
    for split in LISTED:
        splits.update((name, split) for name in members[split] if name in splits)
    return splits


def listed_names(path: Path) -> set[str]:
    """The names in a list, with forward slashes."""
    try:
        text = read_text(path, errors="surrogateescape")
    except InputError as error:
        raise CorpusError(str(error)) from None
    return {line.strip().replace("\\", "/") for line in text.splitlines() if line.strip()}


def speaker_of(name: str) -> str:
    """The speaker of `folder/file`: what is before `_nohash_` in the file's name, or all of that."""
    return re.sub(r"_nohash_.*$", "", name.rsplit("/", 1)[-1])


def split_by_takes(names: Iterable[str]) -> dict[str, Split]:
    """A fifth of each folder's recordings for validation, another for testing; at least one each, if there are 3."""
    splits: dict[str, Split] = {}
    for _, group in groupby(sorted(names), lambda name: name.split("/")[0]):
        takes = list(group)
        for i, name in enumerate(reversed(takes)):
            splits[name] = "training"
            if i % TAKES_PART == 0 and len(takes) > 1:
                splits[name] = "validation"
            elif i % TAKES_PART == 1 and len(takes) > 2:
                splits[name] = "testing"
    return splits


def hashed_split(name: str) -> Split:
    """The archive's rule: SHA-1 of the speaker, who stays in one split."""
    percent = int(hashlib.sha1(os.fsencode(speaker_of(name))).hexdigest(), 16) % (HASH_RANGE + 1) * (100 / HASH_RANGE)
    if percent < SPLIT_PERCENT:
        return "validation"
    return "testing" if percent < 2 * SPLIT_PERCENT else "training"
