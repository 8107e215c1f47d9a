"""The last seconds as a spectrogram of a few lines of characters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from speech_lstm.audio.mel import mel_bands
from speech_lstm.config import SAMPLE_RATE

COLUMN_MS = 50.0
COLUMN = round(COLUMN_MS * SAMPLE_RATE / 1000)  # samples
BANDS = 16  # mel bands; two in a line of coloured characters
LOW_HZ, HIGH_HZ = 100.0, 7000.0  # from the lower edge of the first to the upper edge of the last
FFT = 1024  # samples of a transform
LOG_OFFSET = 1e-6  # added to the power before the logarithm: 16-bit quantisation noise lies about here
COLUMNS = 400  # that are remembered, more than a terminal is wide
RANGE = 9.0  # from the darkest to the brightest, natural logarithm of power: 39 dB
FAINTEST = -1.0  # the brightest is at least this, so that a silent room stays dark
SHADES = " ░▒▓█"
ASCII_SHADES = " .:*#"
# Of the usual 256, from black through purple and orange to white, ever brighter: read without telling hues apart.
COLOURS = (16, 53, 89, 125, 161, 203, 209, 215, 222, 230)


class Strip:
    """Hears blocks of any size; `lines` draws what was heard last, the newest at the right."""

    def __init__(self) -> None:
        self.window, self.bands = np.hanning(COLUMN + 1)[:-1], mel_bands(LOW_HZ, HIGH_HZ, BANDS, FFT)
        self.waiting = np.zeros(0, np.float32)
        self.columns: deque[NDArray[np.float32]] = deque(maxlen=COLUMNS)

    def hear(self, block: NDArray[np.float32]) -> None:
        """Take in a block, 1-D float32 at 16 kHz."""
        self.waiting = np.concatenate([self.waiting, block])
        length = len(self.waiting) // COLUMN * COLUMN
        if length:
            spectra = np.fft.rfft(self.waiting[:length].reshape(-1, COLUMN) * self.window, FFT)
            power = spectra.real**2 + spectra.imag**2
            self.columns.extend(np.log(power @ self.bands + LOG_OFFSET).astype(np.float32))
            self.waiting = self.waiting[length:]

    def place(self, seconds_ago: float, width: int) -> int:
        """In which of `width` columns that moment lies; below 0 it is out of sight."""
        return width - 1 - int((seconds_ago - len(self.waiting) / SAMPLE_RATE) * 1000 / COLUMN_MS)

    def brightness(self, width: int, rows: int) -> NDArray[np.float64]:
        """Float [rows, width] in 0..1, the highest frequencies first."""
        shown = list(self.columns)[-width:]
        bands = np.full((BANDS, width), -np.inf)
        if shown:
            bands[:, width - len(shown) :] = np.stack(shown, axis=1)
        pooled = bands[::-1].reshape(rows, BANDS // rows, width).max(1)
        brightest = max(FAINTEST, float(pooled.max()))
        return np.clip(1 + (pooled - brightest) / RANGE, 0, 1)

    def lines(self, width: int, height: int, coloured: bool, ascii_only: bool) -> Iterator[list[Segment]]:
        """The picture, `height` lines of `width` characters; `height` is a power of two up to BANDS / 2."""
        if coloured and not ascii_only:
            steps = np.rint(self.brightness(width, 2 * height) * (len(COLOURS) - 1)).astype(int)
            for upper, lower in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True):
                runs = groupby(zip(upper, lower, strict=True))
                yield [Segment("▀" * len(list(run)), two_colours(*colours)) for colours, run in runs]
        else:
            shades = ASCII_SHADES if ascii_only else SHADES
            steps = np.rint(self.brightness(width, height) * (len(shades) - 1)).astype(int)
            for row in steps.tolist():
                yield [Segment("".join(shades[step] for step in row))]


@cache
def two_colours(above: int, below: int) -> Style:
    """Of a character whose upper half has one colour and whose lower half has the other."""
    return Style.from_color(Color.from_ansi(COLOURS[above]), Color.from_ansi(COLOURS[below]))
