"""Progress of long work: a bar in a terminal, now and then a line in a file or a pipe."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

DELAY = 2.0  # seconds before a bar appears
PERIOD = 60.0  # seconds from line to line
COUNT = "{desc}: {percentage:.0f} %, {n_fmt} of {total_fmt}{unit}, {elapsed} passed, {remaining} left{postfix}"
ENDLESS = "{desc}: {n_fmt}{unit}, {elapsed} passed{postfix}"  # without a total


class Bar(tqdm):
    """tqdm's bar, for work of more than two seconds. Elsewhere than in a terminal it is a line a minute.

    The last line is that of the end, unless the work took less than a minute.
    """

    disable = True  # until it is made: Ctrl-C may come before

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.drawn = (named.get("file") or sys.stderr).isatty()
        self.line_time, self.lines = time.monotonic(), 0
        super().__init__(*arguments, **{"delay": DELAY} | named)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.drawn:
            super().display(msg, pos)
        elif time.monotonic() - self.line_time >= PERIOD:
            self.print_line()

    def clear(self, nolock: bool = False) -> None:
        if not self.disable and self.drawn:
            super().clear(nolock)

    def close(self) -> None:
        if not self.disable and not self.drawn:
            if self.lines:
                self.print_line()
            self.sp = None  # tqdm has nothing to draw
        super().close()

    def print_line(self) -> None:
        """Print how far the work is."""
        self.line_time, self.lines = time.monotonic(), self.lines + 1
        values = self.format_dict
        unit = values["unit"] if len(values["unit"]) == 1 else f"{values['unit']}s"  # no plural of a symbol: s, B
        values |= {
            "prefix": values["prefix"].removesuffix(": "),
            "unit": unit if values["unit_scale"] else f" {unit}",
            "bar_format": COUNT if self.total else ENDLESS,
        }
        self.fp.write(self.format_meter(**values).strip() + "\n")
        self.fp.flush()
