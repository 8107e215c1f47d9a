"""The posteriors of a stream with known words, computed once, so that decisions can be replayed on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import stream_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import SAMPLE_RATE, SILENCE, DetectionConfig, commands_of
from speech_lstm.corpus.speech_commands import Corpus, listing
from speech_lstm.recognition.posteriors import Rows, whole_stream
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.recognition.trigger import Trigger
from speech_lstm.streams.matching import Matching, match
from speech_lstm.streams.scenes import Plan, SyntheticStream
from speech_lstm.streams.score import StreamScore
from speech_lstm.streams.truth import Event, TruthError, read_truth
from speech_lstm.streams.writing import truth_path

BLOCK_SECONDS = 10.0
BETWEEN_SECONDS = 3.0  # of silence between joined streams: no decision and no report's event reaches across
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

    def score(self, detection: DetectionConfig) -> StreamScore:
        """What `decide` comes to."""
        return StreamScore(self.hours, self.commands, self.events, self.decide(detection))

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
    events, seconds = read_truth(truth), seconds_of(recording)
    check_truth(truth, events, recording, seconds, recognizer.labels)
    stream = recognizer.stream()
    rows, _ = whole_stream(stream, stream_recording(recording, BLOCK_SECONDS), seconds, progress)
    return StreamPosteriors(recognizer.labels, seconds / 3600, events, rows, stream.hop / SAMPLE_RATE)


def speech_posteriors(recognizer: Recognizer, path: Path, progress: bool = True) -> StreamPosteriors:
    """The posteriors of continuous speech: of a recording, or of all in a folder, joined.

    The truth beside a recording, if there is one, says which commands it contains and what else is in it. Raises
    RecordingError and TruthError.
    """
    from speech_lstm.progress import Bar

    recordings = [Path(recording) for recording in find_recordings([path])]
    one, parts = len(recordings) == 1, list[StreamPosteriors]()
    bar = Bar(recordings, desc="recognising speech", unit="recording", disable=one or not progress)
    for recording in bar:
        truth, seconds = truth_path(recording), seconds_of(recording)
        events = read_truth(truth) if truth.is_file() else ()
        check_end(truth, events, recording, seconds)
        stream = recognizer.stream()
        rows, _ = whole_stream(stream, stream_recording(recording, BLOCK_SECONDS), seconds, one and progress)
        parts.append(StreamPosteriors(recognizer.labels, seconds / 3600, events, rows, stream.hop / SAMPLE_RATE))
    return join(parts)


def join(parts: Sequence[StreamPosteriors]) -> StreamPosteriors:
    """One stream of several of the same model, with silence between them that does not count as hours."""
    first, start, rows, events = parts[0], 0.0, [], list[Event]()
    count = round(BETWEEN_SECONDS / first.hop_seconds)
    silence = np.tile(np.array([label == SILENCE for label in first.labels], np.float32), (count, 1))
    for part in parts:
        times = start + part.rows.times
        rows.append(part.rows._replace(times=times))
        events += (event.later(start) for event in part.events)
        last = float(times[-1]) if len(times) else start
        between = np.asarray(last + first.hop_seconds * np.arange(1, count + 1), np.float64)
        rows.append(Rows(between, silence, np.zeros(count, np.float32)))
        start = float(between[-1]) + first.hop_seconds
    joined = Rows.join(rows)
    return replace(first, hours=sum(part.hours for part in parts), events=tuple(events), rows=joined)


def plan_posteriors(
    recognizer: Recognizer, corpus: Corpus, plan: Plan, progress: bool = True
) -> tuple[StreamPosteriors, list[str]]:
    """The posteriors of a synthetic stream, computed while it is drawn, and notes on what it skipped."""
    synthetic, events = SyntheticStream(corpus, plan), list[Event]()

    def blocks() -> Iterator[NDArray[np.float32]]:
        for scene in synthetic:
            events.extend(scene.events)
            yield np.divide(scene.samples, 32768, dtype=np.float32)

    stream = recognizer.stream()
    rows, _ = whole_stream(stream, blocks(), plan.seconds, progress)
    posteriors = StreamPosteriors(
        recognizer.labels, plan.seconds / 3600, tuple(events), rows, stream.hop / SAMPLE_RATE
    )
    return posteriors, synthetic.notes


def seconds_of(recording: Path) -> float:
    """The length of a recording, from its samples: quick, compared with the network. Raises RecordingError."""
    return sum(map(len, stream_recording(recording))) / SAMPLE_RATE


def check_end(truth: Path, events: tuple[Event, ...], recording: Path, seconds: float) -> None:
    """Raise TruthError unless the events lie in the recording."""
    last = max((max(event.start, event.end or 0) for event in events), default=0.0)
    if last > seconds + EDGE_SECONDS:
        raise TruthError(
            f"{truth}: reaches to {last:.2f} s, but {recording} is {seconds:.2f} s long; "
            "give the truth of this recording"
        )


def check_truth(
    truth: Path, events: tuple[Event, ...], recording: Path, seconds: float, labels: tuple[str, ...]
) -> None:
    """Raise TruthError unless the events lie in the recording and some of them are commands."""
    check_end(truth, events, recording, seconds)
    commands = commands_of(labels)
    if not any(event.word in commands for event in events):
        words = sorted({event.word for event in events})
        raise TruthError(
            f"{truth}: has none of the model's commands ({listing(commands, 12)}); "
            f"it has {listing(words, 12) or 'no word'}"
        )
