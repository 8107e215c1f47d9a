"""A recogniser hears a stream whose truth is known: its posteriors, to decide on as often as one likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import stream_recording
from speech_lstm.config import SAMPLE_RATE, commands_of
from speech_lstm.corpus.speech_commands import Corpus, listing
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.streams.scenes import Plan, Stream
from speech_lstm.streams.tradeoff import Scored
from speech_lstm.streams.truth import Event, TruthError, read_truth

BLOCK_SECONDS = 10.0
EDGE_SECONDS = 0.1  # by which the truth may reach beyond the recording: times are rounded


def hear_recording(recognizer: Recognizer, recording: Path, truth: Path, progress: bool = True) -> Scored:
    """Hear a recording of any length in bounded memory.

    Raises RecordingError, and TruthError for a truth that can't be the recording's or has none of the commands.
    """
    events = read_truth(truth)
    seconds = sum(map(len, stream_recording(recording))) / SAMPLE_RATE  # quick beside the network
    check_truth(truth, events, recording, seconds, recognizer.labels)
    rows, hop = rows_of(recognizer, stream_recording(recording, BLOCK_SECONDS), seconds, progress)
    return Scored(recognizer.labels, seconds / 3600, events, rows, hop)


def hear_plan(recognizer: Recognizer, corpus: Corpus, plan: Plan, progress: bool = True) -> tuple[Scored, list[str]]:
    """Hear a stream while it is drawn; also returns what was left out, for people."""
    stream, events = Stream(corpus, plan), list[Event]()

    def blocks() -> Iterator[NDArray[np.float32]]:
        for scene in stream:
            events.extend(scene.events)
            yield np.divide(scene.samples, 32768, dtype=np.float32)

    rows, hop = rows_of(recognizer, blocks(), plan.seconds, progress)
    return Scored(recognizer.labels, plan.seconds / 3600, tuple(events), rows, hop), stream.notes


def rows_of(
    recognizer: Recognizer, blocks: Iterable[NDArray[np.float32]], seconds: float, progress: bool
) -> tuple[Rows, float]:
    """The rows of posteriors of blocks of samples that follow each other, and the seconds from row to row."""
    from tqdm import tqdm

    stream, found, heard = recognizer.stream(), [], 0
    with tqdm(desc="hearing", total=round(seconds), unit="s", disable=not progress, delay=2) as shown:
        for block in blocks:
            found.append(stream(block))
            heard += len(block)
            shown.update(heard // SAMPLE_RATE - shown.n)
    found.append(stream.finish())
    return Rows(*map(np.concatenate, zip(*found, strict=True))), stream.hop / SAMPLE_RATE


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
