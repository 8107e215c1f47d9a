"""The level of the sound, as a bar of characters."""

from __future__ import annotations

import math

import numpy as np
from rich.text import Text

from speech_lstm.config import SAMPLE_RATE

FLOOR_DB = -60.0  # the left end of the meter, about the level of a quiet room
HOT_DB = -12.0  # speech whose peaks come near full scale is about to clip
CLIPPED = 0.999  # of full scale
HOLD_SECONDS = 1.5  # that a peak stays before it falls
FALL_DB = 20.0  # per second
EIGHTHS = " ▏▎▍▌▋▊▉"


class Meter:
    """The level of the sound in dB relative to full scale, and a peak that is held and then falls."""

    def __init__(self) -> None:
        self.level = self.peak = -math.inf
        self.clipped = False
        self._peak_age = math.inf  # seconds

    def update(self, block: np.ndarray) -> None:
        """Take in a block, 1-D float32 at 16 kHz."""
        seconds = len(block) / SAMPLE_RATE
        highest = float(np.abs(block).max(initial=0.0))
        self.level = _decibels(float(np.sqrt(np.mean(np.square(block, dtype=np.float64)))))
        self._peak_age += seconds
        if self._peak_age > HOLD_SECONDS:
            self.peak -= FALL_DB * seconds
            self.clipped = False
        if _decibels(highest) >= self.peak:
            self.peak, self._peak_age = _decibels(highest), 0.0
            self.clipped = highest >= CLIPPED

    def rows(self, width: int, ascii_only: bool) -> list[Text]:
        """The meter and its scale."""
        figures = f" {_figure(self.level)} dBFS  peak {_figure(self.peak)}"
        room = max(8, width - len(figures) - 5)  # the last: " CLIP"
        filled = draw_bar(_position(self.level), room, ascii_only).rstrip()
        bar = Text(filled, "green").append(("-" if ascii_only else "─") * (room - len(filled)), "dim")
        column = min(room - 1, int(_position(self.peak) * room))
        if self.peak > FLOOR_DB:
            mark = Text("|" if ascii_only else "┃", "bold red" if self.peak > HOT_DB else "bold yellow")
            bar = Text.assemble(bar[:column], mark, bar[column + 1 :])
        bar.append(figures)
        bar.append(" CLIP" if self.clipped else "     ", "bold red reverse" if self.clipped else "")
        step = 10 if room >= 36 else 20
        scale = [" "] * (room + 4)
        for decibels in range(int(FLOOR_DB), 1, step):
            for column, letter in enumerate(str(decibels), round(_position(decibels) * (room - 1))):
                scale[column] = letter
        return [bar, Text("".join(scale), "dim")]


def draw_bar(fraction: float, width: int, ascii_only: bool = False) -> str:
    """A bar of `width` characters of which `fraction` (cut to 0..1) is filled, in steps of an eighth."""
    fraction = min(1.0, max(0.0, fraction))
    if ascii_only:
        return ("#" * round(fraction * width)).ljust(width)
    full, part = divmod(round(fraction * width * 8), 8)
    return ("█" * full + (EIGHTHS[part] if part else "")).ljust(width)


def _position(decibels: float) -> float:
    """Where on the meter a level lies, 0 to 1."""
    return min(1.0, max(0.0, 1.0 - decibels / FLOOR_DB))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _figure(decibels: float) -> str:
    """Three characters, such as "-23", " -9" or, for no sound at all, "  -"."""
    return f"{round(decibels):3}" if decibels > -99.5 else "  -"
