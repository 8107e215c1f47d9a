"""Layers of any cell as a loop: ONNX's Scan over the cell's own step, in both directions at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor

from speech_lstm.export.graph import Graph
from speech_lstm.export.tracer import Recorder
from speech_lstm.recurrent.cell import Frame
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.norm import InputNorm


class Names(NamedTuple):
    """What goes from layer to layer, by its names; see `recurrent.layer.Track`."""

    hidden: str  # [frames, batch, size]
    memory: str | None = None  # [frames, directions, batch, hidden], in the order of time


class Body(NamedTuple):
    """A step written down: the loop's body and what else it reads and gives."""

    graph: Any  # GraphProto
    counts: bool  # whether it reads the number of the frame
    memory: bool  # whether it hands a memory up


def write_loop(
    graph: Graph, layer: Layer, track: Names, state: tuple[str, ...] | None, index: str | None
) -> tuple[Names, tuple[str, ...]]:
    """The track after a layer and the state after the last frame.

    `state` is the one before the first frame and `index` that frame's number, int64 []; None for those of a new
    recording.
    """
    xs = directed(graph, [input_products(graph, layer, track.hidden, d) for d in range(layer.directions)])
    below = None
    if track.memory is not None:
        parts = graph.several(layer.directions, "Split", track.memory, [1] * layer.directions, axis=1)
        below = directed(graph, parts, split=True)
    body = write_body(graph, layer, below is not None)
    batch = graph.dim(track.hidden, 1)
    start = state or tuple(graph.stretched(part, batch) for part in start_of(layer))
    counted = (index or graph.constant(np.array(0)),) if body.counts else ()
    inputs = (*counted, *start, xs, *([below] if below else []))
    outputs = len(counted) + len(start) + 1 + body.memory
    scanned = 2 if below else 1
    outs = graph.several(outputs, "Scan", *inputs, body=body.graph, num_scan_inputs=scanned)
    _, after, sequences = outs[: len(counted)], outs[len(counted) :][: len(start)], outs[len(counted) + len(start) :]
    hidden = [graph("Squeeze", part, [1]) for part in in_time(graph, sequences[0], layer.directions)]
    joined = graph.joined(hidden, 2)
    memory = None
    if body.memory:
        parts = in_time(graph, sequences[1], layer.directions)
        memory = graph.joined(parts, 1)
    return Names(joined, memory), tuple(after)


def start_of(layer: Layer) -> list[NDArray[np.float32]]:
    """The state before the first frame, for one recording: each [directions, 1, size]."""
    return [part.cpu().numpy() for part in layer.cell.start(1, layer.directions, layer.input)]


def input_products(graph: Graph, layer: Layer, x: str, direction: int) -> str:
    """What a direction's loop reads, in the order of time: x [frames, batch, inputs] → [frames, batch, numbers]."""
    bands = layer.cell.bands
    if bands > 1:
        x = graph("Reshape", x, [0, 0, bands, -1])
    if layer.front is not None:
        x = graph.dense(x, layer.front[direction].T.cpu().numpy())
    matrix, bias = layer.input[direction], None if layer.bias is None else layer.bias[direction]
    if layer.normalise is not None:
        matrix, bias = normalised(layer.normalise, matrix, bias, direction)
    xs = graph.dense(x, matrix.T.contiguous().cpu().numpy(), None if bias is None else bias.cpu().numpy())
    if layer.cell.bare_input:
        xs = graph("Concat", xs, x, axis=-1)
    return graph("Reshape", xs, [0, 0, -1]) if bands > 1 else xs


def normalised(norm: InputNorm, matrix: Tensor, bias: Tensor | None, direction: int) -> tuple[Tensor, Tensor]:
    """The matrix and bias that also do the batch normalisation of recognition."""
    rows = slice(direction * len(matrix), (direction + 1) * len(matrix))
    scale = norm.weight[rows] * torch.rsqrt(norm.variance[rows] + norm.epsilon)
    centre = norm.mean[rows] if bias is None else norm.mean[rows] - bias
    return matrix * scale[:, None], norm.bias[rows] - centre * scale


def directed(graph: Graph, parts: list[str], split: bool = False) -> str:
    """A sequence for each direction [frames, batch, …] → [frames, directions, batch, …] as they read it; with
    `split` they have the axis of the direction already."""
    parts = [parts[0], *(graph.backwards(part) for part in parts[1:])]
    lifted = parts if split else [graph("Unsqueeze", part, [1]) for part in parts]
    return graph.joined(lifted, 1)


def in_time(graph: Graph, sequence: str, directions: int) -> list[str]:
    """The parts [frames, 1, batch, …] of a loop's output, each in the order of time."""
    if directions == 1:
        return [sequence]
    forward, backward = graph.several(2, "Split", sequence, [1, 1], axis=1)
    return [forward, graph.backwards(backward)]


@torch.no_grad()
def write_body(graph: Graph, layer: Layer, below: bool) -> Body:
    """The body of the loop: number of the frame, state, input products and memory below in; number, state and what
    goes up out."""
    cell, body = layer.cell, graph.body()
    start = [part.clone() for part in cell.start(1, layer.directions, layer.input)]  # each a tensor of its own
    width = xs_width(layer)
    recorder = Recorder(body, cell.name)
    inputs: list[tuple[str, Tensor]] = []

    def given(hint: str, example: Tensor) -> Tensor:
        inputs.append((recorder.value(hint, example), example))
        return example

    index = given("index", torch.zeros((), dtype=torch.int64))
    state = tuple(given(f"before_{name}", part) for name, part in zip(cell.state, start, strict=True))
    x = given("x", layer.input.new_zeros(layer.directions, 1, width))
    memory = given("below", layer.input.new_zeros(layer.directions, 1, cell.hidden)) if below else None
    weights = layer.weights()
    with recorder:
        after = cell.step(Frame(x, memory, index), state, weights)
    counts = any(inputs[0][0] in node.input for node in body.nodes)
    outputs: list[str] = []
    if counts:
        outputs.append(body("Add", inputs[0][0], np.array(1)))
    else:
        del inputs[0]
    batch = body.dim(inputs[-1 - below][0], 1)
    for part in after:  # a copy: no output may be an input or another output, and a constant is laid out for all
        name = recorder.name(part)
        outputs.append(body("Identity", name) if recorder.known(part) else body.stretched(part.numpy(), batch))
    parts = [after[0], *([after[cell.state.index(cell.hands_up)]] if cell.hands_up else [])]
    outputs += [body("Identity", outputs[int(counts) + [id(p) for p in after].index(id(part))]) for part in parts]
    kinds = [TensorProto.INT64] * counts + [TensorProto.FLOAT] * (len(outputs) - counts)
    proto = helper.make_graph(
        body.nodes,
        f"{cell.name} step",
        [info(name, example, layer.directions) for name, example in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(outputs, kinds, strict=True)],
    )
    return Body(proto, counts, bool(cell.hands_up))


def info(name: str, example: Tensor, directions: int) -> Any:
    """What the body is told of an input: the batch is free."""
    if example.dim() == 0:
        return helper.make_tensor_value_info(name, TensorProto.INT64, [])
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [directions, "batch", example.shape[-1]])


def xs_width(layer: Layer) -> int:
    """Numbers that a step is given of each frame and direction."""
    blocks = len(layer.cell.inputs) + layer.cell.bare_input
    return int(blocks * layer.cell.hidden * layer.cell.bands)
