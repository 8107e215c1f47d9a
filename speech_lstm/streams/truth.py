"""The truth that a detector is measured against, as CSV: what is said in a long recording, and when."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import InputError, read_text

COLUMNS = ("word", "start", "end", "snr_db", "file")
DELIMITERS = ",;\t"


class TruthError(SpeechLSTMError):
    """A file that is not a valid truth of a recording."""


@dataclass(frozen=True)
class Event:
    """A word, other speech or a stretch without speech, from `start` to `end`, in seconds.

    `word` is the word, `_unknown_` for other speech or `_silence_` for a stretch without speech. `end` and `snr_db`
    are None where the truth does not have them; `file` is the recording that the event came from, or empty.
    """

    word: str
    start: float
    end: float | None = None
    snr_db: float | None = None
    file: str = ""

    def later(self, seconds: float) -> Event:
        """The same event in a stream that begins so many seconds earlier."""
        return replace(self, start=self.start + seconds, end=None if self.end is None else self.end + seconds)


def write_truth(file: TextIO, events: Iterable[Event]) -> None:
    """Write events as CSV with a head and a row each; times are exact to less than a sample."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events:
        end = "" if event.end is None else f"{event.end:.5f}"
        snr = "" if event.snr_db is None else f"{event.snr_db:.2f}"
        writer.writerow((event.word, f"{event.start:.5f}", end, snr, event.file))


def read_truth(path: Path) -> tuple[Event, ...]:
    """The events of a truth file by start; raises TruthError, in one line.

    It is CSV with commas, semicolons or tabs and a head that names the columns: `word`, `start` (seconds) and, where
    known, `end`, `snr_db` and `file`. Labels exported from Audacity (start, end and word, no head) are read too.
    """
    rows = read_rows(path)
    if not rows:
        raise TruthError(f"{path}: is empty; a truth file has a row for each word, with word and start")
    if is_label_track(rows[0][1]):
        head, body = ["start", "end", "word"], rows
    else:
        head, body = [name.strip().lower() for name in rows[0][1]], rows[1:]
    for column in ("word", "start"):
        if column not in head:
            raise TruthError(
                f"{path}: has no column {column!r}; its first line must name the columns, such as word,start"
            )
    events = [event_of(path, number, dict(zip(head, cells, strict=False))) for number, cells in body]
    return tuple(sorted(events, key=lambda event: event.start))


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, each with the number of its line."""
    try:
        text = read_text(path)
    except InputError as error:
        raise TruthError(f"{error}; a truth file is CSV with the columns word and start") from None
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(DELIMITERS, key=first.count), strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not cells[0].startswith("\\"):  # Audacity's frequencies
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise TruthError(f"{path}: line {reader.line_num} is not CSV ({error})") from None
    return rows


def is_label_track(cells: Sequence[str]) -> bool:
    """Whether a row is one of Audacity's labels: two times and a text."""
    try:
        return len(cells) == 3 and math.isfinite(float(cells[0]) + float(cells[1]))
    except ValueError:
        return False


def event_of(path: Path, line: int, cells: dict[str, str]) -> Event:
    """The event of one row."""
    prefix = f"{path}: line {line}"

    def number(column: str) -> float | None:
        text = (cells.get(column) or "").strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise TruthError(f"{prefix}: {column} is {text!r}; it must be a number")
        return value

    word, start, end = (cells.get("word") or "").strip(), number("start"), number("end")
    if not word or start is None:
        raise TruthError(f"{prefix}: has no {'start' if word else 'word'}; each row needs both")
    if start < 0:
        raise TruthError(f"{prefix}: start is {start:g}; it must be seconds from 0 up")
    if end is not None and end < start:
        raise TruthError(f"{prefix}: ends at {end:g} s, before its start at {start:g} s")
    return Event(word, start, end, number("snr_db"), (cells.get("file") or "").strip())
