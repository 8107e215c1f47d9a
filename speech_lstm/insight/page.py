"""One HTML file in which a recording is played and every gate, memory and output can be looked at.

It holds everything: sound, numbers, drawings, style and script (template/). It opens without a network.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.files import atomic_path, plain
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import THICKEST, THINNEST, subject_of, template
from speech_lstm.insight.gate_figure import SHARES, SHOWN, SIGNED, clear_labels, label_colours, symmetric
from speech_lstm.insight.influence import OCCLUDED_SECONDS, ablation, forced
from speech_lstm.insight.inside import Inside, LayerTrace
from speech_lstm.insight.sheet import COLOURS

if TYPE_CHECKING:
    from speech_lstm.insight.summary import Summary
    from speech_lstm.model.torch_model import TorchModel

SCRIPTS = ("numbers.js", "maps.js", "page.js", "answer.js", "controls.js")
BY_HAND = (0, 1)  # what a gate can be set to


def write_page(
    model: TorchModel,
    names: Sequence[str],
    summaries: Sequence[Summary],
    path: str | os.PathLike[str],
    gates: Sequence[str] = (),
    order: str = "index",
) -> None:
    """Write the page of one recording, or of several side by side, each under its name.

    It begins with the layer and direction of the summaries, the first of `gates` and the units in `order`, see
    `Summary.order`; all the others can be chosen in it. Every gate is set to 0 and to 1 by hand, for each unit alone
    and for all: seconds of computing. Raises OutputError where the file can't be written.
    """
    drawings: list[str] = []
    with atomic_path(path) as temporary:
        traces = [trace for summary in summaries for trace in summary.inside.traces]
        steps = sum(1 + len(BY_HAND) * len(trace.gates) for trace in traces)
        with tqdm(total=steps, desc="gates set by hand", delay=2) as bar:
            recordings = [
                recording_of(model, name, summary, drawings, bar.update)
                for name, summary in zip(names, summaries, strict=True)
            ]
        start = start_of(summaries[0]) | {"order": order} | ({"gate": gates[0]} if gates else {})
        lines = label_colours([summary.inside for summary in summaries])
        text = filled_in(model, recordings, drawings, lines, start)
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def filled_in(
    model: TorchModel,
    recordings: list[dict[str, Any]],
    drawings: Sequence[str],
    lines: dict[int, str],
    start: dict[str, Any],
) -> str:
    """The template with everything in its places."""
    data = {
        "labels": model.labels,
        "features": "MFCC" if model.features.kind == "mfcc" else "log-mel",
        "recordings": recordings,
        "lines": lines,
        "start": start,
        "colours": {"shares": colour_map(SHARES), "signed": colour_map(SIGNED)},
        "tints": {word: line for word, (line, _) in COLOURS.items()},
        "thinnest": THINNEST,
        "thickest": THICKEST,
    }
    folder = files("speech_lstm.insight") / "template"
    answers = ", ".join(f"“{recording['answer']}”" for recording in recordings)
    places = {
        "title": f"What the network heard: {escape(answers)}",
        "style": (folder / "page.css").read_text("utf-8"),
        "drawings": "\n".join(drawings),
        # Nothing in JSON ends the element that it stands in: < is written as its number.
        "data": json.dumps(plain(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "script": "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS),
    }
    page = (folder / "page.html").read_text("utf-8")
    return re.sub("<!--(" + "|".join(places) + ")-->", lambda match: places[match[1]], page)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def start_of(summary: Summary) -> dict[str, Any]:
    """What the page shows at first: the unit that the answer needs most, when its output is largest."""
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
    model: TorchModel, name: str, summary: Summary, drawings: list[str], done: Callable[[], object]
) -> dict[str, Any]:
    """What the page holds of one recording; its cells' drawings join `drawings`."""
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
        "features": packed(inside.normalised),
        "largestFeature": symmetric([inside.normalised])[1],
        "posteriors": packed(inside.posteriors),
        "clear": clear_labels(inside)[:SHOWN],
        "hidden": OCCLUDED_SECONDS,
        "needed": summary.occlusion.tolist(),
        "gradient": summary.gradient.tolist(),
        "traces": [trace_of(model, summary, trace, drawings, done) for trace in inside.traces],
    }


def trace_of(
    model: TorchModel, summary: Summary, trace: LayerTrace, drawings: list[str], done: Callable[[], object]
) -> dict[str, Any]:
    """What the page holds of one layer in one direction, be it that of the summary or another."""
    inside = summary.inside
    parts, lives = contributions(model, inside, trace), trace.half_lives(inside.config.hop_ms / 1000)
    drawing, subject = template(trace, parts), subject_of(trace, parts)
    if drawing not in drawings:
        drawings.append(drawing)
    drops = summary.drops if trace is summary.trace else ablation(model, inside, trace)
    done()
    return {
        "layer": trace.layer,
        "direction": trace.direction,
        "cell": trace.cell.title,
        "equations": trace.cell.equations,
        "drawing": drawings.index(drawing),
        "seen": trace.seen,
        "gates": trace.gates,
        "state": trace.state,
        "roles": {value: trace.role(value) for value in trace.values},
        "values": {value: packed(array) for value, array in trace.values.items()},
        "parts": {gate: {part: packed(array) for part, array in found.items()} for gate, found in parts.items()},
        "symbols": {part: subject.symbol(part) for found in parts.values() for part in found},
        "activation": subject.activation,
        "lives": None if lives is None else lives.tolist(),
        "active": np.abs(trace[trace.state[0]]).argmax(0).tolist(),
        "drops": drops.tolist(),
        "forced": dict(by_hand(model, inside, trace, done)),
    }


def by_hand(
    model: TorchModel, inside: Inside, trace: LayerTrace, done: Callable[[], object]
) -> Iterator[tuple[str, dict[int, dict[str, Any]]]]:
    """Each gate with the posteriors when it is 0 and when it is 1: a row for each unit alone, the last for all."""
    for gate in trace.gates:
        answers = {}
        for to in BY_HAND:
            answers[to] = packed(forced(model, inside, trace, gate, to))
            done()
        yield gate, answers


def packed(array: NDArray[Any]) -> dict[str, Any]:
    """An array [rows, columns] as little-endian float32 in base64; rows that are all the same as one."""
    rows = array[:1] if (array == array[:1]).all() else array
    data = base64.b64encode(np.ascontiguousarray(rows, dtype="<f4").tobytes()).decode("ascii")
    return {"shape": rows.shape, "data": data}


def sound(waveform: NDArray[np.float32]) -> str:
    """A waveform as a 16-bit WAV file in base64."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def colour_map(name: str) -> str:
    """256 colours of one of matplotlib's maps, from its low end to its high one: bytes red, green, blue in base64."""
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256))[:, :3]
    return base64.b64encode(np.round(255 * colours).astype(np.uint8).tobytes()).decode("ascii")
