"""Layers that are one of ONNX's own recurrent operators: LSTM with its peepholes and activations, GRU and RNN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from speech_lstm.export.graph import CONTRIB, Floats, Graph, quantised
from speech_lstm.recurrent.cell import Cell
from speech_lstm.recurrent.cells import gru, lstm, vanilla
from speech_lstm.recurrent.layer import Layer

OPEN = 100.0  # the bias of a gate that a cell hasn't: its logistic function is 1 in float32
IDENTITY = "Affine"  # α x + β, with α = 1 and β = 0
# On a processor without VNNI ONNX Runtime adds two products of an unsigned and a signed byte in 16 bits: 2 · 255 · 64
# is the most that fits. With weights up to 127 the carried model's answers were up to 0.77 wrong there.
SAFE_LEVELS = 64


@dataclass(frozen=True)
class Operator:
    """An operator with what it is given: W [directions, blocks · hidden, inputs], R [directions, blocks · hidden,
    hidden], B [directions, 2 · blocks · hidden], peepholes P [directions, 3 · hidden] or None."""

    name: str
    w: Floats
    r: Floats
    b: Floats
    p: Floats | None
    attributes: dict[str, Any]


def operator(layer: Layer) -> Operator | None:
    """The operator that computes this layer, if there is one."""
    write = OPERATORS.get(type(layer.cell))
    return write(layer, layer.cell) if write and layer.bias is not None else None


def arrays(layer: Layer, *names: str) -> Iterator[Floats]:
    """Weights of a layer, by their names."""
    for name in names:
        yield layer.get_parameter(name).detach().cpu().numpy()


def arranged(weight: Floats, given: tuple[str, ...], order: str, missing: float = 0.0) -> Floats:
    """Blocks [directions, blocks · hidden, …] in another order; those that aren't given are `missing` throughout."""
    blocks = dict(zip(given, np.split(weight, len(given), 1), strict=True))
    blank = np.full_like(weight[:, : weight.shape[1] // len(given)], missing)
    return np.concatenate([blocks.get(name, blank) for name in order], 1)


def write_lstm(layer: Layer, cell: Cell) -> Operator:
    """The operator's order is i, o, f, z (it calls z c). A gate that the cell hasn't is held open by its bias; a
    coupled forget gate is never read."""
    family = cast(lstm.Family, cell)
    w, r, bias = arrays(layer, "input", "recurrent", "bias")
    p = next(arrays(layer, "peepholes")) if family.peeping else None
    b = arranged(bias, cell.inputs, "iofz", OPEN)
    functions = [
        "Sigmoid",
        "Tanh" if family.input_activation else IDENTITY,
        "Tanh" if family.output_activation else IDENTITY,
    ] * layer.directions
    attributes: dict[str, Any] = {"activations": functions, "input_forget": int(isinstance(cell, lstm.Coupled))}
    if affine := functions.count(IDENTITY):
        attributes |= {"activation_alpha": [1.0] * affine, "activation_beta": [0.0] * affine}
    return Operator(
        "LSTM",
        arranged(w, cell.inputs, "iofz"),
        arranged(r, cell.inputs, "iofz"),
        np.concatenate([b, np.zeros_like(b)], 1),
        None if p is None else arranged(p, family.peeping, "iof"),
        attributes,
    )


def write_gru(layer: Layer, cell: Cell) -> Operator:
    """The operator's order is z, r, n (it calls n h)."""
    after = isinstance(cell, gru.GRU)  # the reset gate acts after the product
    w, bias = arrays(layer, "input", "bias")
    given = tuple("rzn")
    if after:
        r, candidate_bias = arrays(layer, "recurrent", "recurrent_bias")
    else:
        r = np.concatenate(list(arrays(layer, "gates", "candidate")), 1)
        candidate_bias = np.zeros_like(bias[:, : cell.hidden])
    b = np.concatenate([arranged(bias, given, "zrn"), arranged(candidate_bias, ("n",), "zrn")], 1)
    attributes = {"linear_before_reset": int(after)}
    return Operator("GRU", arranged(w, given, "zrn"), arranged(r, given, "zrn"), b, None, attributes)


def write_rnn(layer: Layer, cell: Cell) -> Operator:
    w, r, bias = arrays(layer, "input", "recurrent", "bias")
    function = "Relu" if isinstance(cell, vanilla.Rectified) else "Tanh"
    b = np.concatenate([bias, np.zeros_like(bias)], 1)
    return Operator("RNN", w, r, b, None, {"activations": [function] * layer.directions})


# By the class itself: a class of somebody else that is derived of one of these may have another step.
OPERATORS = (
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
    graph: Graph, layer: Layer, found: Operator, x: str, state: tuple[str, ...] | None
) -> tuple[str, tuple[str, ...]]:
    """x [frames, batch, inputs] and the state before, None for zeros → hidden states [frames, batch, directions ·
    hidden] and the state after, each [directions, batch, hidden]."""
    attributes = found.attributes | {
        "hidden_size": layer.cell.hidden,
        "direction": "bidirectional" if layer.directions == 2 else "forward",
    }
    parts = len(layer.cell.state)
    start = state or (None,) * parts
    if graph.int8 and found.name == "LSTM":
        w, *of_w = eight_bits(graph, found.w)
        r, *of_r = eight_bits(graph, found.r)
        inputs = (x, w, r, found.b, None, *start, found.p, *of_w, *of_r)
        y, *after = graph.several(1 + parts, "DynamicQuantizeLSTM", *inputs, domain=CONTRIB, **attributes)
    else:
        w, r = (turned(graph, matrix) for matrix in (found.w, found.r))
        y, *after = graph.several(1 + parts, found.name, x, w, r, found.b, None, *start, found.p, **attributes)
    hidden = graph("Reshape", graph("Transpose", y, perm=[0, 2, 1, 3]), [0, 0, -1])
    return hidden, tuple(after)


def turned(graph: Graph, matrix: Floats) -> str:
    """A weight [directions, rows, columns], where each row has its scale."""
    if not graph.int8:
        return graph.constant(matrix)
    return graph("Transpose", graph.weight(matrix.transpose(0, 2, 1)), perm=[0, 2, 1])


def eight_bits(graph: Graph, matrix: Floats) -> tuple[str, str, str]:
    """A matrix [directions, rows, columns] for DynamicQuantizeLSTM: int8 [directions, columns, rows], the scale of
    each row and its zero."""
    whole, scale = quantised(matrix.transpose(0, 2, 1), SAFE_LEVELS)
    scales = scale[:, 0]
    zeros = np.zeros(scales.shape, np.int8)
    return graph.constant(whole), graph.constant(scales), graph.constant(zeros)
