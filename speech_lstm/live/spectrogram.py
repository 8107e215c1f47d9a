"""The last seconds as a spectrogram of a few lines of characters."""

from __future__ import annotations

from collections import deque
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

from speech_lstm.audio.mel import mel_bands
from speech_lstm.config import SAMPLE_RATE

COLUMN_MS = 50.0
COLUMN = round(COLUMN_MS * SAMPLE_RATE / 1000)  # samples
BANDS = 16  # mel bands; two in a line of coloured characters
LOW_HZ, HIGH_HZ = 100.0, 7000.0  # from the lower edge of the first to the upper edge of the last
FFT = 1024  # samples of a transform
LOG_OFFSET = 1e-6  # added to the power before the logarithm: 16-bit quantisation noise lies about here
COLUMNS = 400  # kept, more than a terminal is wide
RANGE = 9.0  # from the darkest to the brightest, natural logarithm of power: 39 dB
FAINTEST = -1.0  # the brightest is at least this, so a silent room stays dark
SHADES = " ░▒▓█"
ASCII_SHADES = " .:*#"
# Of the usual 256, from black through purple and orange to white, each brighter than the last: readable in any hue.
COLOURS = (16, 53, 89, 125, 161, 203, 209, 215, 222, 230)


class TerminalSpectrogram:
    """Call `update` with blocks of any size; `lines` draws the last seconds of them, the newest at the right."""

    def __init__(self) -> None:
        self.window, self.bands = np.hanning(COLUMN + 1)[:-1], mel_bands(LOW_HZ, HIGH_HZ, BANDS, FFT)
        self.waiting = np.zeros(0, np.float32)  # samples that do not yet fill a column
        self.columns: deque[NDArray[np.float32]] = deque(maxlen=COLUMNS)

    def update(self, block: NDArray[np.float32]) -> None:
        """Take in a block, 1-D float32 at 16 kHz."""
        self.waiting = np.concatenate([self.waiting, block])
        length = len(self.waiting) // COLUMN * COLUMN
        if length:
            spectra = np.fft.rfft(self.waiting[:length].reshape(-1, COLUMN) * self.window, FFT)
            power = spectra.real**2 + spectra.imag**2
            self.columns.extend(np.log(power @ self.bands + LOG_OFFSET).astype(np.float32))
            self.waiting = self.waiting[length:]

    def column(self, seconds_ago: float, width: int) -> int:
        """The column, of `width`, in which that moment lies; below 0 where it is out of sight."""
        return width - 1 - int((seconds_ago - len(self.waiting) / SAMPLE_RATE) * 1000 / COLUMN_MS)

    def brightness(self, width: int, rows: int) -> NDArray[np.float64]:
        """float64 [rows, width] in 0..1, the highest frequencies first."""
        columns = list(self.columns)[-width:]
        bands = np.full((BANDS, width), -np.inf)
        if columns:
            bands[:, width - len(columns) :] = np.stack(columns, axis=1)
        pooled = bands[::-1].reshape(rows, BANDS // rows, width).max(1)
        brightest = max(FAINTEST, float(pooled.max()))
        return np.clip(1 + (pooled - brightest) / RANGE, 0, 1)

    def lines(self, width: int, height: int, coloured: bool, ascii_only: bool) -> list[Text]:
        """The picture, `height` lines of `width` characters; `height` is a power of two up to BANDS / 2."""
        if not coloured or ascii_only:
            shades = ASCII_SHADES if ascii_only else SHADES
            steps = np.rint(self.brightness(width, height) * (len(shades) - 1)).astype(int)
            return [Text("".join(shades[step] for step in row)) for row in steps.tolist()]
        steps = np.rint(self.brightness(width, 2 * height) * (len(COLOURS) - 1)).astype(int)
        lines = []
        for upper, lower in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True):
            runs = groupby(zip(upper, lower, strict=True))
            lines.append(Text.assemble(*(("▀" * len(list(run)), two_colours(*colours)) for colours, run in runs)))
        return lines


@cache
def two_colours(above: int, below: int) -> Style:
    """The style of a ▀ whose upper half has one of COLOURS and whose lower half another."""
    return Style.from_color(Color.from_ansi(COLOURS[above]), Color.from_ansi(COLOURS[below]))
