"""What every room agrees on: the rate of samples, the length of a clip, the words and what is no word."""

from __future__ import annotations

from collections.abc import Iterable

SAMPLE_RATE = 16_000  # Hz; of every waveform inside the program
CLIP_SAMPLES = SAMPLE_RATE  # one second, the length of a Speech Commands recording
SILENCE, UNKNOWN = "_silence_", "_unknown_"
THRESHOLD = 0.7  # smoothed posterior at which a command in a stream is detected
SMOOTHING = 0.3  # seconds of posteriors that are averaged

COMMANDS_8 = ("yes", "no", "up", "down", "left", "right", "stop", "go")
COMMANDS_10 = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")  # of the 12-class task


def commands_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that are commands, in their order: all but `_silence_` and `_unknown_`."""
    return tuple(label for label in labels if label not in (SILENCE, UNKNOWN))
