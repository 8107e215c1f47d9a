"""Recordings that a file names, one in a line, so that they are not trained on."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from speech_lstm.errors import ConfigError, printable
from speech_lstm.files import InputError, read_text

HEAD = "recording"  # the first column of a CSV file, as its head names it


def left_out_names(path: Path, known: Collection[str]) -> set[str]:
    """The recordings that a file names; raises ConfigError, in one line, unless all of them are `known`."""
    lines = named_recordings(path)
    if unknown := [(line, name) for line, name in lines if name not in known]:
        line, name = unknown[0]
        count = f"; {len(unknown):,} of its {len(lines):,} lines do" if len(unknown) > 1 else ""
        raise ConfigError(
            f"leave_out: {path}, line {line}, names {printable(repr(name), 200)}, which is no recording of the "
            f"corpus or of an extra folder{count}; correct or remove it"
        )
    return {name for _, name in lines}


def named_recordings(path: Path) -> list[tuple[int, str]]:
    """The recordings in a file, each with the number of its line, with forward slashes; raises ConfigError.

    Blank lines and those that begin with # are skipped. If the first of the others is the head of a CSV file whose
    first column is `recording`, the names are in that column.
    """
    try:
        text = read_text(path, errors="surrogateescape")
    except InputError as error:
        raise ConfigError(f"leave_out: {error}") from None
    stripped = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    lines = [(number, line) for number, line in stripped if line and not line.startswith("#")]
    if lines and first_cell(path, *lines[0]) == HEAD:
        lines = [(number, first_cell(path, number, line)) for number, line in lines[1:]]
    return [(number, str(PurePosixPath(name.replace("\\", "/")))) for number, name in lines]


def first_cell(path: Path, number: int, line: str) -> str:
    """The first cell of a line of CSV."""
    try:
        return next(csv.reader([line]))[0]
    except csv.Error as error:
        raise ConfigError(f"leave_out: {path}, line {number}, is not CSV ({error})") from None
