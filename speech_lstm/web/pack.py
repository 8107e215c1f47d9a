"""A model as one file for the page: JSON that describes it, then the numbers of its weights.

4 bytes     length of the JSON, little-endian
JSON        padded with spaces to a multiple of 4; a number in it that stands for an array is its place in `arrays`
arrays      one after another, each padded to a multiple of 4 bytes
"""

from __future__ import annotations

import struct
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import LOG_OFFSET, FrontEnd, fft_length
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.export.graph import LEVELS, quantise
from speech_lstm.export.network import array
from speech_lstm.files import to_json
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.diagram import subject_of, template
from speech_lstm.insight.inside import DIRECTIONS, Inside, LayerTrace, look_inside
from speech_lstm.insight.sheet import STYLE
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import (
    POOLINGS,
    AttentionPooling,
    InputBatchNorm,
    InputLayerNorm,
    Network,
    QueryPooling,
)
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.web.program import Program, compile_step, runs

VERSION = 1  # of the file; the page refuses another
Precision = Literal["int8", "float32"]
PROBE_SECONDS = 0.3  # of the noise by which the drawing of a cell is chosen


class Arrays:
    """The arrays of a file; large matrices in 8 bits with a scale for each output, if that is asked for."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.content = bytearray()
        self.entries: list[dict[str, Any]] = []

    def add(self, values: NDArray[Any]) -> int:
        """Add float32 or whole numbers; the number of the array."""
        kind = "i4" if np.issubdtype(values.dtype, np.integer) else "f4"
        return self.append(np.ascontiguousarray(values, f"<{kind}"), {"kind": kind})

    def matrix(self, values: NDArray[np.float32]) -> int:
        """Add a matrix [outputs, inputs] in the precision of the file; the number of the array."""
        if self.precision == "float32":
            return self.add(values)
        whole, scale = quantise(values, LEVELS, 1)
        return self.append(whole, {"kind": "i1", "scale": self.add(scale)})

    def append(self, values: NDArray[Any], entry: dict[str, Any]) -> int:
        self.entries.append(entry | {"at": len(self.content), "shape": list(values.shape)})
        self.content += values.tobytes()
        self.content += bytes(-len(self.content) % 4)
        return len(self.entries) - 1


def pack(model: Model, name: str, precision: Precision = "int8") -> bytes:
    """A model as a file for the page, under a name. Raises ConfigError for a cell that the page cannot compute."""
    arrays = Arrays(precision)
    header = {
        "version": VERSION,
        "name": name,
        "digest": model.digest,
        "precision": precision,
        "labels": model.labels,
        "thresholds": model.detection.thresholds,
        "parameters": model.network.parameter_count,
        "features": front_end(arrays, FrontEnd(model.features)),
        "network": network(arrays, model.network),
        **layers(arrays, model),
    }
    header["arrays"] = arrays.entries
    text = to_json(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + bytes(arrays.content)


def front_end(arrays: Arrays, front: FrontEnd) -> dict[str, Any]:
    """The settings of the features and the tables that they are computed with."""
    config = front.config
    window = torch.hann_window(config.window, dtype=torch.float64).numpy()
    bands = front.mel_scale.fb.numpy()
    places = np.flatnonzero(bands)
    return {
        "kind": "MFCC" if front.dct is not None else "log-mel",
        "rate": SAMPLE_RATE,
        "window": config.window,
        "hop": config.hop,
        "fft": fft_length(config),
        "mels": config.mels,
        "size": config.size,
        "offset": LOG_OFFSET,
        "taper": arrays.add(window.astype(np.float32)),
        "bands": {"places": arrays.add(places), "shares": arrays.add(bands.ravel()[places])},  # of [bins, mels]
        "dct": None if front.dct is None else arrays.add(array(front.dct).T),  # [coefficients, mels]
    }


def network(arrays: Arrays, network: Network) -> dict[str, Any]:
    """What is below and above the recurrent layers."""
    pooling, embed = network.pooling, network.stack.embed
    query = pooling.query if isinstance(pooling, QueryPooling) else None
    score = pooling.score if isinstance(pooling, AttentionPooling) else query
    return {
        "normalise": normalisation(arrays, network),
        "embed": None if embed is None else linear(arrays, embed),
        "pooling": next(name for name, kind in POOLINGS.items() if isinstance(pooling, kind)),
        "score": None if score is None else linear(arrays, score),
        "head": linear(arrays, network.head),
    }


def normalisation(arrays: Arrays, network: Network) -> dict[str, Any]:
    """Scale and shift of every feature; with `epsilon`, of a frame whose mean and variance were made 0 and 1."""
    normalise = network.normalise
    if isinstance(normalise, InputBatchNorm):
        scale = array(normalise.weight * torch.rsqrt(normalise.variance + normalise.epsilon))
        shift = array(normalise.bias) - array(normalise.mean) * scale
        return {"scale": arrays.add(scale), "shift": arrays.add(shift)}
    if isinstance(normalise, InputLayerNorm):
        weights = {"scale": arrays.add(array(normalise.weight)), "shift": arrays.add(array(normalise.bias))}
        return weights | {"epsilon": normalise.eps}
    return {}


def linear(arrays: Arrays, layer: torch.nn.Linear) -> dict[str, int]:
    return {"matrix": arrays.matrix(array(layer.weight)), "bias": arrays.add(array(layer.bias))}


def layers(arrays: Arrays, model: Model) -> dict[str, Any]:
    """Every layer in every direction, and the drawings of their cells."""
    probe = np.random.default_rng(0).uniform(-0.3, 0.3, int(PROBE_SECONDS * SAMPLE_RATE)).astype(np.float32)
    torch_model = TorchModel(model)
    inside = look_inside(torch_model, np.pad(probe, (0, max(0, model.features.window - len(probe)))))
    drawings: list[str] = []
    rows = [layer_of(arrays, torch_model, inside, trace, drawings) for trace in inside.traces]
    return {"layers": rows, "drawings": drawings}


def layer_of(
    arrays: Arrays, model: TorchModel, inside: Inside, trace: LayerTrace, drawings: list[str]
) -> dict[str, Any]:
    """One layer in one direction: its program, its words, and the number of its drawing."""
    layer = model.network.stack.layer(trace.layer - 1)
    parts = contributions(model, inside, trace)
    drawing, subject = without_style(template(trace, parts)), subject_of(trace, parts)
    if drawing not in drawings:
        drawings.append(drawing)
    return {
        "layer": trace.layer,
        "direction": trace.direction,
        "cell": trace.cell.name,
        "title": trace.cell.title,
        "equations": trace.cell.equations,
        "drawing": drawings.index(drawing),
        "gates": trace.gates,
        "internals": trace.internals,
        "state": trace.state,
        "keeps": trace.cell.keeps,
        "handsUp": trace.cell.hands_up,
        "roles": {value: trace.role(value) for value in trace.values},
        "symbols": {part: subject.symbol(part) for terms in parts.values() for part in terms},
        "program": program_of(arrays, compile_step(layer, DIRECTIONS.index(trace.direction))),
    }


def without_style(drawing: str) -> str:
    """A drawing whose style is in `data-style`, from where the page sets it: its policy allows no inline style."""
    return drawing.replace(f"<style>{STYLE}</style>", "").replace(" style=", " data-style=")


def program_of(arrays: Arrays, program: Program) -> dict[str, Any]:
    """A program with its places as runs and its arrays by number."""
    return {
        "memory": program.memory,
        "constants": arrays.add(program.constants),
        "matrices": [arrays.matrix(matrix) for matrix in program.matrices],
        "operations": [
            [runs(item) if isinstance(item, np.ndarray) else item for item in op] for op in program.operations
        ],
        "inputs": places_of(program.inputs),
        "before": places_of(program.before),
        "after": places_of(program.after),
        "start": {name: arrays.add(values) for name, values in program.start.items()},
        "values": places_of(program.values),
        "parts": {
            gate: {part: [[runs(factor) for factor in product] for product in terms] for part, terms in parts.items()}
            for gate, parts in program.parts.items()
        },
        "activations": program.activations,
    }


def places_of(values: dict[str, NDArray[np.int64]]) -> dict[str, list[int]]:
    return {name: runs(places) for name, places in values.items()}
