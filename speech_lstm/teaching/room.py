"""The decision, chosen on a recording of the user's room in which no command is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
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
SMOOTHINGS = (0.4, 0.5, 0.6)  # seconds; what longer ones miss was not measured


@dataclass(frozen=True)
class Room:
    """What a recogniser accepts in a recording: nothing of it is a command."""

    hours: float
    before: Counter[str]  # false accepts with the thresholds as they were
    after: Counter[str]
    detection: DetectionConfig  # with the new thresholds and smoothing


def choose_for_room(recognizer: Recognizer, recording: Path, rate: float) -> Room:
    """Choose smoothing and thresholds of a recogniser with at most `rate` false accepts an hour of a recording.

    Longer smoothing accepts less. What it misses cannot be heard in a recording without commands, but higher
    thresholds miss more than a tenth of a second does: of the smoothing times from the recogniser's own on, the one
    is taken that asks for the lowest thresholds, and of several the shortest. Raises RecordingError.
    """
    stream = recognizer.stream()
    rows, seconds = whole_stream(stream, stream_recording(recording, BLOCK_SECONDS))
    if seconds < 1:
        raise RecordingError(f"{printable(recording)}: is shorter than a second; record some minutes of your room")
    hours, words = seconds / 3600, commands_of(recognizer.labels)
    own = replace(recognizer.detection, thresholds={word: recognizer.detection.threshold(word) for word in words})

    def accepts(detection: DetectionConfig) -> Counter[str]:
        firings = Trigger(recognizer.labels, detection, hop_seconds=stream.hop / SAMPLE_RATE)(*rows)
        return Counter(firing.label for firing in firings)

    longer = [replace(own, smoothing=seconds) for seconds in SMOOTHINGS if seconds > own.smoothing]
    ways = [raised(detection, accepts, rate * hours) for detection in (own, *longer)]
    chosen = min(ways, key=lambda detection: sum(detection.thresholds.values()))
    after = accepts(chosen)
    counted = replace(chosen, false_accepts_per_hour=rate, false_accepts=after.total(), hours=hours)
    return Room(hours, accepts(own), after, replace(counted, sound="continuous speech"))


def raised(
    detection: DetectionConfig, accepts: Callable[[DetectionConfig], Counter[str]], most: float
) -> DetectionConfig:
    """A decision with thresholds raised until it accepts at most so often; the word accepted most often first."""
    levels = dict(detection.thresholds)
    while (accepted := accepts(detection)).total() > most:
        word = accepted.most_common(1)[0][0]
        higher = [step for step in STEPS if step > levels[word]]
        if not higher:
            break
        levels[word] = higher[0]
        detection = replace(detection, thresholds=dict(levels))
    return detection
