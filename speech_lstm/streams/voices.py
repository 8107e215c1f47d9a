"""What a generated stream is made of: the words of a split, each with the place of its sound, and other speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import FRAME, frame_powers, noise_floor, rms, stretches
from speech_lstm.audio.recording import find_recordings, fit_clip, read_recording, stream_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.corpus.clip_cache import LONGEST_SECONDS
from speech_lstm.corpus.speech_commands import Corpus, Split, listing
from speech_lstm.errors import CorpusError, RecordingError

EDGE = SAMPLE_RATE // 50  # samples in which a recording is faded in and out: it must not begin with a click

# Of `word_bounds`. The bounds are the truth that a detector is measured by, and the recording holds one word alone:
# it is followed into its faint ends, farther than by `recognition.detector.find_word`.
LOUD_SHARE = 0.15  # of the loudest frame's amplitude, from which a frame certainly belongs to the word
FAINT_SHARE = 0.05  # of the loudest frame's amplitude, from which a frame next to the loud part belongs to it too
FLOOR_PERCENT = 20  # of the frames lie below the noise floor: the recordings have quiet ends
ABOVE_FLOOR = 2.5  # times the noise floor's amplitude, which a faint frame has too
CLOSURE = 5  # frames: the pause before a stop is released, as in "right", belongs to the word

LONGEST_PIECE = 10.0  # seconds of other speech at a time
QUIETEST = 1e-4  # RMS of a sound; below it, −80 dBFS, nothing was said in the recording

Item = TypeVar("Item")


@dataclass(frozen=True)
class Sound:
    """A word or a piece of other speech, float32 [samples] of RMS 1 between `onset` and `onset + length`."""

    word: str
    file: str
    samples: NDArray[np.float32]
    onset: int  # samples before the word begins
    length: int  # samples of the word


class Deck(Generic[Item]):
    """Items in a drawn order: each comes up before one comes up twice."""

    def __init__(self, items: Sequence[Item], random: np.random.Generator) -> None:
        self.items, self.random = list(items), random
        self.waiting: list[Item] = []

    def draw(self) -> Item:
        """The next item; raises IndexError when there is none left."""
        if not self.waiting:
            self.waiting = [self.items[i] for i in self.random.permutation(len(self.items))]
        return self.waiting.pop()

    def remove(self, item: Item) -> None:
        """Never draw an item again."""
        self.items.remove(item)


class Words:
    """The recordings of a split, split into commands and other words; damaged and silent ones are left out.

    `notes` says for people what was left out. Raises CorpusError for a command that the split has no recording of.
    """

    def __init__(self, corpus: Corpus, split: Split, commands: Sequence[str], random: np.random.Generator) -> None:
        clips = [clip for clip in corpus.clips if clip.split == split and clip.folder != SILENCE]
        said = {word: [(word, clip.name) for clip in clips if clip.folder == word] for word in commands}
        if absent := [word for word in commands if not said[word]]:
            there = sorted({clip.folder for clip in clips})
            raise CorpusError(
                f"{corpus.root}: the {split} split has no recording of {listing(absent, 12)}; "
                f"it has {listing(there, 40) or 'none'}"
            )
        self.root, self.random, self.notes = corpus.root, random, list(corpus.notes)
        self.commands = {word: Deck(names, random) for word, names in said.items()}
        unknown = [(clip.word, clip.name) for clip in clips if clip.folder not in said]
        self.unknown = Deck(unknown, random) if unknown else None
        if not unknown:
            self.notes.append(f"the {split} split has no other words: the stream holds commands only")

    def draw(self, share: float) -> Sound:
        """A command with the probability `share`, each alike, or else another word."""
        word = list(self.commands)[self.random.integers(len(self.commands))]
        if self.unknown is not None and self.random.uniform() >= share:
            try:
                return self.take(self.unknown)
            except IndexError:
                self.unknown = None
        try:
            return self.take(self.commands[word])
        except IndexError:
            raise CorpusError(
                f"{self.root}: no recording of {word!r} can be used; the first: {self.notes[-1]}"
            ) from None

    def take(self, deck: Deck[tuple[str, str]]) -> Sound:
        """The next usable recording of a deck; raises IndexError when there is none."""
        while True:
            word, name = deck.draw()
            try:
                wave = read_recording(self.root / name, max_seconds=LONGEST_SECONDS)
                if (sound := spoken(word, name, wave)) is not None:
                    return sound
                self.notes.append(f"left out, {self.root / name}: is silent")
            except RecordingError as error:
                self.notes.append(f"left out, {error}")
            deck.remove((word, name))


class Speech:
    """Pieces of other speech of up to ten seconds, from all recordings in folders, whatever their length.

    Folders named like a command are left out. Raises RecordingError for a folder that isn't there or has none.
    """

    def __init__(self, folders: Sequence[Path], commands: Sequence[str], random: np.random.Generator) -> None:
        found = [Path(path) for path in find_recordings(folders)]
        usable = [path for path in found if path.parent.name not in commands]
        if not usable:
            raise RecordingError(f"{listing(map(str, folders))}: every recording in it is of a command")
        self.deck = Deck(usable, random)
        self.notes: list[str] = []
        self.pieces = self.all_pieces()

    def draw(self) -> Sound:
        """The next piece."""
        return next(self.pieces)

    def all_pieces(self) -> Iterator[Sound]:
        """Pieces without end; raises RecordingError when no recording can be used."""
        while self.deck.items:
            path, found = self.deck.draw(), False
            try:
                for wave in stream_recording(path, LONGEST_PIECE):
                    if (level := rms(wave)) >= QUIETEST:
                        found = True
                        yield Sound(UNKNOWN, str(path), faded(wave) / level, 0, len(wave))
            except RecordingError as error:
                self.notes.append(f"left out, {error}")
            if not found:
                self.deck.remove(path)
        raise RecordingError(f"none of the recordings of other speech can be used ({listing(self.notes)})")


def spoken(word: str, name: str, wave: NDArray[np.float32]) -> Sound | None:
    """A recording of a word, float32 [n] at 16 kHz, and where the word is in it; None where there is no sound."""
    clip = fit_clip(wave) if len(wave) > CLIP_SAMPLES else wave
    begin, end = word_bounds(clip)
    level = rms(clip[begin:end])
    return Sound(word, name, faded(clip) / level, begin, end - begin) if level >= QUIETEST else None


def word_bounds(clip: NDArray[np.float32]) -> tuple[int, int]:
    """The first sample of a word in its recording and the one after its last.

    The loud part is widened over frames that are faint but above the recording's own noise: the two thresholds of
    Rabiner and Sambur 1975 (An Algorithm for Determining the Endpoints of Isolated Utterances), without theirs on
    zero crossings.
    """
    levels = np.sqrt(frame_powers(clip, remainder=True))
    faint = max(FAINT_SHARE * levels.max(), ABOVE_FLOOR * noise_floor(levels, FLOOR_PERCENT))
    loud = np.flatnonzero(levels >= LOUD_SHARE * levels.max())
    word = levels >= faint
    word[loud[0] : loud[-1] + 1] = True
    first, end = next(run for run in stretches(word, CLOSURE) if run[0] <= loud[0] < run[1])
    return first * FRAME, min(end * FRAME, len(clip))


def faded(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that rises from 0 in its first samples and falls to 0 in its last."""
    edge = min(EDGE, len(wave) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    wave = wave.copy()
    wave[:edge] *= ramp
    wave[len(wave) - edge :] *= ramp[::-1]
    return wave
