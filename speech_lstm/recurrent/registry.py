"""Cells by their names: those of this package, of installed packages and of plugins."""

from __future__ import annotations

import speech_lstm.recurrent.cells  # noqa: F401  (registers the cells of this package)
from speech_lstm.errors import ConfigError, brief, nearest
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
    return registered(name, notes)


def cell_of_file(name: str) -> type[Cell]:
    """The cell that a model file names. Of all installed entry points only the one of that name is imported: a file
    must not decide what code runs. Raises UnknownCellError."""
    notes = load_installed(name) if name not in CELLS else []
    return registered(name, notes)


def registered(name: str, notes: list[str]) -> type[Cell]:
    """The cell of this name if it is registered; raises UnknownCellError, which names the notes too."""
    if name in CELLS:
        return CELLS[name]
    hint = " ".join(filter(None, (nearest(name, CELLS), f"known are {', '.join(CELLS)}")))
    advice = "; ".join([f"for one of your own, {HELP}", *notes])
    raise UnknownCellError(f"unknown cell {brief(name)}; {hint}", advice)
