"""False accepts in recordings of speech: the second of each, to train on as `_unknown_`."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import stream_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, commands_of
from speech_lstm.corpus.own_words import write_take
from speech_lstm.errors import ConfigError
from speech_lstm.files import discard, write_text
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.streams.matching import end_of
from speech_lstm.streams.truth import Event, read_truth
from speech_lstm.streams.writing import truth_path

FOLDER, TABLE = "_false_accepts_", "false_accepts.csv"  # with underscores it is no word for `train --words`
COLUMNS = ("file", "recording", "start", "label", "probability")
BLOCK_SECONDS = 10.0
HOP = SAMPLE_RATE // 10  # samples from one tried second to the next
TRIED = 6  # seconds, from the one that ends with the word on: in a later one the word is more in the middle
TRIED_SECONDS = TRIED * HOP / SAMPLE_RATE
RECENT = 5 * SAMPLE_RATE  # samples before a block; they contain every word that is detected in it
MARGIN_SECONDS = 0.2  # around a command that is said: the truth may be off by so much


@dataclass(frozen=True)
class FalseAccept:
    """A second of a recording, float32 [CLIP_SAMPLES], in which a command was detected that nobody said."""

    label: str
    probability: float  # of the detection
    start: float  # of the second, in seconds of the recording; below 0 in one that is shorter than a second
    clip: NDArray[np.float32]


def said_commands(recording: Path, labels: Sequence[str]) -> list[Event]:
    """The commands in the truth next to a recording; none if it has no truth. Raises TruthError."""
    path = truth_path(recording)
    events = read_truth(path) if path.is_file() else ()
    return [event for event in events if event.word in commands_of(labels)]


def mine(recognizer: Recognizer, recording: Path, threshold: float) -> Iterator[tuple[float, list[FalseAccept]]]:
    """For each block of a recording its seconds, and the false accepts that are now complete.

    Raises RecordingError, and TruthError for the truth next to the recording.
    """
    miner = Miner(recognizer, threshold, said_commands(recording, recognizer.labels))
    for block in stream_recording(recording, BLOCK_SECONDS):
        yield len(block) / SAMPLE_RATE, miner(block)
    yield 0.0, miner.finish()


class Miner:
    """Call it with the blocks of a recording, float32 [samples]; it returns the false accepts that are now complete.

    Everything that is detected is one, except where one of the commands that are `said` is near.
    """

    def __init__(self, recognizer: Recognizer, threshold: float, said: Sequence[Event] = ()) -> None:
        self.recognizer, self.said = recognizer, said
        self.detector = Detector(recognizer, threshold)
        self.recent = np.zeros(0, np.float32)
        self.position = 0  # samples since the recording began
        self.waiting: list[Prediction] = []  # for the samples after the word

    def __call__(self, block: NDArray[np.float32]) -> list[FalseAccept]:
        self.recent = np.concatenate([self.recent[-RECENT:], block])
        self.position += len(block)
        self.waiting += self.detector(block)
        return self.decide(self.position / SAMPLE_RATE - TRIED_SECONDS)

    def finish(self) -> list[FalseAccept]:
        """The recording has ended: the false accepts that were still open."""
        self.waiting += self.detector.finish()
        return self.decide(math.inf)

    def decide(self, complete: float) -> list[FalseAccept]:
        """The false accepts among the waiting commands that ended by this second of the recording."""
        accepts = [self.surest_second(command) for command in self.waiting if command.end <= complete]
        self.waiting = [command for command in self.waiting if command.end > complete]
        return [accept for accept in accepts if not self.is_near_command(accept.start)]

    def surest_second(self, command: Prediction) -> FalseAccept:
        """The second around a detected command in which the network is surest of it."""
        offset = self.position - len(self.recent)
        first = round(command.end * SAMPLE_RATE) - CLIP_SAMPLES - offset
        latest = max(0, len(self.recent) - CLIP_SAMPLES)
        starts = np.unique(np.clip(first + HOP * np.arange(TRIED), 0, latest))
        clips = np.stack([fit_clip(self.recent[start : start + CLIP_SAMPLES]) for start in starts])
        best = int(self.recognizer.posteriors(clips)[:, self.recognizer.labels.index(command.label)].argmax())
        missing = max(0, CLIP_SAMPLES - len(self.recent)) // 2  # zeros before a short recording
        start = (offset + int(starts[best]) - missing) / SAMPLE_RATE
        return FalseAccept(command.label, command.probability, start, clips[best])

    def is_near_command(self, start: float) -> bool:
        """Whether a said command lies in the second from `start` on, or at most MARGIN_SECONDS from it."""
        first, last = start - MARGIN_SECONDS, start + CLIP_SAMPLES / SAMPLE_RATE + MARGIN_SECONDS
        return any(event.start < last and end_of(event) > first for event in self.said)


class Collection:
    """A new folder of false accepts: WAV files in FOLDER, and TABLE, which lists them and is written at the end.

    With `most`, the likeliest so many are kept. Raises ConfigError for a folder that is not empty, and OutputError.
    """

    def __init__(self, out: Path, most: int | None = None) -> None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out}: exists and is not an empty folder; name a new one")
        self.out, self.most = out, most
        self.rows: list[tuple[str, str, float, str, float]] = []  # of the table
        self.names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.rows:
            self.write_table()

    def add(self, recording: Path, accept: FalseAccept) -> None:
        """Write an accept to its file, instead of the least likely one if there are enough."""
        full = len(self.rows) == self.most
        least = min(self.rows, key=lambda row: row[-1], default=None) if full else None
        if least and accept.probability <= least[-1]:
            return
        file = self.new_name(f"{recording.stem[:60]}_{accept.start:.1f}_{accept.label[:40]}")
        write_take(self.out / FOLDER / file, accept.clip)
        self.rows.append((f"{FOLDER}/{file}", str(recording), accept.start, accept.label, accept.probability))
        if least:
            self.rows.remove(least)
            discard(self.out / least[0])

    def new_name(self, text: str) -> str:
        """A name for a file that no other has, with the letters and digits of `text`."""
        stem = re.sub(r"[^\w.-]", "_", text, flags=re.ASCII).lstrip(".")
        names = (f"{stem}{number}.wav" for number in itertools.chain([""], map("_{}".format, itertools.count(2))))
        name = next(name for name in names if name not in self.names)
        self.names.add(name)
        return name

    def write_table(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, recording, start, label, probability in self.rows:
            writer.writerow((name, recording, f"{start:.2f}", label, f"{probability:.4f}"))
        write_text(self.out / TABLE, text.getvalue())
