"""The output of `speech-lstm gates`: a figure, arrays or numbers, by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import find_clip
from speech_lstm.audio.recording import stream_recording
from speech_lstm.audio.sources import source_name
from speech_lstm.errors import ConfigError, RecordingError, printable
from speech_lstm.files import OutputError, atomic_path, write_json
from speech_lstm.insight.inside import look_inside
from speech_lstm.insight.summary import Summary, summarise
from speech_lstm.progress import Bar

if TYPE_CHECKING:
    from speech_lstm.model.torch_model import TorchModel
    from speech_lstm.report.czech import Language


@dataclass(frozen=True)
class View:
    """One recording, or several side by side, in one layer and direction."""

    model: TorchModel
    recordings: tuple[str, ...]  # as on the command line
    summaries: tuple[Summary, ...]
    gates: tuple[str, ...]  # gates, candidates and parts of the state to show; all if empty
    order: str  # of the units, see `Summary.order`
    language: Language = "en"  # of the words in figures

    @property
    def names(self) -> list[str]:
        """The names of the recordings in titles."""
        return [recording_title(recording) for recording in self.recordings]

    def table(self) -> str:
        """The numbers for people."""
        parts = [
            f"{name}\n{summary.table()}" if len(self.names) > 1 else summary.table()
            for name, summary in zip(self.names, self.summaries, strict=True)
        ]
        return "\n\n".join(parts)

    def write(self, path: Path) -> None:
        """Write a file of the kind of its suffix; raises OutputError."""
        writer_of(path)(self, path)

    def write_figure(self, path: Path) -> None:
        from speech_lstm.insight.gate_figure import gate_figure
        from speech_lstm.report.figure_language import in_language
        from speech_lstm.report.plotting import save_figure

        figure = gate_figure(self.names, self.summaries, self.gates, self.order)
        save_figure(in_language(figure, self.language), path)

    def write_diagram(self, path: Path, unit: int | None, time: float | None) -> tuple[int, float]:
        """Draw the cell with the numbers of one unit and moment of the first recording; returns both."""
        from speech_lstm.insight.diagram import write_diagram

        return write_diagram(self.model, self.names[0], self.summaries[0], path, unit, time, self.language)

    def write_numbers(self, path: Path) -> None:
        numbers: list[dict[str, Any]] = [
            {"file": recording, **summary.to_dict()}
            for recording, summary in zip(self.recordings, self.summaries, strict=True)
        ]
        write_json(path, numbers)

    def write_arrays(self, path: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        for number, summary in enumerate(self.summaries, 1):
            prefix = f"recording{number}." if len(self.summaries) > 1 else ""
            arrays |= {f"{prefix}{name}": array for name, array in summary.inside.arrays().items()}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)


WRITERS: dict[str, Callable[[View, Path], None]] = {
    ".png": View.write_figure,
    ".svg": View.write_figure,
    ".pdf": View.write_figure,
    ".json": View.write_numbers,
    ".npz": View.write_arrays,
}


PAGE = ".html"  # the suffix of a page, which `web.gates_page` writes


def writer_of(path: Path) -> Callable[[View, Path], None]:
    """The method that writes a file of this suffix; raises OutputError for an unknown suffix."""
    if path.suffix.lower() not in WRITERS:
        raise OutputError(f"{path}: the suffix selects what to write; choose one of {', '.join([*WRITERS, PAGE])}")
    return WRITERS[path.suffix.lower()]


def check_places(files: Sequence[Path], diagram: Path | None) -> None:
    """Raise OutputError for a file with an unknown suffix."""
    for path in files:
        if path.suffix.lower() != PAGE:
            writer_of(path)
    if diagram and diagram.suffix.lower() != ".svg":
        raise OutputError(f"{diagram}: a diagram is always SVG; name a file that ends in .svg")


def check_recordings(recordings: Sequence[str]) -> None:
    """Raise ConfigError if there is none, RecordingError if standard input is named twice."""
    if not recordings:
        raise ConfigError("no recording to look into; name one, or give --cell-equation alone")
    if recordings.count("-") > 1:
        raise RecordingError("standard input (-) can be read only once; name it once")


def look(
    model: TorchModel,
    recordings: Sequence[str],
    layer: int,
    direction: str,
    start: float | None,
    gates: tuple[str, ...],
    order: str,
    language: Language = "en",
) -> View:
    """Look into the network while it reads each of the recordings.

    Raises RecordingError for one that cannot be read, and ConfigError for a layer, direction, gate or order that does
    not exist.
    """
    summaries = []
    for recording in Bar(recordings, desc="looking inside", disable=len(recordings) == 1):
        inside = look_inside(model, *find_clip(stream_recording(recording), start))
        trace = inside.trace(layer, direction)
        for gate in gates:
            trace[gate]  # raises ConfigError for an unknown one
        summary = summarise(model, inside, trace)
        summary.order(order)
        summaries.append(summary)
    return View(model, tuple(recordings), tuple(summaries), gates, order, language)


def recording_title(recording: str) -> str:
    """The name of a recording for a title, with its folder, which in a corpus is the word."""
    return source_name(recording) if recording == "-" else printable("/".join(Path(recording).parts[-2:]))
