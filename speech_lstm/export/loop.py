"""Layers of any cell as a loop: ONNX's Scan over the cell's own step, in both directions at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor

from speech_lstm.export.graph import OnnxGraph
from speech_lstm.export.tracer import StepTracer
from speech_lstm.export.values import TracedValues
from speech_lstm.recurrent.cell import Frame
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.norm import InputNorm


class TrackNames(NamedTuple):
    """The names of what goes from layer to layer; see `recurrent.cell.Track`."""

    hidden: str  # [frames, batch, size]
    memory: str | None = None  # [frames, directions, batch, hidden], in the order of time


class LoopBody(NamedTuple):
    """A step as the body of a loop, and which optional inputs and outputs it has."""

    graph: Any  # GraphProto
    counts: bool  # whether it reads the number of the frame
    memory: bool  # whether it hands a memory up


def write_loop(
    graph: OnnxGraph, layer: Layer, track: TrackNames, state: tuple[str, ...] | None, index: str | None
) -> tuple[TrackNames, tuple[str, ...]]:
    """The track after a layer and the state after the last frame.

    `state` is the one before the first frame and `index` that frame's number, int64 []; None for those of a new
    recording.
    """
    xs = in_reading_order(graph, [input_products(graph, layer, track.hidden, d) for d in range(layer.directions)])
    below = None
    if track.memory is not None:
        parts = graph.several(layer.directions, "Split", track.memory, [1] * layer.directions, axis=1)
        below = in_reading_order(graph, parts, split=True)
    body = write_body(graph, layer, below is not None)
    batch = graph.dim(track.hidden, 1)
    start = state or tuple(graph.expand(part, batch) for part in start_of(layer))
    count = (index or graph.constant(np.array(0)),) if body.counts else ()
    inputs = (*count, *start, xs, *([below] if below else []))
    outputs = len(count) + len(start) + 1 + body.memory
    results = graph.several(outputs, "Scan", *inputs, body=body.graph, num_scan_inputs=2 if below else 1)
    after, sequences = results[len(count) :][: len(start)], results[len(count) + len(start) :]
    hidden = [graph("Squeeze", part, [1]) for part in in_time_order(graph, sequences[0], layer.directions)]
    joined = graph.concatenate(hidden, 2)
    memory = None
    if body.memory:
        memory = graph.concatenate(in_time_order(graph, sequences[1], layer.directions), 1)
    return TrackNames(joined, memory), tuple(after)


def start_of(layer: Layer) -> list[NDArray[np.float32]]:
    """The state before the first frame, for one recording: each [directions, 1, size]."""
    return [part.cpu().numpy() for part in layer.cell.start(1, layer.directions, layer.input)]


def input_products(graph: OnnxGraph, layer: Layer, x: str, direction: int) -> str:
    """The input products of a direction, in the order of time: x [frames, batch, inputs] → [frames, batch, width]."""
    bands = layer.cell.bands
    if bands > 1:
        x = graph("Reshape", x, [0, 0, bands, -1])
    if layer.front is not None:
        x = graph.dense(x, layer.front[direction].T.cpu().numpy())
    matrix, bias = layer.input[direction], None if layer.bias is None else layer.bias[direction]
    if layer.normalise is not None:
        matrix, bias = fold_norm(layer.normalise, matrix, bias, direction)
    xs = graph.dense(x, matrix.T.contiguous().cpu().numpy(), None if bias is None else bias.cpu().numpy())
    if layer.cell.bare_input:
        xs = graph("Concat", xs, x, axis=-1)
    return graph("Reshape", xs, [0, 0, -1]) if bands > 1 else xs


def fold_norm(norm: InputNorm, matrix: Tensor, bias: Tensor | None, direction: int) -> tuple[Tensor, Tensor]:
    """The matrix and bias of a direction that include its batch normalisation by the running averages."""
    rows = slice(direction * len(matrix), (direction + 1) * len(matrix))
    scale = norm.weight[rows] * torch.rsqrt(norm.variance[rows] + norm.epsilon)
    centre = norm.mean[rows] if bias is None else norm.mean[rows] - bias
    return matrix * scale[:, None], norm.bias[rows] - centre * scale


def in_reading_order(graph: OnnxGraph, parts: list[str], split: bool = False) -> str:
    """A sequence for each direction [frames, batch, …] → [frames, directions, batch, …], each in the order in which
    its direction reads it; with `split` the parts have the axis of the direction already."""
    parts = [parts[0], *(graph.reverse(part) for part in parts[1:])]
    with_axis = parts if split else [graph("Unsqueeze", part, [1]) for part in parts]
    return graph.concatenate(with_axis, 1)


def in_time_order(graph: OnnxGraph, sequence: str, directions: int) -> list[str]:
    """The parts [frames, 1, batch, …] of a loop's output, each in the order of time."""
    if directions == 1:
        return [sequence]
    forward, backward = graph.several(2, "Split", sequence, [1, 1], axis=1)
    return [forward, graph.reverse(backward)]


