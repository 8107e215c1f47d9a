"""The files that a run leaves in its folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import tomli_w

from speech_lstm.config import Config
from speech_lstm.errors import ConfigError, printable
from speech_lstm.files import OutputError, locked, reason, write_json, write_text
from speech_lstm.recurrent.plugins import SOURCES
from speech_lstm.training.events import Events

STATE, CONFIG, LOCK = "state.safetensors", "config.toml", "training.lock"
TAGS = {  # of TensorBoard, which shows them in the order of the alphabet
    "train_accuracy": "accuracy/training",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "train_loss": "loss/training",
    "validation_loss": "loss/validation",
    "clips_per_second": "speed/clips_per_second",
}


class RunFolder:
    """Configuration, models, curve, summary and TensorBoard events of a run.

    Of several processes only the first one writes. Without `events` nothing is written for TensorBoard.
    """

    def __init__(self, folder: Path, events: bool = True) -> None:
        self.folder = folder
        self.events = Events(folder / "tensorboard") if events else None

    def path(self, name: str) -> Path:
        return self.folder / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The folder is this process's while the block lasts; raises ConfigError if another one trains into it.

        It is made if it is missing, and removed at the end if it is empty. Raises OutputError if it cannot be made.
        """
        made = [str(path) for path in (self.folder, *self.folder.parents) if not os.path.exists(path)]  # noqa: PTH110
        busy = ConfigError(
            f"{self.folder}: another training into this folder is running; name another --out, or wait for its end"
        )
        with ExitStack() as stack:
            stack.callback(remove_empty, made)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path(LOCK), busy))
            except OSError as error:
                raise OutputError(f"{self.folder}: cannot be written: {reason(error)}") from error
            yield

    def check_free(self, resume: bool) -> None:
        """Raise ConfigError if a new run would overwrite an old one, or if there is no run to resume."""
        # A run that ended before it saved anything has nothing to lose.
        occupied = os.path.exists(self.path(STATE))  # noqa: PTH110  (Path.exists raises for a name that is too long)
        if occupied and not resume:
            raise ConfigError(
                f"{self.folder} already holds a run: add --resume to continue it, or name another --out"
            )
        if resume and not occupied:
            raise ConfigError(f"{self.folder} holds no run to resume; start one without --resume")

    def begin(self, config: Config, data: Path) -> None:
        """Write the configuration and the folder of the recordings in the form that `train --config` reads.

        Raises ConfigError for a setting that TOML cannot hold.
        """
        again = ["speech-lstm", "train", "--config", str(self.path(CONFIG)), "--out", "DIR"]
        if source := SOURCES.get(config.network.cell):
            again += ["--plugin", source]
        comment = printable(shlex.join(again))  # a folder's name may hold a line break
        absolute = str(data.absolute())  # so that it is found from any folder
        tables = ({"data": absolute} if is_unicode(absolute) else {}) | config.to_dict()
        text = f"# {comment}\n\n{tomli_w.dumps(tables)}"
        if not is_unicode(text):
            raise ConfigError(
                f"a setting names a file that is not UTF-8, which {CONFIG} cannot hold; rename the file"
            )
        write_text(self.path(CONFIG), text)

    def add_epoch(self, entry: dict[str, float]) -> None:
        """Add the points of an epoch to TensorBoard's curves; raises OutputError."""
        if self.events is not None:
            self.events.add(int(entry["epoch"]), {tag: entry[name] for name, tag in TAGS.items()})

    def end(self, summary: dict[str, Any]) -> None:
        """Write the summary and the curve."""
        write_json(self.path("summary.json"), summary)
        self.draw(summary["history"])

    def draw(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the curve of the epochs so far."""
        from speech_lstm.report.plotting import save_figure
        from speech_lstm.training.figures import curve_figure

        save_figure(curve_figure(history), self.path("curve.png"))


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded: a name of the file system that is not UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def remove_empty(folders: list[str]) -> None:
    """Remove folders, the innermost first, as far as they are empty."""
    with suppress(OSError):
        for folder in folders:
            os.rmdir(folder)  # noqa: PTH106
