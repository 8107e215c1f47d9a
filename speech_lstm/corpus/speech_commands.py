"""The Speech Commands layout: which recordings there are, who spoke what, which split each belongs to, and
which task they make."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from speech_lstm.audio.recording import AUDIO_SUFFIXES
from speech_lstm.config import COMMANDS_10, SILENCE, UNKNOWN
from speech_lstm.errors import ConfigError, CorpusError

Split = Literal["training", "validation", "testing"]
SPLITS: tuple[Split, ...] = ("training", "validation", "testing")
NOISE_FOLDER = "_background_noise_"
HASH_RANGE = 2**27 - 1  # names are hashed into 0 … HASH_RANGE; the archive's own constant
RULE_PERCENT = 10  # _unknown_ and _silence_ in the standard task: percent of the command recordings, rounded up
UNKNOWN_SEED = 59  # decides which unknown recordings a scored split takes; written into every evaluation
SPOKEN = re.compile(r"(?:(?P<word>.+?)_)?(?P<speaker>[0-9a-f]+)_nohash_")  # unknown clips of the test archive


@dataclass(frozen=True)
class Clip:
    """One recording of a corpus."""

    name: str  # path inside the corpus, with forward slashes
    folder: str
    word: str  # what is spoken; differs from the folder in the test archive's `_unknown_`
    split: Split


@dataclass(frozen=True)
class Corpus:
    """A folder of recordings in the layout of Speech Commands."""

    root: Path
    clips: tuple[Clip, ...]
    noise: tuple[str, ...]  # background recordings, as paths inside the corpus
    notes: tuple[str, ...]  # what was left out or stands in for something missing, for people

    @property
    def words(self) -> tuple[str, ...]:
        """The words that have a folder of their own, sorted."""
        return tuple(sorted({clip.folder for clip in self.clips} - {SILENCE, UNKNOWN}))


def scan(root: Path) -> Corpus:
    """Find the recordings below `root`; raises CorpusError for a folder that isn't such a corpus."""
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; `speech-lstm download` fetches Speech Commands")
    notes: list[str] = []
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = {folder.name: recordings_in(folder, notes) for folder in folders}
    noise = found.pop(NOISE_FOLDER, [])
    names = [name for listed in found.values() for name in listed]
    if not names:
        raise CorpusError(f"{root}: no recordings in it; expected folders named after words, as in {root}/yes/")
    stray = [p.name for p in root.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()]
    if stray:
        notes.append(f"{len(stray)} recording(s) outside a word's folder left out: {listing(stray)}")
    splits = split_names(root, names, testing_only=SILENCE in found, notes=notes)
    clips = tuple(Clip(name, name.split("/")[0], spoken_word(name), splits[name]) for name in names)
    return Corpus(root, clips, tuple(noise), tuple(notes))


def recordings_in(folder: Path, notes: list[str]) -> list[str]:
    """The recordings directly in a word's folder, as `word/file`, sorted; other files go to the notes."""
    files = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and p.is_file())
    names = [name for name in files if Path(name).suffix.lower() in AUDIO_SUFFIXES]
    strange = [name for name in files if name not in set(names) and name != "README.md"]
    if strange:
        notes.append(f"{folder.name}/: {len(strange)} file(s) that are no recordings left out: {listing(strange)}")
    if not names:
        notes.append(f"{folder.name}/: an empty folder")
    return [f"{folder.name}/{name}" for name in names]


def listing(names: Iterable[str], most: int = 3) -> str:
    """The first few of some names."""
    names = list(names)
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def spoken_word(name: str) -> str:
    """The word of `folder/file`: the folder, but in `_unknown_` the word that stands in the file's name."""
    folder, _, file = name.partition("/")
    match = SPOKEN.match(file)
    return match["word"] if folder == UNKNOWN and match and match["word"] else folder


