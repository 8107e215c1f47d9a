"""The level of a stream: a constant offset is removed, quiet speech raised, and faults are reported as hints."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from speech_lstm.audio.energy import FRAME, frame_levels, noise_floor
from speech_lstm.config import SAMPLE_RATE

OFFSET_SHARE = 0.04  # of the way to a frame's mean that the offset moves: it follows in half a second

FLOOR_FRAMES = 150  # 3 s: speech has pauses within it
FLOOR_PERCENT = 10  # of those frames lie below the noise floor: speech without a longer pause leaves so many
SPEECH_FRAMES = 50  # 1 s of frames above the noise, one or two words
FIRST_SPEECH = 10  # frames from which that level is known
SPEECH_PERCENT = 90  # of those frames lie below the level of speech: a slammed door is not among them
SPEECH_ABOVE_FLOOR = 15.0  # dB
SPEECH_LEVEL = -20.0  # dBFS; where the loudest frames of a recording of Speech Commands lie
FLOOR_LIMIT = -50.0  # dBFS; noise is raised no further
MOST_GAIN = 30.0  # dB
RISE, FALL = 6.0, 60.0  # dB/s; too slow to change within a word, and quick enough to keep a loud one from clipping
DIGITAL_SILENCE = -100.0  # dBFS; such frames have no noise of the room

SILENT_PEAK = 10 ** (-80 / 20)  # the least significant bits of 16
SILENT_SECONDS = 10  # from the start: a microphone that is muted or not connected
MUTED_SECONDS = 600  # after sound: shorter silence may be the noise gate of a headset
CLIPPED_AT = 0.99  # of full scale; resampling rounds the corners
CLIPPED_SAMPLES = 20  # in a second; a single one is harmless
CLIPPED_HOLD = 5  # seconds without clipping after which the hint is cleared
OFFSET = 0.01  # of full scale
OFFSET_SECONDS = 3  # in a row with such a mean

SILENT = "the input is silent: check that the microphone is not muted and that it is the right one"
CLIPPED = "the input is clipped: turn the microphone's level down"
SHIFTED = "the input has a constant offset, which is removed: try another cable or sound card"


class Level:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns them levelled.

    A constant offset is always removed. With `automatic`, speech that is quieter than the training recordings is
    raised, slowly, but never so far that the noise between the words exceeds FLOOR_LIMIT, and by at most MOST_GAIN.
    Samples are returned in whole frames, so the result does not depend on the size of the blocks. `hint` is one line
    about a fault of the input, or empty.
    """

    def __init__(self, automatic: bool = False) -> None:
        self.automatic = automatic
        self.gain = 0.0
        """The present gain, dB."""
        self.hints = Hints()
        self._rest = np.zeros(0, np.float32)
        self._offset: float | None = None
        self._levels: deque[float] = deque(maxlen=FLOOR_FRAMES)
        self._speech: deque[float] = deque(maxlen=SPEECH_FRAMES)

    @property
    def hint(self) -> str:
        return self.hints.hint

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """float32 [samples] → float32 [some samples fewer or more]; at most 20 ms wait for the next block."""
        if not len(block):  # no sound has arrived
            return block
        self.hints(block)
        self._rest = np.concatenate([self._rest, block])
        whole = len(self._rest) // FRAME * FRAME
        if not whole:
            return np.zeros(0, np.float32)
        frames, self._rest = self._rest[:whole].reshape(-1, FRAME), self._rest[whole:]
        frames = self._remove_offset(frames)
        return (self._raise(frames) if self.automatic else frames).reshape(-1)

    def _remove_offset(self, frames: np.ndarray) -> np.ndarray:
        """Frames [n, FRAME] without their mean over the last half of a second."""
        means = frames.mean(axis=1).tolist()
        offsets = [means[0] if self._offset is None else self._offset]
        for mean in means:
            offsets.append(offsets[-1] + OFFSET_SHARE * (mean - offsets[-1]))
        self._offset = offsets[-1]
        return frames - interpolate(offsets)

    def _raise(self, frames: np.ndarray) -> np.ndarray:
        """Frames [n, FRAME] with the gain applied."""
        gains = [self.gain, *(self._next_gain(level) for level in frame_levels(frames.reshape(-1)))]
        return np.clip(frames * interpolate([10 ** (gain / 20) for gain in gains]), -1, 1) if any(gains) else frames

    def _next_gain(self, level: float) -> float:
        """The gain, dB, after one more frame of this level, dBFS."""
        if level > DIGITAL_SILENCE:
            self._levels.append(level)
            floor = noise_floor(self._levels, FLOOR_PERCENT)
            if level >= floor + SPEECH_ABOVE_FLOOR:
                self._speech.append(level)
            if len(self._speech) >= FIRST_SPEECH:
                target = SPEECH_LEVEL - float(np.percentile(self._speech, SPEECH_PERCENT))
                target = max(0.0, min(target, FLOOR_LIMIT - floor, MOST_GAIN))
                seconds = FRAME / SAMPLE_RATE
                self.gain += max(-FALL * seconds, min(RISE * seconds, target - self.gain))
        return self.gain


def interpolate(values: Sequence[float]) -> np.ndarray:
    """Straight lines from each of n + 1 values to the next, a frame long: float32 [n, FRAME]."""
    starts, steps = np.array(values)[:-1, None], np.diff(values)[:, None]
    return (starts + steps * np.arange(1, FRAME + 1) / FRAME).astype(np.float32)


class Hints:
    """Faults in the level of a stream: call it with its blocks and read `hint`.

    It examines whole seconds, so the hint does not depend on the size of the blocks.
    """

    def __init__(self) -> None:
        self.hint = ""
        self._second: list[np.ndarray] = []
        self._missing = SAMPLE_RATE  # samples to the end of this second
        self._silent, self._silent_limit = 0, SILENT_SECONDS  # seconds
        self._unclipped = CLIPPED_HOLD
        self._shifted = 0

    def __call__(self, block: np.ndarray) -> None:
        """Examine float32 [samples] as the device gives them."""
        while len(block) >= self._missing:
            self._examine(np.concatenate([*self._second, block[: self._missing]]))
            block = block[self._missing :]
            self._second, self._missing = [], SAMPLE_RATE
        self._second.append(block)
        self._missing -= len(block)

    def _examine(self, second: np.ndarray) -> None:
        mean = float(second.mean())
        sound = np.abs(second)
        self._silent = self._silent + 1 if np.abs(second - mean).max() < SILENT_PEAK else 0
        if not self._silent:
            self._silent_limit = MUTED_SECONDS
        self._unclipped = 0 if np.count_nonzero(sound >= CLIPPED_AT) >= CLIPPED_SAMPLES else self._unclipped + 1
        self._shifted = self._shifted + 1 if abs(mean) >= OFFSET else 0
        if self._silent >= self._silent_limit:
            self.hint = SILENT
        elif self._unclipped < CLIPPED_HOLD:
            self.hint = CLIPPED
        elif self._shifted >= OFFSET_SECONDS:
            self.hint = SHIFTED
        else:
            self.hint = ""
