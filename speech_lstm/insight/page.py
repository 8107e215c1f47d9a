"""One HTML file that plays a recording and shows every gate, memory and output.

It contains everything: sound, numbers, drawings, style and script (template/). It works offline.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.wav_file import wav_bytes
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.files import atomic_path, to_json
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import FACTOR, THICKEST, THINNEST, subject_of, template
from speech_lstm.insight.gate_figure import SHOWN, clear_labels, label_colours
from speech_lstm.insight.influence import OCCLUDED_SECONDS, ablation, intervention
from speech_lstm.insight.inside import Inside, LayerTrace
from speech_lstm.insight.sheet import COLOURS
from speech_lstm.progress import Bar
from speech_lstm.report.plotting import SHARES, SIGNED, VERMILION, symmetric

if TYPE_CHECKING:
    from speech_lstm.insight.summary import Summary
    from speech_lstm.model.torch_model import TorchModel

SCRIPTS = ("numbers.js", "maps.js", "page.js", "answer.js", "controls.js")
BY_HAND = (0, 1)  # the values that a gate can be set to


def write_page(
    model: TorchModel,
    names: Sequence[str],
    summaries: Sequence[Summary],
    path: str | os.PathLike[str],
    gates: Sequence[str] = (),
    order: str = "index",
) -> None:
    """Write the page of one recording, or of several side by side, each with its name.

    It opens with the layer and direction of the summaries, the first of `gates` and the units in `order` (see
    `Summary.order`); the reader can choose all others. The answers for every gate set to 0 and to 1, for each unit
    alone and for all, take seconds of computing. Raises OutputError if the file cannot be written.
    """
    drawings: list[str] = []
    with atomic_path(path) as temporary:
        traces = [trace for summary in summaries for trace in summary.inside.traces]
        steps = sum(1 + len(BY_HAND) * len(trace.gates) for trace in traces)
        with Bar(total=steps, desc="setting gates") as bar:
            recordings = [
                recording_of(model, name, summary, drawings, bar.update)
                for name, summary in zip(names, summaries, strict=True)
            ]
        start = start_of(summaries[0]) | {"order": order} | ({"gate": gates[0]} if gates else {})
        lines = label_colours([summary.inside for summary in summaries])
        text = fill(model, recordings, drawings, lines, start)
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def fill(
    model: TorchModel,
    recordings: list[dict[str, Any]],
    drawings: Sequence[str],
    lines: dict[int, str],
    start: dict[str, Any],
) -> str:
    """The template, filled in."""
    data = {
        "labels": model.labels,
        "features": "MFCC" if model.features.kind == "mfcc" else "log-mel",
        "recordings": recordings,
        "lines": lines,
        "start": start,
        "colours": {"shares": colour_map(SHARES), "signed": colour_map(SIGNED)},
        "tints": {word: line for word, (line, _) in COLOURS.items()},
        "gradient": VERMILION,
        "factor": FACTOR.pattern,
        "thinnest": THINNEST,
        "thickest": THICKEST,
    }
    folder = files("speech_lstm.insight") / "template"
    answers = ", ".join(f"“{recording['answer']}”" for recording in recordings)
    places = {
        "title": f"Inside the network: {escape(answers)}",
        "style": (folder / "page.css").read_text("utf-8"),
        "drawings": "\n".join(drawings),
        # An escaped < cannot end the script element that contains the JSON.
        "data": to_json(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS),
    }
    page = (folder / "page.html").read_text("utf-8")
    return re.sub("<!--(" + "|".join(places) + ")-->", lambda match: places[match[1]], page)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def start_of(summary: Summary) -> dict[str, Any]:
    """What the page shows first: the unit that the answer needs most, at its largest output."""
    trace = summary.trace
    unit = summary.most_needed
    return {
        "layer": trace.layer,
        "direction": trace.direction,
        "gate": trace.cell.keeps.removeprefix("1-") or trace.state[0],
        "unit": unit,
        "frame": int(np.abs(trace[trace.state[0]][:, unit]).argmax()),
    }


def recording_of(
    model: TorchModel, name: str, summary: Summary, drawings: list[str], advance: Callable[[], object]
) -> dict[str, Any]:
    """The page's data of one recording; the drawings of its cells are added to `drawings`."""
    inside = summary.inside
    return {
        "name": name,
        "start": inside.start,
        "seconds": len(inside.waveform) / SAMPLE_RATE,
        "hop": inside.config.hop / SAMPLE_RATE,
        "times": (inside.times - inside.start).tolist(),
        "answer": inside.answer.label,
        "probability": inside.answer.probability,
        "scores": [inside.answer.scores[label] for label in inside.labels],
        "audio": sound(inside.waveform),
        "features": pack(inside.normalised),
        "largestFeature": symmetric([inside.normalised])[1],
        "posteriors": pack(inside.posteriors),
        "clear": clear_labels(inside)[:SHOWN],
        "hidden": OCCLUDED_SECONDS,
        "needed": summary.occlusion.tolist(),
        "gradient": summary.gradient.tolist(),
        "traces": [trace_of(model, summary, trace, drawings, advance) for trace in inside.traces],
    }


