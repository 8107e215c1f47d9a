"""The last seconds of an input, kept by a thread, from which single words are cut."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from speech_lstm.audio.inputs import Input
from speech_lstm.audio.level import CLIPPED_AT, FLOOR_PERCENT, FRAME, frame_levels
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import RecordingError

KEPT = 12 * SAMPLE_RATE  # samples; longer than the search for a word takes
ROOM = 2 * SAMPLE_RATE  # samples before the search, from which the noise floor is known
PATIENCE = 6.0  # seconds without a word after which the search ends
PATIENCE_AT_END = 1.0  # seconds
ABOVE_FLOOR = 12.0  # dB; what is louder than the room by this is speech
QUIETEST_FLOOR = -75.0  # dBFS; in digital silence a whisper of noise is no word
ONSET = 3  # frames: 60 ms of sound are a word, shorter is a click
PAUSE = 18  # frames: 0.36 s of quiet end a word; the closure of a stop inside it takes a third of that
LONGEST = CLIP_SAMPLES // FRAME  # frames of a word; those of the clip

TOO_QUIET = -45.0  # dBFS of the louder frames; of Speech Commands 1 in 20 is quieter
TOO_CLIPPED = 5  # samples
SHORT_OF_ROOM = 18.0  # dB between the word and the room; less is hard to learn from


@dataclass(frozen=True)
class Take:
    """One second with a word in its middle, float32 [CLIP_SAMPLES], and what there is to say about it."""

    clip: np.ndarray
    seconds: float  # of the word
    level: float  # dBFS of its louder frames
    fault: str  # empty for a good one


class Tape:
    """Context manager: opens the input and keeps what it hears. `word` cuts the next word out."""

    def __init__(self, source: Input) -> None:
        self.source = source
        self._samples = np.zeros(0, np.float32)
        self._heard = 0  # samples since the beginning
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
        self._thread.join(PATIENCE_AT_END)  # until its next block
        self.source.__exit__(kind, error, traceback)
        self._thread.join(PATIENCE_AT_END)

    def _run(self) -> None:
        end: Exception = RecordingError(f"{self.source.device.name}: it has ended")
        try:
            for block in self.source:
                with self._changed:
                    self._samples = np.concatenate([self._samples, block])[-KEPT:]
                    self._heard += len(block)
                    self._changed.notify_all()
                if self._closing:
                    return
        except Exception as error:  # told where the next word is asked for
            end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()

    @property
    def heard(self) -> int:
        """Samples since the beginning."""
        return self._heard

    def between(self, start: int, stop: int) -> np.ndarray:
        """The samples `start` … `stop` − 1 since the beginning, waited for; zeros for those before the tape begins.

        Raises what ended the input if they never come.
        """
        with self._changed:
            while self._heard < stop:
                if self._end is not None:
                    raise self._end
                self._changed.wait()
            first = self._heard - len(self._samples)
            samples = self._samples[max(0, start - first) : stop - first]
        return np.pad(samples, (stop - start - len(samples), 0))

    def word(self) -> Take | None:
        """The next word after now, or None if there is none for a while; raises what ended the input."""
        begin = self.heard
        levels = list(frame_levels(self.between(max(0, begin - ROOM), begin)))
        first = len(levels)  # the frame that begins now
        onset: int | None = None
        loud = quiet = 0
        was_quiet = False  # what is being said already is no word from its beginning
        while onset is not None or len(levels) - first < PATIENCE * SAMPLE_RATE / FRAME:
            place = begin + (len(levels) - first) * FRAME
            levels.append(float(frame_levels(self.between(place, place + FRAME))[0]))
            if levels[-1] >= speech_from(levels):
                loud, quiet = loud + 1, 0
            else:
                loud, quiet = 0, quiet + 1
            was_quiet = was_quiet or quiet >= ONSET
            if onset is None and was_quiet and loud == ONSET:
                onset = len(levels) - ONSET
            if onset is not None and (quiet >= PAUSE or len(levels) - onset > 2 * LONGEST):
                end = len(levels) - quiet
                middle = begin + ((onset + end) // 2 - first) * FRAME
                clip = self.between(middle - CLIP_SAMPLES // 2, middle + CLIP_SAMPLES // 2)
                return judged(clip, np.array(levels[onset:end]), float(np.percentile(levels, FLOOR_PERCENT)))
        return None


def speech_from(levels: list[float]) -> float:
    """The level, dBFS, from which a frame is speech, by the frames up to it."""
    return max(float(np.percentile(levels, FLOOR_PERCENT)), QUIETEST_FLOOR) + ABOVE_FLOOR


def judged(clip: np.ndarray, levels: np.ndarray, floor: float) -> Take:
    """The take of a word whose frames have these levels, in a room with that floor, dBFS."""
    level = float(np.percentile(levels, 90))
    fault = ""
    if np.count_nonzero(np.abs(clip) >= CLIPPED_AT) >= TOO_CLIPPED:
        fault = "clipped: speak more softly, farther away, or turn the microphone's level down"
    elif len(levels) > LONGEST:
        fault = "longer than a second: say only the word, and then be quiet for a moment"
    elif level < TOO_QUIET:
        fault = "too quiet: come closer or turn the microphone's level up"
    elif level - floor < SHORT_OF_ROOM:
        fault = "hardly louder than the room: come closer or choose a quieter place"
    return Take(clip, len(levels) * FRAME / SAMPLE_RATE, level, fault)
