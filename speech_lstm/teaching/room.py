"""Thresholds from a recording of the user's room in which no command is said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from speech_lstm.audio.recording import stream_recording
from speech_lstm.config import SAMPLE_RATE, DetectionConfig, commands_of
from speech_lstm.errors import RecordingError, printable
from speech_lstm.recognition.posteriors import whole_stream
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.recognition.trigger import Trigger

BLOCK_SECONDS = 10.0
STEPS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)  # thresholds that are tried


@dataclass(frozen=True)
class Room:
    """What a recogniser accepts in a recording: nothing of it is a command."""

    hours: float
    before: Counter[str]  # false accepts with the thresholds as they were
    after: Counter[str]
    detection: DetectionConfig  # with the new thresholds


def choose_for_room(recognizer: Recognizer, recording: Path, rate: float) -> Room:
    """Raise the thresholds of a recogniser until it accepts at most `rate` times an hour of a recording.

    The word that is accepted most often is raised first. Raises RecordingError.
    """
    stream = recognizer.stream()
    rows, seconds = whole_stream(stream, stream_recording(recording, BLOCK_SECONDS))
    if seconds < 1:
        raise RecordingError(f"{printable(recording)}: is shorter than a second; record some minutes of your room")
    hours, detection, labels = seconds / 3600, recognizer.detection, recognizer.labels

    def accepts() -> Counter[str]:
        firings = Trigger(labels, detection, hop_seconds=stream.hop / SAMPLE_RATE)(*rows)
        return Counter(firing.label for firing in firings)

    levels = {word: detection.threshold(word) for word in commands_of(labels)}
    before = after = accepts()
    while after.total() > rate * hours:
        word = next(word for word, _ in after.most_common())
        higher = [step for step in STEPS if step > levels[word]]
        if not higher:
            break
        levels[word] = higher[0]
        detection = replace(detection, thresholds=dict(levels))
        after = accepts()
    counted = replace(detection, false_accepts_per_hour=rate, false_accepts=after.total(), hours=hours)
    return Room(hours, before, after, replace(counted, sound="continuous speech"))
