"""The corpus of a study: loaded once for all trials of a worker, and told apart from others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from speech_lstm.config import CLIP_SAMPLES, CorpusConfig
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.corpus.scored_set import ScoredSet
from speech_lstm.errors import ConfigError
from speech_lstm.recognition.recognizer import one_thread
from speech_lstm.training.allocator import keep_freed_memory
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import choose_device
from speech_lstm.trials.packing import pack

# Of each recording an eighth of a second in the middle is looked at: all of the archive's 105,000 would otherwise
# take half a minute at every start.
LOOKED_AT = slice(7 * CLIP_SAMPLES // 16, 9 * CLIP_SAMPLES // 16)


@dataclass(frozen=True)
class StudyRecordings:
    """What every trial learns from and is scored on."""

    recordings: Recordings

    @property
    def testing(self) -> ScoredSet:
        return self.recordings.testing

    @property
    def validation(self) -> ScoredSet:
        return self.recordings.validation

    @cached_property
    def fingerprint(self) -> str:
        """Another one for other names, splits, labels, sounds or noise; the same on every machine."""
        source, clips = self.recordings, self.recordings.clips
        splits = [(clip.name, clip.split) for clip in source.corpus.clips]
        noise = source.corpus.noise, len(source.noise)
        digest = hashlib.sha256(json.dumps([source.task.labels, clips.names, splits, noise]).encode())
        for sounds in source.examples.sources:
            for row in sounds:
                digest.update(row[LOOKED_AT])
        for scored in (self.validation, self.testing):
            digest.update(json.dumps(scored.names).encode())
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
        """What the stored answers are to be read with: labels, and names and right answers of the scored clips."""
        splits = {"validation": self.validation, "testing": self.testing}
        clips = {name: {"names": list(s.names), "truth": pack(s.truth)} for name, s in splits.items()}
        return {"labels": list(self.recordings.task.labels), **clips}


def prepared(config: CorpusConfig, data: Path, device: str) -> tuple[StudyRecordings, torch.device]:
    """What a worker needs before it begins: the recordings, and the device of that name. Raises ConfigError."""
    if data == Path():
        raise ConfigError("the file names no corpus: give --data")
    one_thread()  # the networks are small, and there may be as many workers as cores
    keep_freed_memory()
    chosen = choose_device(device)
    return load_recordings(config, data, Console()), chosen


def load_recordings(config: CorpusConfig, data: Path, console: Console) -> StudyRecordings:
    """Read the corpus, or map the copy on disk, which workers of one machine share."""
    recordings = read_recordings(config, data, not console.quiet)
    for note in recordings.notes:
        console.say(f"note: {note}")
    recordings.validation, recordings.testing  # noqa: B018  (raise CorpusError without recordings)
    return StudyRecordings(recordings)
