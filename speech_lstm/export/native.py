"""Layers that are one of ONNX's own recurrent operators: LSTM with its peepholes and activations, GRU and RNN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from speech_lstm.export.graph import CONTRIB, Floats, OnnxGraph, quantise
from speech_lstm.recurrent.cell import Cell
from speech_lstm.recurrent.cells import gru, lstm, vanilla
from speech_lstm.recurrent.layer import Layer

OPEN = 100.0  # the bias of a gate that a cell does not have: its logistic function is 1 in float32
IDENTITY = "Affine"  # α x + β, with α = 1 and β = 0
# On a processor without VNNI ONNX Runtime adds two products of an unsigned and a signed byte in 16 bits: 2 · 255 · 64
# is the most that fits. With weights up to 127 the bundled model's probabilities were up to 0.77 wrong there.
SAFE_LEVELS = 64


@dataclass(frozen=True)
class NativeOperator:
    """An operator and its inputs: W [directions, blocks · hidden, inputs], R [directions, blocks · hidden,
    hidden], B [directions, 2 · blocks · hidden], peepholes P [directions, 3 · hidden] or None."""

    name: str
    w: Floats
    r: Floats
    b: Floats
    p: Floats | None
    attributes: dict[str, Any]


def native_operator(layer: Layer) -> NativeOperator | None:
    """The operator that computes this layer, if there is one."""
    write = WRITERS.get(type(layer.cell))
    return write(layer, layer.cell) if write and layer.bias is not None else None


def arrays(layer: Layer, *names: str) -> Iterator[Floats]:
    """Weights of a layer, by their names."""
    for name in names:
        yield layer.get_parameter(name).detach().cpu().numpy()


def arrange(weight: Floats, names: tuple[str, ...], order: str, missing: float = 0.0) -> Floats:
    """Blocks [directions, blocks · hidden, …] of these names in another order; others are filled with `missing`."""
    blocks = dict(zip(names, np.split(weight, len(names), 1), strict=True))
    blank = np.full_like(weight[:, : weight.shape[1] // len(names)], missing)
    return np.concatenate([blocks.get(name, blank) for name in order], 1)


def write_lstm(layer: Layer, cell: Cell) -> NativeOperator:
    """The operator's order is i, o, f, z (it calls z c). A missing gate is held open by its bias; a coupled forget
    gate is never read."""
    family = cast(lstm.Family, cell)
    w, r, bias = arrays(layer, "input", "recurrent", "bias")
    p = next(arrays(layer, "peepholes")) if family.peeping else None
    b = arrange(bias, cell.inputs, "iofz", OPEN)
    functions = [
        "Sigmoid",
        "Tanh" if family.input_activation else IDENTITY,
        "Tanh" if family.output_activation else IDENTITY,
    ] * layer.directions
    attributes: dict[str, Any] = {"activations": functions, "input_forget": int(isinstance(cell, lstm.Coupled))}
    if affine := functions.count(IDENTITY):
        attributes |= {"activation_alpha": [1.0] * affine, "activation_beta": [0.0] * affine}
    return NativeOperator(
        "LSTM",
        arrange(w, cell.inputs, "iofz"),
        arrange(r, cell.inputs, "iofz"),
        np.concatenate([b, np.zeros_like(b)], 1),
        None if p is None else arrange(p, family.peeping, "iof"),
        attributes,
    )


def write_gru(layer: Layer, cell: Cell) -> NativeOperator:
    """The operator's order is z, r, n (it calls n h)."""
    after = isinstance(cell, gru.GRU)  # the reset gate acts after the product
    w, bias = arrays(layer, "input", "bias")
    names = tuple("rzn")
    if after:
        r, candidate_bias = arrays(layer, "recurrent", "recurrent_bias")
    else:
        r = np.concatenate(list(arrays(layer, "gates", "candidate")), 1)
        candidate_bias = np.zeros_like(bias[:, : cell.hidden])
    b = np.concatenate([arrange(bias, names, "zrn"), arrange(candidate_bias, ("n",), "zrn")], 1)
    attributes = {"linear_before_reset": int(after)}
    return NativeOperator("GRU", arrange(w, names, "zrn"), arrange(r, names, "zrn"), b, None, attributes)


def write_rnn(layer: Layer, cell: Cell) -> NativeOperator:
    w, r, bias = arrays(layer, "input", "recurrent", "bias")
    function = "Relu" if isinstance(cell, vanilla.Rectified) else "Tanh"
    b = np.concatenate([bias, np.zeros_like(bias)], 1)
    return NativeOperator("RNN", w, r, b, None, {"activations": [function] * layer.directions})


# By the class itself: a user's class that is derived from one of these may have another step.
WRITERS = (
    dict.fromkeys(
        (
            lstm.LSTM,
            lstm.Peephole,
            lstm.NoInputGate,
            lstm.NoForgetGate,
            lstm.NoOutputGate,
            lstm.NoInputActivation,
            lstm.NoOutputActivation,
            lstm.Coupled,
        ),
        write_lstm,
    )
    | dict.fromkeys((gru.GRU, gru.ChoGRU), write_gru)
    | dict.fromkeys((vanilla.Vanilla, vanilla.Rectified, vanilla.Identity), write_rnn)
)


def write_operator(
    graph: OnnxGraph, layer: Layer, native: NativeOperator, x: str, state: tuple[str, ...] | None
) -> tuple[str, tuple[str, ...]]:
    """x [frames, batch, inputs] and the state before, None for zeros → hidden states [frames, batch, directions ·
    hidden] and the parts of the state after, each [directions, batch, hidden]."""
    attributes = native.attributes | {
        "hidden_size": layer.cell.hidden,
        "direction": "bidirectional" if layer.directions == 2 else "forward",
    }
    parts = len(layer.cell.state)
    start = state or (None,) * parts
    if graph.int8 and native.name == "LSTM":
        w, *of_w = eight_bits(graph, native.w)
        r, *of_r = eight_bits(graph, native.r)
        inputs = (x, w, r, native.b, None, *start, native.p, *of_w, *of_r)
        y, *after = graph.several(1 + parts, "DynamicQuantizeLSTM", *inputs, domain=CONTRIB, **attributes)
    else:
        w, r = (row_weight(graph, matrix) for matrix in (native.w, native.r))
        y, *after = graph.several(1 + parts, native.name, x, w, r, native.b, None, *start, native.p, **attributes)
    hidden = graph("Reshape", graph("Transpose", y, perm=[0, 2, 1, 3]), [0, 0, -1])
    return hidden, tuple(after)


def row_weight(graph: OnnxGraph, matrix: Floats) -> str:
    """A weight [directions, rows, columns]; in an int8 graph each row has its scale."""
    if not graph.int8:
        return graph.constant(matrix)
    return graph("Transpose", graph.weight(matrix.transpose(0, 2, 1)), perm=[0, 2, 1])


def eight_bits(graph: OnnxGraph, matrix: Floats) -> tuple[str, str, str]:
    """A matrix [directions, rows, columns] for DynamicQuantizeLSTM: int8 [directions, columns, rows], the scale of
    each row and its zero."""
    whole, scale = quantise(matrix.transpose(0, 2, 1), SAFE_LEVELS)
    scales = scale[:, 0]
    zeros = np.zeros(scales.shape, np.int8)
    return graph.constant(whole), graph.constant(scales), graph.constant(zeros)
