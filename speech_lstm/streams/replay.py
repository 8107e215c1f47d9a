"""The posteriors of a stream with known words, computed once, so that decisions can be replayed on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import stream_recording
from speech_lstm.config import SAMPLE_RATE, DetectionConfig, commands_of
from speech_lstm.corpus.speech_commands import Corpus, listing
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.recognition.trigger import Trigger
from speech_lstm.streams.matching import Matching, match
from speech_lstm.streams.scenes import Plan, SyntheticStream
from speech_lstm.streams.truth import Event, TruthError, read_truth

BLOCK_SECONDS = 10.0
EDGE_SECONDS = 0.1  # by which the truth may reach beyond the recording, because times are rounded


@dataclass(frozen=True)
class StreamPosteriors:
    """A stream of `hours`: its known words, and a row of posteriors for each hop."""

    labels: tuple[str, ...]
    hours: float
    events: tuple[Event, ...]
    rows: Rows
    hop_seconds: float  # from row to row

    @property
    def commands(self) -> tuple[str, ...]:
        return commands_of(self.labels)

    def decide(self, detection: DetectionConfig) -> Matching:
        """The reports of a detector with these thresholds, matched with the known words."""
        firings = Trigger(self.labels, detection, hop_seconds=self.hop_seconds)(*self.rows)
        return match(self.events, firings, self.commands)

    def counts(self, detection: DetectionConfig) -> NDArray[np.int64]:
        """How often each command is matched, and how often falsely accepted: int64 [2, commands]."""
        matching = self.decide(detection)
        matched = Counter(answer.event.word for answer in matching.answers if answer.outcome == "matched")
        false = Counter(accept.report.label for accept in matching.false_accepts)
        return np.array([[count[word] for word in self.commands] for count in (matched, false)], np.int64)


def recording_posteriors(
    recognizer: Recognizer, recording: Path, truth: Path, progress: bool = True
) -> StreamPosteriors:
    """The posteriors of a recording of any length, computed in bounded memory.

    Raises RecordingError, and TruthError for a truth that cannot belong to the recording or has none of the commands.
    """
    events = read_truth(truth)
    seconds = sum(map(len, stream_recording(recording))) / SAMPLE_RATE  # quick, compared with the network
    check_truth(truth, events, recording, seconds, recognizer.labels)
    rows, hop = posterior_rows(recognizer, stream_recording(recording, BLOCK_SECONDS), seconds, progress)
    return StreamPosteriors(recognizer.labels, seconds / 3600, events, rows, hop)


def plan_posteriors(
    recognizer: Recognizer, corpus: Corpus, plan: Plan, progress: bool = True
) -> tuple[StreamPosteriors, list[str]]:
    """The posteriors of a synthetic stream, computed while it is drawn, and notes on what it skipped."""
    stream, events = SyntheticStream(corpus, plan), list[Event]()

    def blocks() -> Iterator[NDArray[np.float32]]:
        for scene in stream:
            events.extend(scene.events)
            yield np.divide(scene.samples, 32768, dtype=np.float32)

    rows, hop = posterior_rows(recognizer, blocks(), plan.seconds, progress)
    return StreamPosteriors(recognizer.labels, plan.seconds / 3600, tuple(events), rows, hop), stream.notes


def posterior_rows(
    recognizer: Recognizer, blocks: Iterable[NDArray[np.float32]], seconds: float, progress: bool
) -> tuple[Rows, float]:
    """The rows of consecutive blocks of samples, and the seconds from row to row."""
    from tqdm import tqdm

    stream, parts, samples = recognizer.stream(), [], 0
    with tqdm(desc="recognising", total=round(seconds), unit="s", disable=not progress, delay=2) as bar:
        for block in blocks:
            parts.append(stream(block))
            samples += len(block)
            bar.update(samples // SAMPLE_RATE - bar.n)
    parts.append(stream.finish())
    return Rows(*map(np.concatenate, zip(*parts, strict=True))), stream.hop / SAMPLE_RATE


def check_truth(
    truth: Path, events: tuple[Event, ...], recording: Path, seconds: float, labels: tuple[str, ...]
) -> None:
    """Raise TruthError unless the events lie in the recording and some of them are commands."""
    last = max((max(event.start, event.end or 0) for event in events), default=0.0)
    if last > seconds + EDGE_SECONDS:
        raise TruthError(
            f"{truth}: reaches to {last:.2f} s, but {recording} is {seconds:.2f} s long; "
            "give the truth of this recording"
        )
    commands = commands_of(labels)
    if not any(event.word in commands for event in events):
        words = sorted({event.word for event in events})
        raise TruthError(
            f"{truth}: has none of the model's commands ({listing(commands, 12)}); "
            f"it has {listing(words, 12) or 'no word'}"
        )
