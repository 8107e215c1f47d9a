"""A stream of audio → commands with their times."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, DetectionConfig
from speech_lstm.recognition.posteriors import Rows, Stream
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.trigger import HOP_SECONDS, Firing, Trigger

PIECE = 5 * SAMPLE_RATE  # samples heard at once, so that a long block takes little memory
GRAIN = SAMPLE_RATE // 50  # samples: of a command's start and end
LOUD_SHARE = 0.1  # of the loudest grain's amplitude: what counts as a part of a word
OVER_NOISE = 2.0  # times the amplitude of the quietest tenth: the same where there is noise
PAUSE = 8  # grains, 160 ms: a longer one lies between words, not inside one
WORD_SHARE = 0.2  # of the most energy in one stretch: with less it is no word


class Recognises(Protocol):
    """What a detector asks of a recogniser."""

    labels: tuple[str, ...]

    @property
    def detection(self) -> DetectionConfig: ...
    def stream(self, hop_seconds: float = HOP_SECONDS) -> Stream: ...


class Detector:
    """Call it with blocks of 16 kHz mono samples, of any size; it returns the commands decided on with each.

    The answers depend on the samples alone, not on how they were cut into blocks.
    """

    def __init__(
        self, recognizer: Recognises, threshold: float | None = None, hop_seconds: float = HOP_SECONDS
    ) -> None:
        """`threshold` takes the place of those in the recogniser's model file, for all words."""
        self.stream = recognizer.stream(hop_seconds)
        self.trigger = Trigger(recognizer.labels, recognizer.detection, threshold, self.stream.hop / SAMPLE_RATE)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self.stream.reset()
        self.trigger.reset()
        self.recent = np.zeros(0, np.float32)  # the last samples, in which the next command lies
        self.heard = 0  # samples of the stream
        self.end = 0.0  # seconds: that of the last command

    @property
    def seconds(self) -> float:
        """How much audio was heard."""
        return self.heard / SAMPLE_RATE

    @property
    def scores(self) -> dict[str, float]:
        """The smoothed probability of each label at the end of what was heard."""
        return dict(zip(self.trigger.labels, self.trigger.scores.tolist(), strict=True))

    def __call__(self, block: NDArray[np.float32]) -> list[Prediction]:
        """Hear float32 [samples]; returns the commands that are now certain."""
        return [command for at in range(0, len(block), PIECE) for command in self.hear(block[at : at + PIECE])]

    def hear(self, piece: NDArray[np.float32]) -> list[Prediction]:
        """Hear a part of a block."""
        self.heard += len(piece)
        self.recent = np.concatenate([self.recent, piece])
        found = self.decide(self.stream(piece))
        self.recent = self.recent[-CLIP_SAMPLES - self.stream.hop :].copy()
        return found

    def finish(self) -> list[Prediction]:
        """The stream has ended: the commands that were still open. Hear nothing after it but a `reset`."""
        return self.decide(self.stream.finish())

    def decide(self, rows: Rows) -> list[Prediction]:
        """The commands decided on with these rows."""
        return [self.prediction(firing) for firing in self.trigger(rows.times, rows.posteriors)]

    def prediction(self, firing: Firing) -> Prediction:
        """The command with the time of its word: the last in the window, and after the command before."""
        offset = self.heard - len(self.recent)
        stop = min(self.heard, round(firing.time * SAMPLE_RATE))
        begin = max(offset, stop - CLIP_SAMPLES, round(self.end * SAMPLE_RATE))
        first, last = find_word(self.recent[begin - offset : stop - offset])
        start, self.end = (begin + first) / SAMPLE_RATE, (begin + last) / SAMPLE_RATE
        scores = dict(zip(self.trigger.labels, firing.scores.tolist(), strict=True))
        return Prediction(firing.label, firing.probability, start, self.end, scores)


def find_word(samples: NDArray[np.float32]) -> tuple[int, int]:
    """Where the last word lies in float32 [samples]: its first sample and the one after its last."""
    if len(samples) < GRAIN:
        return 0, len(samples)
    grains = samples[: len(samples) // GRAIN * GRAIN].reshape(-1, GRAIN)
    levels = np.sqrt(np.square(grains).mean(1))
    noise = min(OVER_NOISE * np.percentile(levels, 10), levels.max() / 2)  # there may be no pause at all
    loud = np.flatnonzero(levels >= max(LOUD_SHARE * levels.max(), noise))
    stretches = np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE) + 1)
    energies = np.array([np.square(levels[stretch]).sum() for stretch in stretches])
    last = stretches[np.flatnonzero(energies >= WORD_SHARE * energies.max())[-1]]
    return int(last[0]) * GRAIN, int(last[-1] + 1) * GRAIN
