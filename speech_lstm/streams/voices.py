"""The speech of a synthetic stream: the words of a split, each with the bounds of its sound, and other speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.energy import FRAME, frame_powers, noise_floor, rms, stretches
from speech_lstm.audio.recording import read_recording, stream_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.corpus.clip_cache import LONGEST_SECONDS
from speech_lstm.corpus.speech_commands import Corpus, Split, listing
from speech_lstm.errors import CorpusError, RecordingError

EDGE = SAMPLE_RATE // 50  # samples of the fade in and out, without which a recording begins with a click

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
class Utterance:
    """A word or a piece of other speech, float32 [samples] of RMS 1 between `onset` and `onset + length`."""

    word: str
    file: str
    samples: NDArray[np.float32]
    onset: int  # samples before the word begins
    length: int  # samples of the word


class ShuffledDraws(Generic[Item]):
    """Items in random order, each of which is drawn before any is drawn twice."""

    def __init__(self, items: Sequence[Item], random: np.random.Generator) -> None:
        self.items, self.random = list(items), random
        self.remaining: list[Item] = []

    def draw(self) -> Item:
        """The next item; raises IndexError when none is left."""
        if not self.remaining:
            self.remaining = [self.items[i] for i in self.random.permutation(len(self.items))]
        return self.remaining.pop()

    def remove(self, item: Item) -> None:
        """Never draw an item again."""
        self.items.remove(item)


class Words:
    """The recordings of a split, divided into commands and other words; damaged and silent ones are skipped.

    `notes` are lines for people about what was skipped. Raises CorpusError for a command without a recording.
    """

    def __init__(self, corpus: Corpus, split: Split, commands: Sequence[str], random: np.random.Generator) -> None:
        clips = [clip for clip in corpus.clips if clip.split == split and clip.folder != SILENCE]
        recordings = {word: [(word, clip.name) for clip in clips if clip.folder == word] for word in commands}
        if absent := [word for word in commands if not recordings[word]]:
            present = sorted({clip.folder for clip in clips})
            raise CorpusError(
                f"{corpus.root}: the {split} split has no recording of {listing(absent, 12)}; "
                f"it has {listing(present, 40) or 'none'}"
            )
        self.root, self.random, self.notes = corpus.root, random, list(corpus.notes)
        self.commands = {word: ShuffledDraws(names, random) for word, names in recordings.items()}
        unknown = [(clip.word, clip.name) for clip in clips if clip.folder not in recordings]
        self.unknown = ShuffledDraws(unknown, random) if unknown else None
        if not unknown:
            self.notes.append(f"the {split} split has no other words; the stream contains commands only")

    def draw(self, share: float) -> Utterance:
        """With the probability `share` a command, all equally likely, otherwise another word."""
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
                f"{self.root}: no recording of {word!r} is usable; the last one: {self.notes[-1]}"
            ) from None

    def take(self, draws: ShuffledDraws[tuple[str, str]]) -> Utterance:
        """The next usable recording; raises IndexError when there is none."""
        while True:
            word, name = draws.draw()
            try:
                wave = read_recording(self.root / name, max_seconds=LONGEST_SECONDS)
                if (utterance := utterance_of(word, name, wave)) is not None:
                    return utterance
                self.notes.append(f"skipped {self.root / name}: is silent")
            except RecordingError as error:
                self.notes.append(f"skipped {error}")
            draws.remove((word, name))


class Speech:
    """Pieces of other speech of up to LONGEST_PIECE seconds, from all recordings in folders, whatever their length.

    Folders named like a command are skipped. Raises RecordingError for a folder that does not exist or has none.
    """

    def __init__(self, folders: Sequence[Path], commands: Sequence[str], random: np.random.Generator) -> None:
        paths = [Path(path) for path in find_recordings(folders)]
        usable = [path for path in paths if path.parent.name not in commands]
        if not usable:
            raise RecordingError(f"{listing(map(str, folders))}: every recording in it is of a command")
        self.draws = ShuffledDraws(usable, random)
        self.notes: list[str] = []
        self.pieces = self.all_pieces()

    def draw(self) -> Utterance:
        """The next piece."""
        return next(self.pieces)

    def all_pieces(self) -> Iterator[Utterance]:
        """Pieces without end; raises RecordingError when no recording can be used."""
        while self.draws.items:
            path, usable = self.draws.draw(), False
            try:
                for wave in stream_recording(path, LONGEST_PIECE):
                    if (level := rms(wave)) >= QUIETEST:
                        usable = True
                        yield Utterance(UNKNOWN, str(path), fade(wave) / level, 0, len(wave))
            except RecordingError as error:
                self.notes.append(f"skipped {error}")
            if not usable:
                self.draws.remove(path)
        raise RecordingError(f"no recording of other speech is usable ({listing(self.notes)})")


def utterance_of(word: str, name: str, wave: NDArray[np.float32]) -> Utterance | None:
    """The utterance in a recording of a word, float32 [n] at 16 kHz; None if it is silent."""
    clip = fit_clip(wave) if len(wave) > CLIP_SAMPLES else wave
    begin, end = word_bounds(clip)
    level = rms(clip[begin:end])
    return Utterance(word, name, fade(clip) / level, begin, end - begin) if level >= QUIETEST else None


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


def fade(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy that rises from 0 in its first samples and falls to 0 in its last."""
    edge = min(EDGE, len(wave) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    wave = wave.copy()
    wave[:edge] *= ramp
    wave[len(wave) - edge :] *= ramp[::-1]
    return wave
