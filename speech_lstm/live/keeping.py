"""Keeps the sound of what fired or nearly fired, so that a model can be taught by it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.corpus.own_words import write_take
from speech_lstm.errors import printable
from speech_lstm.files import OutputError, discard, write_json
from speech_lstm.live.command_log import Command
from speech_lstm.live.listening import Action
from speech_lstm.live.near_misses import NearMiss
from speech_lstm.recognition.detector import Detector

UNSORTED = "_unsorted_"  # the folder of what nobody has listened to yet
MEGABYTE = 1_000_000


class Keeper(Action):
    """An action of `listen`: each command's second becomes a WAV file, with its scores in a JSON file beside it.

    `near` does the same for a near miss.
    """

    def __init__(self, folder: Path, detector: Detector, most: float) -> None:
        """At most `most` megabytes are in the folder."""
        self.folder, self.detector = folder / UNSORTED, detector
        self.room = most * MEGABYTE
        self.lines = [f"keeping in {printable(self.folder)} what fires"]

    def __enter__(self) -> Self:
        """Raises OutputError for a folder that cannot be written to."""
        files = list(self.folder.glob("*")) if self.folder.is_dir() else []
        self.room -= sum(file.stat().st_size for file in files)
        probe = self.folder / "probe.json"
        write_json(probe, {})
        discard(probe)
        return self

    def __call__(self, command: Command) -> None:
        prediction = command.prediction
        self.keep(prediction.label, self.second(), command.time, prediction.scores, fired=True)

    def notes(self) -> list[str]:
        """What there is to tell since the last call."""
        lines, self.lines = self.lines, []
        return lines

    def near(self, miss: NearMiss) -> None:
        """Keep a near miss."""
        if self.keep(miss.word, miss.clip, miss.time, miss.scores, fired=False):
            self.lines.append(f"nearly {printable(miss.word)} {miss.score:.2f}")

    def second(self) -> NDArray[np.float32]:
        """The last second that the detector has read."""
        recent: NDArray[np.float32] = self.detector.recent[-CLIP_SAMPLES:]
        return recent

    def keep(
        self, word: str, clip: NDArray[np.float32], time: datetime, scores: dict[str, float], fired: bool
    ) -> bool:
        """Write a second, if there is room; returns whether it did. A failure is a note, and listening goes on."""
        size = 2 * len(clip) + 1000
        if size > self.room >= 0:
            self.lines.append("the folder is full (--keep-mb); nothing more is kept")
            self.room = -1
        if size > self.room:
            return False
        safe = "".join(letter if letter.isalnum() or letter in " -" else "_" for letter in word)[:40]
        stem = f"{time:%Y%m%dT%H%M%S.%f}"[:-3] + f"_{safe}"
        facts = {"word": word, "fired": fired, "time": time.isoformat(timespec="milliseconds"), "scores": scores}
        try:
            write_json(self.folder / f"{stem}.json", facts)
            write_take(self.folder / f"{stem}.wav", clip)
        except OutputError as error:
            self.lines.append(printable(error))
            return False
        self.room -= size
        return True
