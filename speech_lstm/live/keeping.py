"""Keeps the sound of what fired or nearly fired, so that a model can be taught by it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, commands_of
from speech_lstm.corpus.own_words import write_take
from speech_lstm.errors import printable
from speech_lstm.files import OutputError, discard, write_json
from speech_lstm.live.command_log import Command
from speech_lstm.recognition.detector import Detector

UNSORTED = "_unsorted_"  # the folder of what nobody has listened to yet
MEGABYTE = 1_000_000
OVER = 0.5  # of the least score; a word that fell below it is over


class Keeper:
    """An action of `listen`: each command's second becomes a WAV file, with its scores in a JSON file beside it.

    With `nearly`, so does the second in which a word came to that score and no command followed.
    """

    busy = False

    def __init__(self, folder: Path, detector: Detector, nearly: float | None, most: float) -> None:
        """At most `most` megabytes are in the folder."""
        self.folder, self.detector, self.nearly = folder / UNSORTED, detector, nearly
        self.room = most * MEGABYTE
        self.best: dict[str, Any] | None = None  # the facts of what may become a near miss, at its highest score
        self.clip = np.zeros(0, np.float32)
        self.lines = [f"keeping in {printable(self.folder)} what fires" + (" or nearly does" if nearly else "")]

    def __enter__(self) -> Self:
        """Raises OutputError for a folder that cannot be written to."""
        files = list(self.folder.glob("*")) if self.folder.is_dir() else []
        self.room -= sum(file.stat().st_size for file in files)
        probe = self.folder / "probe.json"
        write_json(probe, {})
        discard(probe)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def __call__(self, command: Command) -> None:
        self.best = None  # it has become a command
        prediction = command.prediction
        self.keep(prediction.label, self.second(), command.time, prediction.scores, fired=True)

    def notes(self) -> list[str]:
        """What there is to tell; looks for near misses too, as this is called after each block."""
        if self.nearly is not None:
            self.look(self.nearly)
        lines, self.lines = self.lines, []
        return lines

    def look(self, nearly: float) -> None:
        """Take note of a word that scores nearly enough, and keep the best of it when it is over."""
        scores = self.detector.scores
        word = max(commands_of(scores), key=scores.__getitem__)
        if scores[word] >= nearly and (self.best is None or scores[word] > self.best["scores"][self.best["word"]]):
            self.best = {"word": word, "scores": scores, "time": datetime.now().astimezone()}
            self.clip = self.second()
        elif self.best is not None and scores[word] < OVER * nearly:
            best, self.best = self.best, None
            self.keep(best["word"], self.clip, best["time"], best["scores"], fired=False)

    def second(self) -> NDArray[np.float32]:
        """The last second that the detector has read."""
        recent: NDArray[np.float32] = self.detector.recent[-CLIP_SAMPLES:]
        return recent

    def keep(
        self, word: str, clip: NDArray[np.float32], time: datetime, scores: dict[str, float], fired: bool
    ) -> None:
        """Write a second, if there is room; a failure is a note, and listening goes on."""
        size = 2 * len(clip) + 1000
        if size > self.room >= 0:
            self.lines.append("the folder is full (--keep-mb); nothing more is kept")
            self.room = -1
        if size > self.room:
            return
        safe = "".join(letter if letter.isalnum() or letter in " -" else "_" for letter in word)[:40]
        stem = f"{time:%Y%m%dT%H%M%S.%f}"[:-3] + f"_{safe}"
        facts = {"word": word, "fired": fired, "time": time.isoformat(timespec="milliseconds"), "scores": scores}
        try:
            write_json(self.folder / f"{stem}.json", facts)
            write_take(self.folder / f"{stem}.wav", clip)
        except OutputError as error:
            self.lines.append(printable(error))
            return
        self.room -= size
        if not fired:
            self.lines.append(f"nearly {printable(word)} {scores[word]:.2f}")
