"""`record` in a terminal: words that are played are cut out, checked and written as a corpus."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pexpect
import pytest
import soundfile
from virtual_microphone import ROOT, VirtualMicrophone, missing

from speech_lstm.audio.level import frame_levels
from speech_lstm.audio.recording import fit_clip, read_recording
from speech_lstm.audio.tape import Tape, Take
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.corpus.own_words import missing_takes, speaker_id, take_path
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.errors import CorpusError, RecordingError

RECORD = [sys.executable, "-u", "-m", "speech_lstm", "record"]
SLOW = 60.0
SPOKEN = [ROOT / "data" / "demo" / word / "7a254b5f_nohash_0.wav" for word in ("yes", "no", "stop")]


class Sound:
    """An input that holds these samples, handed out in blocks as fast as they are taken."""

    overruns = 0
    hint = ""

    def __init__(self, samples: np.ndarray, block: int = 1600) -> None:
        self.device = type("Named", (), {"name": "a sound"})()
        self.samples, self.block = samples.astype(np.float32), block

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self.samples), self.block):
            yield self.samples[start : start + self.block]


def room(seconds: float, level: float = 1e-4) -> np.ndarray:
    return level * np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE))


def tone(seconds: float, level: float = 0.2) -> np.ndarray:
    return level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def word_in(*pieces: np.ndarray) -> Take | None:
    """The first word of a sound."""
    tape = Tape(Sound(np.concatenate([*pieces, room(1.0)])))
    tape.heard  # noqa: B018
    with tape:
        return tape.word()
