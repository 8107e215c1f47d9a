"""What a run leaves in its folder, and what it shows on the way."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from speech_lstm.config import Config
from speech_lstm.errors import ConfigError
from speech_lstm.files import OutputError, atomic_path, reason, write_json
from speech_lstm.recurrent.plugins import SOURCES

STATE, CONFIG = "state.safetensors", "config.toml"


class Bar:
    """A progress bar over the steps of a run, with clips a second and the time left."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.clips, self.start = 0, time.perf_counter()

    def step(self, epoch: int, loss: float, clips: int) -> None:
        """One more step is done."""
        self.clips += clips
        rate = self.clips / (time.perf_counter() - self.start)
        self.bar.set_description(f"epoch {epoch + 1}", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} clips/s", refresh=False)
        self.bar.update(1)


class Record:
    """The folder of a run: configuration, models, curve, summary, TensorBoard events.

    `quiet` shows nothing. Of several processes only the first calls what writes.
    """

    def __init__(self, out: Path, quiet: bool = False) -> None:
        self.out, self.quiet = out, quiet
        self.writer: Any = None

    def path(self, name: str) -> Path:
        return self.out / name

    def begin(self, config: Config, data: Path) -> None:
        """Write the configuration in the form that `train --config` reads."""
        again = ["speech-lstm", "train", "--config", str(self.path(CONFIG)), "--data", str(data), "--out", "DIR"]
        if source := SOURCES.get(config.network.cell):
            again += ["--plugin", source]
        command = shlex.join(again)
        comment = command if command.isprintable() else repr(command)  # a folder's name may hold a line break
        with atomic_path(self.path(CONFIG)) as temporary:
            temporary.write_text(f"# {comment}\n\n{tomli_w.dumps(config.to_dict())}", encoding="utf-8")

    def check_free(self, resume: bool) -> None:
        """Raise ConfigError where a new run would overwrite an old one, or there is none to resume."""
        there = self.path(STATE).exists()  # a run that ended before it saved anything leaves nothing to lose
        if there and not resume:
            raise ConfigError(f"{self.out} holds a run already: add --resume to go on with it, or name another --out")
        if resume and not there:
            raise ConfigError(f"{self.out} holds no run to resume; leave --resume out to start one")

    def say(self, text: str) -> None:
        """A line for people, above the progress bar."""
        if not self.quiet:
            from tqdm import tqdm

            tqdm.write(text)

    @contextmanager
    def bar(self, steps: int, done: int) -> Iterator[Bar]:
        """The progress bar of a run."""
        from tqdm import tqdm

        with tqdm(total=steps, initial=done, unit="step", disable=self.quiet, smoothing=0.05) as bar:
            yield Bar(bar)

    def epoch(self, entry: dict[str, float], better: bool) -> None:
        """One epoch is done: a line for people, a point for TensorBoard."""
        self.say(
            f"epoch {entry['epoch']:3d}  loss {entry['train_loss']:.4f}  validation loss "
            f"{entry['validation_loss']:.4f}  accuracy {100 * entry['validation_accuracy']:.2f} %"
            f"  {entry['clips_per_second']:,.0f} clips/s{'  best so far' if better else ''}"
        )
        try:
            self.plot(entry)
        except OSError as error:  # TensorBoard's own thread writes, and hands it on
            raise OutputError(f"{self.path('tensorboard')}: can't be written: {reason(error)}") from error

    def plot(self, entry: dict[str, float]) -> None:
        """The points of an epoch in TensorBoard's curves."""
        from torch.utils.tensorboard import SummaryWriter

        epoch = int(entry["epoch"])
        if self.writer is None:  # what a run that broke off wrote from here on is not shown
            self.writer = SummaryWriter(str(self.path("tensorboard")), purge_step=epoch)
        for name, value in entry.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def end(self, summary: dict[str, Any]) -> None:
        """The curve and the summary."""
        from speech_lstm.report.plotting import save_figure
        from speech_lstm.training.figures import curve_figure

        if self.writer is not None:
            self.writer.close()
        write_json(self.path("summary.json"), summary)
        save_figure(curve_figure(summary["history"]), self.path("curve.png"))
