"""Cells by their names: those of this package, of installed packages and of plugins."""

from __future__ import annotations

import difflib

import speech_lstm.recurrent.cells  # noqa: F401  (registers the cells of this package)
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import CELLS, Cell
from speech_lstm.recurrent.plugins import HELP, load_installed


class UnknownCellError(ConfigError):
    """The name of a cell that is not registered; `advice` says how to load one."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.advice = advice


def find_cell(name: str) -> type[Cell]:
    """The cell of this name, of this package or an installed one.

    Raises UnknownCellError, with the nearest and all known names, if there is none.
    """
    notes = load_installed() if name not in CELLS else []
    if name in CELLS:
        return CELLS[name]
    near = difflib.get_close_matches(name.lower(), CELLS, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    advice = "; ".join([f"for one of your own, {HELP}", *notes])
    raise UnknownCellError(f"unknown cell {name!r}; {hint}known are {', '.join(CELLS)}", advice)
