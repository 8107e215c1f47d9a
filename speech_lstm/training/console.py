"""What a run prints: lines for people, and a progress bar below them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from speech_lstm.errors import printable

logger = logging.getLogger(__name__)


class ProgressBar:
    """The steps of a run, with clips a second and the time left."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.clips, self.start = 0, time.perf_counter()

    def step(self, epoch: int, loss: float, clips: int) -> None:
        """Count one more step, of this many clips."""
        self.clips += clips
        rate = self.clips / (time.perf_counter() - self.start)
        self.bar.set_description(f"epoch {epoch + 1}", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} clips/s", refresh=False)
        self.bar.update(1)


class Console:
    """The printer of a run, which also logs its lines; a `quiet` one prints nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Print a line above the progress bar, and log it."""
        logger.info("%s", printable(text))
        if not self.quiet:
            from speech_lstm.progress import Bar

            Bar.write(printable(text))
            sys.stdout.flush()  # a log of a night is read while it is written

    @contextmanager
    def bar(self, steps: int, done: int) -> Iterator[ProgressBar]:
        """Show the progress of a run while the block lasts; `done` of `steps` are finished."""
        from speech_lstm.progress import Bar

        with Bar(total=steps, initial=done, unit="step", disable=self.quiet, smoothing=0.05, delay=0) as bar:
            yield ProgressBar(bar)

    def epoch(self, entry: dict[str, float], better: bool) -> None:
        """Print the line of an epoch."""
        self.say(
            f"epoch {entry['epoch']:3d}  loss {entry['train_loss']:.4f}  validation loss "
            f"{entry['validation_loss']:.4f}  accuracy {100 * entry['validation_accuracy']:.2f} %"
            f"  {entry['clips_per_second']:,.0f} clips/s{'  best so far' if better else ''}"
        )