def trace_of(
    model: TorchModel, summary: Summary, trace: LayerTrace, drawings: list[str], advance: Callable[[], object]
) -> dict[str, Any]:
    """The page's data of one layer in one direction, which may be other than the summary's."""
    inside = summary.inside
    parts, lives = contributions(model, inside, trace), trace.half_lives(inside.config.hop_ms / 1000)
    drawing, subject = template(trace, parts), subject_of(trace, parts)
    if drawing not in drawings:
        drawings.append(drawing)
    drops = summary.drops if trace is summary.trace else ablation(model, inside, trace)
    advance()
    return {
        "layer": trace.layer,
        "direction": trace.direction,
        "cell": trace.cell.title,
        "equations": trace.cell.equations,
        "drawing": drawings.index(drawing),
        "internals": trace.internals,
        "gates": trace.gates,
        "state": trace.state,
        "roles": {value: trace.role(value) for value in trace.values},
        "values": {value: pack(array) for value, array in trace.values.items()},
        "parts": {gate: {part: pack(array) for part, array in terms.items()} for gate, terms in parts.items()},
        "symbols": {part: subject.symbol(part) for terms in parts.values() for part in terms},
        "activation": subject.activation,
        "lives": None if lives is None else lives.tolist(),
        "active": np.abs(trace[trace.state[0]]).argmax(0).tolist(),
        "drops": drops.tolist(),
        "interventions": dict(interventions(model, inside, trace, advance)),
    }


def interventions(
    model: TorchModel, inside: Inside, trace: LayerTrace, advance: Callable[[], object]
) -> Iterator[tuple[str, dict[int, dict[str, Any]]]]:
    """Each gate with the posteriors when it is 0 and when it is 1: a row for each unit alone, the last for all."""
    for gate in trace.gates:
        answers = {}
        for to in BY_HAND:
            answers[to] = pack(intervention(model, inside, trace, gate, to))
            advance()
        yield gate, answers


def pack(array: NDArray[Any]) -> dict[str, Any]:
    """An array [rows, columns] as little-endian float32 in base64; of equal rows only the first."""
    rows = array[:1] if (array == array[:1]).all() else array
    data = base64.b64encode(np.ascontiguousarray(rows, dtype="<f4").tobytes()).decode("ascii")
    return {"shape": rows.shape, "data": data}


def sound(waveform: NDArray[np.float32]) -> str:
    """A waveform as a 16-bit WAV file in base64."""
    return base64.b64encode(wav_bytes(waveform)).decode("ascii")


def colour_map(name: str) -> str:
    """256 colours of one of matplotlib's maps, from its low end to its high one: bytes red, green, blue in base64."""
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256))[:, :3]
    return base64.b64encode(np.round(255 * colours).astype(np.uint8).tobytes()).decode("ascii")