def split_names(root: Path, names: Sequence[str], testing_only: bool, notes: list[str]) -> dict[str, Split]:
    """The split of each name: by the corpus's two lists, or by the hash rule where they are missing.

    A corpus with a `_silence_` folder is a test archive: all of it is for testing.
    """
    if testing_only:
        return dict.fromkeys(names, "testing")
    lists = {split: root / f"{split}_list.txt" for split in ("validation", "testing")}
    missing = [path.name for path in lists.values() if not path.is_file()]
    if missing:
        notes.append(f"{' and '.join(missing)} missing: the split follows the hash rule of the archive")
        return {name: hashed_split(name) for name in names}
    listed: dict[str, Split] = {}
    for split in ("validation", "testing"):
        lines = lists[split].read_text(encoding="utf-8", errors="replace").splitlines()
        listed.update((line.strip().replace("\\", "/"), split) for line in lines if line.strip())
    absent = set(listed) - set(names)
    if absent:
        notes.append(f"{len(absent)} listed recording(s) are not there: {listing(sorted(absent))}")
    return {name: listed.get(name, "training") for name in names}


def hashed_split(name: str, validation: float = 10, testing: float = 10) -> Split:
    """The archive's rule: SHA-1 of the name before `_nohash_`, so that a speaker stays in one split."""
    speaker = re.sub(r"_nohash_.*$", "", name.rsplit("/", 1)[-1])
    percent = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (HASH_RANGE + 1) * (100 / HASH_RANGE)
    if percent < validation:
        return "validation"
    return "testing" if percent < validation + testing else "training"


@dataclass(frozen=True)
class Task:
    """The labels to tell apart, and how a spoken word becomes one of them."""

    labels: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(label for label in self.labels if label not in (SILENCE, UNKNOWN))

    def label_of(self, clip: Clip) -> str | None:
        """The label of a recording; None where the task has no place for it."""
        if clip.folder in self.labels:
            return clip.folder
        return UNKNOWN if UNKNOWN in self.labels and clip.folder != SILENCE else None


def task_of(labels: str, corpus: Corpus) -> Task:
    """The task that the `labels` setting names: 35, 12 or a list of words; raises ConfigError for a bad list."""
    if labels == "35":
        return Task(corpus.words)
    words = COMMANDS_10 if labels == "12" else tuple(word.strip() for word in labels.split(","))
    words = tuple(word for word in words if word not in (SILENCE, UNKNOWN))
    if not words or not all(words):
        raise ConfigError(f"labels {labels!r}: give 35, 12 or words separated by commas, such as yes,no,stop")
    if repeated := [word for word, count in Counter(words).items() if count > 1]:
        raise ConfigError(f"labels name {repeated[0]!r} twice")
    if absent := [word for word in words if word not in corpus.words]:
        raise ConfigError(
            f"{corpus.root} has no recordings of {listing(absent, 12)}; it has {listing(corpus.words, 40)}"
        )
    return Task((*words, UNKNOWN, SILENCE))


def rule_count(commands: int, percent: float = RULE_PERCENT) -> int:
    """How many _unknown_, and how many _silence_, go with so many recordings of commands."""
    return math.ceil(commands * percent / 100)


def scored_clips(corpus: Corpus, task: Task, split: Split) -> tuple[list[tuple[Clip, str]], int]:
    """The recordings of a split that are scored, each with its label, and how many silences to add.

    Every command recording is taken. `_unknown_` takes as many as the standard task's rule says, drawn
    from the sorted names with `UNKNOWN_SEED`; a test archive's own `_unknown_` and `_silence_` are taken whole.
    """
    labelled = [(clip, label) for clip in corpus.clips if clip.split == split and (label := task.label_of(clip))]
    unknown = [pair for pair in labelled if pair[1] == UNKNOWN]
    taken = [pair for pair in labelled if pair[1] != UNKNOWN]
    if not taken:
        raise CorpusError(f"{corpus.root}: the {split} split has no recording of {listing(task.labels, 12)}")
    wanted = rule_count(sum(label in task.commands for _, label in taken))
    own_silence = any(label == SILENCE for _, label in taken)
    if not own_silence and len(unknown) > wanted:
        order = np.random.default_rng(UNKNOWN_SEED).permutation(len(unknown))
        unknown = [unknown[i] for i in sorted(order[:wanted])]
    return taken + unknown, wanted if SILENCE in task.labels and not own_silence else 0
