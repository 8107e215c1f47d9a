"""The last seconds of an input, kept by a thread, from which single words are cut."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from speech_lstm.audio.energy import FRAME, frame_levels, noise_floor
from speech_lstm.audio.inputs import Input
from speech_lstm.audio.level import CLIPPED_AT
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import RecordingError

BUFFER_SAMPLES = 12 * SAMPLE_RATE  # more than a search for a word takes
ROOM_SAMPLES = 2 * SAMPLE_RATE  # before the search, from which the noise floor is measured
SEARCH_FRAMES = 6 * SAMPLE_RATE // FRAME  # without a word, after which the search ends
JOIN_SECONDS = 1.0  # for the thread to end

FLOOR_PERCENT = 10  # of all frames so far lie below the noise floor: a word is a small part of them
ABOVE_FLOOR = 12.0  # dB over the noise floor, from which a frame is speech
QUIETEST_FLOOR = -75.0  # dBFS; in digital silence faint noise would pass for a word
ONSET = 3  # frames: 60 ms of sound are a word, shorter is a click
PAUSE = 18  # frames: 0.36 s of quiet end a word; the closure of a stop inside it takes a third of that
LONGEST = CLIP_SAMPLES // FRAME  # frames of a word: those of the clip

TOO_QUIET = -45.0  # dBFS of the louder frames; of Speech Commands 1 in 20 is quieter
TOO_CLIPPED = 5  # samples
ABOVE_ROOM = 18.0  # dB between the word and the room; less is hard to learn from


@dataclass(frozen=True)
class Take:
    """One second with a word in its middle, float32 [CLIP_SAMPLES], and its quality."""

    clip: np.ndarray
    seconds: float  # of the word
    level: float  # dBFS of its louder frames
    fault: str  # empty for a good one


class WordRecorder:
    """Context manager: opens the input and keeps its last seconds. `next_word` cuts the next word out."""

    def __init__(self, source: Input) -> None:
        self.source = source
        self._samples = np.zeros(0, np.float32)
        self._position = 0
        self._changed = threading.Condition()
        self._end: Exception | None = None
        self._closing = False

    def __enter__(self) -> Self:
        self.source.__enter__()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._thread.join(JOIN_SECONDS)  # until its next block
        self.source.__exit__(kind, error, traceback)
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        end: Exception = RecordingError(f"{self.source.device.name}: it has ended")
        try:
            for block in self.source:
                with self._changed:
                    self._samples = np.concatenate([self._samples, block])[-BUFFER_SAMPLES:]
                    self._position += len(block)
                    self._changed.notify_all()
                if self._closing:
                    return
        except Exception as error:  # raised again where the next word is waited for
            end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()

    @property
    def position(self) -> int:
        """Samples since the beginning."""
        return self._position

    def read(self, start: int, stop: int) -> np.ndarray:
        """The samples `start` … `stop` − 1 since the beginning, waited for; zeros for those no longer kept.

        Raises the error that ended the input if they never come.
        """
        with self._changed:
            while self._position < stop:
                if self._end is not None:
                    raise self._end
                self._changed.wait()
            first = self._position - len(self._samples)
            samples = self._samples[max(0, start - first) : stop - first]
        return np.pad(samples, (stop - start - len(samples), 0))

    def next_word(self) -> Take | None:
        """The next word from now on, or None if there is none for 6 s; raises what ended the input."""
        begin = self.position
        search = WordSearch(frame_levels(self.read(max(0, begin - ROOM_SAMPLES), begin)).tolist())
        while not search.is_over:
            place = begin + search.frames * FRAME
            if (bounds := search.add(float(frame_levels(self.read(place, place + FRAME))[0]))) is not None:
                middle = begin + sum(bounds) // 2 * FRAME
                clip = self.read(middle - CLIP_SAMPLES // 2, middle + CLIP_SAMPLES // 2)
                return judge(clip, search.levels[slice(*bounds)], search.floor)
        return None


class WordSearch:
    """Finds the bounds of one word by the levels of frames, dBFS, as they arrive: call `add` until `is_over`."""

    def __init__(self, room: list[float]) -> None:
        """`room` has the levels just before the search."""
        self._room = room
        self.levels: list[float] = []  # of the search
        self._onset: int | None = None  # the word's first frame
        self._loud = self._quiet = 0  # frames in a row
        self._was_quiet = False  # a word that sounds when the search begins lacks its beginning

    @property
    def frames(self) -> int:
        """Frames since the search began."""
        return len(self.levels)

    @property
    def floor(self) -> float:
        """The noise floor of the room and the search, dBFS."""
        return noise_floor(self._room + self.levels, FLOOR_PERCENT)

    @property
    def is_over(self) -> bool:
        """Whether no word has begun in time."""
        return self._onset is None and self.frames >= SEARCH_FRAMES

    def add(self, level: float) -> tuple[int, int] | None:
        """Take in a frame. If a word has ended: its first frame and the one after its last, by their numbers."""
        self.levels.append(level)
        if level >= max(self.floor, QUIETEST_FLOOR) + ABOVE_FLOOR:
            self._loud, self._quiet = self._loud + 1, 0
        else:
            self._loud, self._quiet = 0, self._quiet + 1
        self._was_quiet = self._was_quiet or self._quiet >= ONSET
        if self._onset is None and self._was_quiet and self._loud == ONSET:
            self._onset = self.frames - ONSET
        if self._onset is None or (self._quiet < PAUSE and self.frames - self._onset <= 2 * LONGEST):
            return None
        return self._onset, self.frames - self._quiet


def judge(clip: np.ndarray, levels: list[float], floor: float) -> Take:
    """The take of a word whose frames have these levels, in a room with that noise floor, dBFS."""
    level = float(np.percentile(levels, 90))
    fault = ""
    if np.count_nonzero(np.abs(clip) >= CLIPPED_AT) >= TOO_CLIPPED:
        fault = "clipped: speak more softly, farther away, or turn the microphone's level down"
    elif len(levels) > LONGEST:
        fault = "longer than a second: say only the word, and then be quiet for a moment"
    elif level < TOO_QUIET:
        fault = "too quiet: come closer or turn the microphone's level up"
    elif level - floor < ABOVE_ROOM:
        fault = "hardly louder than the room: come closer or choose a quieter place"
    return Take(clip, len(levels) * FRAME / SAMPLE_RATE, level, fault)