# The body of a Scan
#
# ONNX's Scan runs a graph once for each frame. The graph's inputs are first the values that it carries from frame to
# frame and then one frame of each scanned sequence; its outputs are the carried values after the frame, in the same
# order, and then one frame of each result, which Scan stacks. For a cell that is
#     carried: [number of the frame,] each part of the state        scanned: input products[, memory below]
#     carried: [number + 1,] each part of the new state             results: output h[, memory for the layer above]
# The nodes between come from the cell itself: its step runs once on zeros, with a batch of one, and `StepTracer`
# writes a node for every operator of torch that uses an input. What does not depend on an input, such as the weights,
# is a constant; the body reads it from the graph around it, where it is stored once.
#
# Three things remain. The number of the frame is an input only if a node reads it. ONNX wants each output to be the
# result of a node of its own, but a state may be an input unchanged, and h is both carried and a result: every output
# is therefore an Identity. And a new state that depends on no input is a constant of one recording, which is expanded
# to the batch.


@torch.no_grad()
def write_body(graph: OnnxGraph, layer: Layer, below: bool) -> LoopBody:
    """The body of a layer's loop; `below` says whether there is a memory from the layer below."""
    cell, body = layer.cell, graph.body()
    values = TracedValues(body)
    inputs: list[tuple[str, Tensor]] = []

    def add_input(hint: str, example: Tensor) -> Tensor:
        inputs.append((values.add_input(hint, example), example))
        return example

    start = [part.clone() for part in cell.start(1, layer.directions, layer.input)]  # each a tensor of its own
    index = add_input("index", torch.zeros((), dtype=torch.int64))
    state = tuple(add_input(f"before_{name}", part) for name, part in zip(cell.state, start, strict=True))
    x = add_input("x", layer.input.new_zeros(layer.directions, 1, frame_width(layer)))
    memory = add_input("below", layer.input.new_zeros(layer.directions, 1, cell.hidden)) if below else None
    weights = layer.weights()
    with StepTracer(values, cell.name):
        after = cell.step(Frame(x, memory, index), state, weights)
    counts = any(inputs[0][0] in node.input for node in body.nodes)
    outputs: list[str] = []
    if counts:
        outputs.append(body("Add", inputs[0][0], np.array(1)))
    else:
        del inputs[0]
    batch = body.dim(inputs[-1 - below][0], 1)
    for part in after:
        name = values.name(part)
        outputs.append(body("Identity", name) if part in values else body.expand(part.numpy(), batch))
    carried = dict(zip(cell.state, outputs[counts:], strict=True))
    results = [carried[cell.state[0]], *([carried[cell.hands_up]] if cell.hands_up else [])]
    outputs += [body("Identity", name) for name in results]
    kinds = [TensorProto.INT64] * counts + [TensorProto.FLOAT] * (len(outputs) - counts)
    proto = helper.make_graph(
        body.nodes,
        f"{cell.name} step",
        [value_info(name, example, layer.directions) for name, example in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(outputs, kinds, strict=True)],
    )
    return LoopBody(proto, counts, bool(cell.hands_up))


def value_info(name: str, example: Tensor, directions: int) -> Any:
    """The type and shape of an input of the body, for any batch."""
    if example.dim() == 0:
        return helper.make_tensor_value_info(name, TensorProto.INT64, [])
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [directions, "batch", example.shape[-1]])


def frame_width(layer: Layer) -> int:
    """Numbers of a frame in each direction that a step reads: the last axis of `Frame.x`."""
    blocks = len(layer.cell.inputs) + layer.cell.bare_input
    return int(blocks * layer.cell.hidden * layer.cell.bands)
