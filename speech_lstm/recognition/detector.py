"""A stream of audio → commands with their times."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import FRAME, frame_powers, noise_floor, stretches
from speech_lstm.audio.recording import sample_block
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, DetectionConfig
from speech_lstm.recognition.posteriors import Rows, Stream
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.trigger import HOP_SECONDS, Firing, Trigger

PIECE_SAMPLES = 5 * SAMPLE_RATE  # processed at once, so that a long block takes little memory

# Of `find_word`. Its second holds the word that the network has just recognised, and possibly the end of another one.
LOUD_SHARE = 0.1  # of the loudest frame's amplitude, from which a frame belongs to a word
FLOOR_PERCENT = 10  # of the frames lie below the noise floor: of a second filled by a word few frames are noise
OVER_NOISE = 2.0  # times the noise floor's amplitude, from which a frame belongs to a word
PAUSE = 8  # frames, 160 ms: longer pauses separate words, shorter ones are closures of stops
WORD_SHARE = 0.2  # of the energy of the strongest run of frames: with less it is not a word


class RecognizerLike(Protocol):
    """The part of a recogniser that a detector uses."""

    labels: tuple[str, ...]

    @property
    def detection(self) -> DetectionConfig: ...
    def stream(self, hop_seconds: float = HOP_SECONDS) -> Stream: ...


class Detector:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns the commands that each decides.

    The commands depend on the samples alone, not on how they are cut into blocks.
    """

    def __init__(
        self,
        recognizer: RecognizerLike,
        threshold: float | None = None,
        hop_seconds: float = HOP_SECONDS,
        continuous: bool = False,
    ) -> None:
        """`threshold` replaces those of the recogniser's model file, for all words. If `continuous`, commands need no
        pauses around them, whatever the file says.

        Raises ConfigError unless it is a number from 0 to 1, and the hop one above 0.
        """
        self.stream = recognizer.stream(hop_seconds)
        detection = replace(recognizer.detection, isolation=0.0) if continuous else recognizer.detection
        self.trigger = Trigger(recognizer.labels, detection, threshold, self.stream.hop / SAMPLE_RATE)
        self.sight = CLIP_SAMPLES + self.trigger.wait * self.stream.hop  # samples that contain a command's word
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.stream.reset()
        self.trigger.reset()
        self.recent = np.zeros(0, np.float32)  # the last samples, which contain the word of the next command
        self.position = 0  # samples since the stream began
        self.end = 0.0  # of the last command, seconds

    @property
    def seconds(self) -> float:
        """The time since the stream began."""
        return self.position / SAMPLE_RATE

    @property
    def scores(self) -> dict[str, float]:
        """The newest smoothed probability of each label."""
        return dict(zip(self.trigger.labels, self.trigger.scores.tolist(), strict=True))

    def __call__(self, block: NDArray[np.float32]) -> list[Prediction]:
        """Process float32 [samples]; returns the commands that are now certain.

        Raises RecordingError for what are no samples.
        """
        block = sample_block(block)
        pieces = [block[at : at + PIECE_SAMPLES] for at in range(0, len(block), PIECE_SAMPLES)]
        return [command for piece in pieces for command in self.process(piece)]

    def process(self, piece: NDArray[np.float32]) -> list[Prediction]:
        """Process a part of a block."""
        self.position += len(piece)
        self.recent = np.concatenate([self.recent, piece])
        commands = self.decide(self.stream(piece))
        self.recent = self.recent[-self.sight - self.stream.hop :].copy()
        return commands

    def finish(self) -> list[Prediction]:
        """The stream has ended: the commands that were still open. Call `reset` before the next block."""
        return self.decide(self.stream.finish())

    def decide(self, rows: Rows) -> list[Prediction]:
        """The commands that these rows decide."""
        return [self.prediction(firing) for firing in self.trigger(*rows)]

    def prediction(self, firing: Firing) -> Prediction:
        """The command with the time of its word: the last one in the window, after the previous command."""
        offset = self.position - len(self.recent)
        stop = min(self.position, round(firing.time * SAMPLE_RATE))
        begin = max(offset, stop - self.sight, round(self.end * SAMPLE_RATE))
        first, last = find_word(self.recent[begin - offset : stop - offset])
        start, self.end = (begin + first) / SAMPLE_RATE, (begin + last) / SAMPLE_RATE
        scores = dict(zip(self.trigger.labels, firing.scores.tolist(), strict=True))
        return Prediction(firing.label, firing.probability, start, self.end, scores)


def find_word(samples: NDArray[np.float32]) -> tuple[int, int]:
    """Where the last word is in float32 [samples]: its first sample and the one after its last."""
    if len(samples) < FRAME:
        return 0, len(samples)
    powers = frame_powers(samples)
    levels = np.sqrt(powers)
    noise = min(OVER_NOISE * noise_floor(levels, FLOOR_PERCENT), levels.max() / 2)  # without a pause, no floor
    loud = levels >= max(LOUD_SHARE * levels.max(), noise)
    if not (runs := stretches(loud, PAUSE)):  # nothing is loud where the samples are not numbers
        return 0, len(samples)
    energies = np.array([powers[first:end][loud[first:end]].sum() for first, end in runs])
    first, end = runs[np.flatnonzero(energies >= WORD_SHARE * energies.max())[-1]]
    return first * FRAME, end * FRAME
