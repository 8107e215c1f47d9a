"""The recordings of a study or search: read once for all trainings of a worker, and compared with the stored ones."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, CorpusConfig
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.errors import ConfigError
from speech_lstm.recognition.recognizer import one_thread
from speech_lstm.training.console import Console
from speech_lstm.training.hardware import choose_device, keep_freed_memory

# The fingerprint reads an eighth of a second in the middle of each recording: reading all of the archive's 105,000
# recordings would take half a minute at every start.
SAMPLED = slice(7 * CLIP_SAMPLES // 16, 9 * CLIP_SAMPLES // 16)
NO_ANSWER = 65_535  # in place of a label, where the network gave no answer


@dataclass(frozen=True)
class TrialRecordings(Recordings):
    """The recordings that every network of a study or search is trained on and scored on."""

    @cached_property
    def fingerprint(self) -> str:
        """Changes with names, splits, labels, sounds or noise; the same on every machine."""
        splits = [(clip.name, clip.split) for clip in self.corpus.clips]
        noise = self.corpus.noise, len(self.noise)
        digest = hashlib.sha256(json.dumps([self.task.labels, self.clips.names, splits, noise]).encode())
        for source in self.examples.sources:
            for clip in source:
                digest.update(clip[SAMPLED])
        for scored in (self.validation, self.testing):
            digest.update(json.dumps(scored.names).encode())
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
        """What a reader of the stored answers needs: the labels, and names and right labels of the scored clips."""
        splits = {"validation": self.validation, "testing": self.testing}
        clips = {name: {"names": list(s.names), "truth": pack(s.truth)} for name, s in splits.items()}
        return {"labels": list(self.task.labels), **clips}


def prepare(config: CorpusConfig, data: Path, device: str) -> tuple[TrialRecordings, torch.device]:
    """Read the recordings and choose the device of that name. Raises ConfigError and CorpusError."""
    if data == Path():
        raise ConfigError("the file names no corpus: give --data")
    one_thread()  # the networks are small, and there may be as many workers as cores
    keep_freed_memory()
    chosen = choose_device(device)
    corpus = read_recordings(config, data)
    for note in corpus.notes:
        Console().say(f"note: {note}")
    recordings = TrialRecordings(corpus.corpus, corpus.clips, corpus.task, corpus.examples)
    recordings.fingerprint  # noqa: B018  (raises CorpusError for an empty split, before anything is stored)
    return recordings, chosen


def pack(labels: NDArray[np.int64]) -> str:
    """Numbers of labels, each at most NO_ANSWER, as short text for a database's column."""
    return base64.b85encode(zlib.compress(labels.astype(np.uint16).tobytes(), 9)).decode()


def unpack(text: str) -> NDArray[np.int64]:
    """The numbers [clips] of `pack`."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint16).astype(np.int64)
