"""The command `listen` as a process, and recordings for it."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from speech_lstm.config import SAMPLE_RATE
from support.virtual_microphone import ROOT

MODEL = ROOT / "checkpoints" / "commands8.onnx"  # without torch, whose import takes seconds of each process
COMMAND = [sys.executable, "-u", "-m", "speech_lstm"]
SLOW = 120.0  # seconds; for a loaded machine
SPEAKER = "7a254b5f"  # of the carried corpus's testing list


def spoken(words: tuple[str, ...], path: Path) -> np.ndarray:
    """Write a recording of words of the carried corpus, 0.4 s between them; returns its samples."""
    pieces = []
    for word in words:
        clip = ROOT / "data" / "demo" / word / f"{SPEAKER}_nohash_0.wav"
        samples, rate = soundfile.read(clip, dtype="float32")
        assert rate == SAMPLE_RATE
        pieces += [samples, np.zeros(round(0.4 * SAMPLE_RATE), np.float32)]
    recording = np.concatenate(pieces)
    soundfile.write(path, recording, SAMPLE_RATE)
    return recording


def lines_of(stream: IO[str] | None) -> queue.Queue[str]:
    """A queue that a thread fills with the lines of a process's stream."""
    assert stream is not None
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))

    threading.Thread(target=read, daemon=True).start()
    return lines


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SLOW
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
