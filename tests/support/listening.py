"""The command `listen` as a process, recordings for it, and commands that it recognises."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.live.command_log import Command, CommandLog
from speech_lstm.recognition.prediction import Prediction
from support.virtual_microphone import ROOT

MODEL = ROOT / "checkpoints" / "commands8.onnx"  # without torch, whose import takes seconds of each process
COMMAND = [sys.executable, "-u", "-m", "speech_lstm"]
SLOW = 120.0  # seconds; for a loaded machine
SPEAKER = "7a254b5f"  # of the demo corpus's testing list


def spoken(words: tuple[str, ...], path: Path) -> np.ndarray:
    """Write a recording of words of the demo corpus, 0.4 s between them; returns its samples."""
    pieces = []
    for word in words:
        clip = ROOT / "data" / "demo" / word / f"{SPEAKER}_nohash_0.wav"
        samples, rate = soundfile.read(clip, dtype="float32")
        assert rate == SAMPLE_RATE
        pieces += [samples, np.zeros(round(0.4 * SAMPLE_RATE), np.float32)]
    recording = np.concatenate(pieces)
    soundfile.write(path, recording, SAMPLE_RATE)
    return recording


def command(word: str, start: float = 1.25) -> Command:
    """A word recognised from a microphone, decided on 0.9 s after it began."""
    prediction = Prediction(word, 0.97341, start, start + 0.5, {word: 0.97341})
    return CommandLog("a microphone").add(prediction, start + 0.9)


def lines_of(stream: IO[str] | None) -> queue.Queue[Any]:
    """A queue that a thread fills with the lines of a process's stream, and None at its end."""
    assert stream is not None
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
