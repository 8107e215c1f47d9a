"""The files that a run leaves in its folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import tomli_w

from speech_lstm.config import Config
from speech_lstm.errors import ConfigError, printable
from speech_lstm.files import OutputError, atomic_path, reason, write_json
from speech_lstm.recurrent.plugins import SOURCES

STATE, CONFIG = "state.safetensors", "config.toml"


class RunFolder:
    """Configuration, models, curve, summary and TensorBoard events of a run.

    Of several processes only the first one writes. Without `events` nothing is written for TensorBoard.
    """

    def __init__(self, folder: Path, events: bool = True) -> None:
        self.folder, self.events = folder, events
        self.writer: Any = None

    def path(self, name: str) -> Path:
        return self.folder / name

    def check_free(self, resume: bool) -> None:
        """Raise ConfigError if a new run would overwrite an old one, or if there is no run to resume."""
        occupied = self.path(STATE).exists()  # a run that ended before it saved anything has nothing to lose
        if occupied and not resume:
            raise ConfigError(
                f"{self.folder} already holds a run: add --resume to continue it, or name another --out"
            )
        if resume and not occupied:
            raise ConfigError(f"{self.folder} holds no run to resume; start one without --resume")

    def begin(self, config: Config, data: Path) -> None:
        """Write the configuration in the form that `train --config` reads."""
        again = ["speech-lstm", "train", "--config", str(self.path(CONFIG)), "--data", str(data), "--out", "DIR"]
        if source := SOURCES.get(config.network.cell):
            again += ["--plugin", source]
        command = shlex.join(again)
        comment = printable(command)  # a folder's name may hold a line break
        with atomic_path(self.path(CONFIG)) as temporary:
            temporary.write_text(f"# {comment}\n\n{tomli_w.dumps(config.to_dict())}", encoding="utf-8")

    def add_epoch(self, entry: dict[str, float]) -> None:
        """Add the points of an epoch to TensorBoard's curves; raises OutputError."""
        if not self.events:
            return
        try:
            self.write_events(entry)
        except OSError as error:  # TensorBoard's own thread writes, and passes it on
            raise OutputError(f"{self.path('tensorboard')}: cannot be written: {reason(error)}") from error

    def write_events(self, entry: dict[str, float]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        epoch = int(entry["epoch"])
        if self.writer is None:  # hides what an interrupted run wrote from here on
            self.writer = SummaryWriter(str(self.path("tensorboard")), purge_step=epoch)
        for name, value in entry.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def end(self, summary: dict[str, Any]) -> None:
        """Write the summary and the curve."""
        from speech_lstm.report.plotting import save_figure
        from speech_lstm.training.figures import curve_figure

        if self.writer is not None:
            self.writer.close()
        write_json(self.path("summary.json"), summary)
        save_figure(curve_figure(summary["history"]), self.path("curve.png"))
