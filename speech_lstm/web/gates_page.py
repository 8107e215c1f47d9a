"""The page that `speech-lstm gates` writes: one file with the model and the recordings."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from speech_lstm.files import atomic_path
from speech_lstm.insight.summary import Summary
from speech_lstm.insight.views import View
from speech_lstm.web.one_file import one_file
from speech_lstm.web.pack import pack
from speech_lstm.web.site import PackedModel

NAME = "model"  # in the page


def write_page(view: View, path: str | os.PathLike[str]) -> None:
    """Write the page of a view, with the weights of its model in float32.

    Raises OutputError if the file cannot be written, and ConfigError for a cell that the page cannot compute.
    """
    with atomic_path(path) as temporary:
        model = PackedModel(NAME, NAME, pack(view.model.model, NAME, "float32"))
        recordings = [
            (name, summary.inside.waveform, summary.inside.start)
            for name, summary in zip(view.names, view.summaries, strict=True)
        ]
        choices = {"order": view.order, "language": view.language}
        text = one_file(model, recordings, start_of(view.summaries[0]) | choices | gate_of(view))
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def start_of(summary: Summary) -> dict[str, Any]:
    """What the page shows first: the unit that the answer needs most, at its largest output."""
    trace, unit = summary.trace, summary.most_needed
    frame = int(np.abs(trace[trace.state[0]][:, unit]).argmax())
    return {"layer": trace.layer, "direction": trace.direction, "unit": unit, "frame": frame}


def gate_of(view: View) -> dict[str, str]:
    """The gate of the large map: the first that was asked for, or the one that keeps the memory."""
    cell = view.summaries[0].trace.cell
    gate = view.gates[0] if view.gates else cell.keeps.removeprefix("1-")
    return {"gate": gate or cell.state[0]}
