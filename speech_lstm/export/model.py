"""A model as ONNX files: one for whole recordings, and one that runs frame by frame and hands its state on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import torch
from onnx import TensorProto, helper

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ConfigError
from speech_lstm.export.graph import OnnxGraph
from speech_lstm.export.loop import start_of
from speech_lstm.export.network import StreamState, write_features, write_head, write_pooling, write_stack
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.onnx_file import KIND, STREAM_KIND, VECTOR, metadata, seal

Shape = Sequence[str | int]
Outputs = dict[str, tuple[str, Shape]]  # by name: the value and its shape
FRAMES = "frames"


@torch.no_grad()
def recording_model(model: Model, int8: bool = False) -> bytes:
    """The ONNX file: `waveforms` float32 [batch, samples] in ±1 at 16 kHz, of at least one window → `probabilities`
    and `logits` float32 [batch, labels], and `vector` float32 [batch, size], which the head reads.

    Raises ConfigError for a cell that cannot be exported.
    """
    graph = OnnxGraph(int8)
    features = write_features(graph, "waveforms", FrontEnd(model.features), model.network)
    pooled = write_pooling(graph, write_stack(graph, features, model.network.stack, StreamState()), model.network)
    return serialise(graph, KIND, model, {"waveforms": ("batch", "samples")}, answers(graph, pooled, model))


@torch.no_grad()
def stream_model(model: Model, int8: bool = False) -> bytes:
    """The ONNX file of a network of one direction: `samples` float32 [batch, samples] of a stream, and the state
    before them → `probabilities` and `logits` of the last second, its `vector`, and the state after.

    The state before are further inputs, zeros at the beginning of a stream, with 0 for the sizes "held" and "known":
    `held` the samples after the last frame, `hidden` the hidden states of the last second, `layer1.h` and so on the
    state of each layer, and `frames`, for a cell that counts, the number of frames so far. The state after are
    outputs of the same names with the prefix "next.". A call must complete a frame: the first needs a window of
    samples, every other a hop.
    """
    if model.config.bidirectional:
        raise ConfigError(
            "a network that reads in both directions needs the whole recording; train it with "
            "--bidirectional false to run it frame by frame"
        )
    graph, front_end, stack = OnnxGraph(int8), FrontEnd(model.features), model.network.stack
    before = [layer_state(model, i) for i in range(stack.depth)]
    stream = StreamState(FRAMES, [tuple(parts) for parts in before])
    waveforms = graph("Concat", "held", "samples", axis=1)
    new = write_stack(graph, write_features(graph, waveforms, front_end, model.network), stack, stream)
    count = graph.dim(new, 1)
    hidden = graph.slice(graph("Concat", "hidden", new, axis=1), 1, -front_end.frames(CLIP_SAMPLES))
    used = graph("Mul", count, [model.features.hop])
    held = graph("Slice", waveforms, used, graph.dim(waveforms, 1), [1])
    state: Outputs = {"held": (held, ("batch", "held")), "hidden": (hidden, ("batch", "known", stack.size))}
    for parts, after in zip(before, stream.after, strict=True):
        state |= {name: (value, parts[name]) for name, value in zip(parts, after, strict=True)}
    if any(FRAMES in node.input for node in graph.nodes):
        state[FRAMES] = graph("Add", FRAMES, graph("Squeeze", count, [0])), ()
    inputs: dict[str, Shape] = {"samples": ("batch", "samples")} | {name: shape for name, (_, shape) in state.items()}
    nexts: Outputs = {f"next.{name}": (value, output_shape(shape)) for name, (value, shape) in state.items()}
    pooled = write_pooling(graph, hidden, model.network)
    return serialise(graph, STREAM_KIND, model, inputs, answers(graph, pooled, model) | nexts)


def layer_state(model: Model, i: int) -> dict[str, Shape]:
    """The names and shapes of the state of layer i, counted from 0; raises ConfigError unless it starts at 0."""
    layer = model.network.stack.layer(i)
    starts = start_of(layer)
    if any(start.any() for start in starts):
        raise ConfigError(f"the cell {layer.cell.name!r} does not start at 0, so it cannot run frame by frame")
    named = zip(layer.cell.state, starts, strict=True)
    return {f"layer{i + 1}.{name}": (start.shape[0], "batch", start.shape[2]) for name, start in named}


def output_shape(shape: Shape) -> Shape:
    """The shape of a state after, given that of the state before: their free sizes differ."""
    return [f"next_{size}" if size in ("held", "known") else size for size in shape]


def answers(graph: OnnxGraph, pooled: str, model: Model) -> Outputs:
    """The outputs for pooled vectors [batch, size]."""
    logits, shape = write_head(graph, pooled, model.network), ("batch", len(model.labels))
    probabilities = graph("Softmax", logits, axis=-1)
    vector = pooled, ("batch", model.network.pooling.size)
    return {"probabilities": (probabilities, shape), "logits": (logits, shape), VECTOR: vector}


def serialise(graph: OnnxGraph, kind: str, model: Model, inputs: Mapping[str, Shape], outputs: Outputs) -> bytes:
    """The content of the file, after ONNX's checker."""
    for name, (value, _) in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [value], [name], f"output_{name}"))
    ins = [value_info(name, shape) for name, shape in inputs.items()]
    outs = [value_info(name, shape) for name, (_, shape) in outputs.items()]
    entries = metadata(kind, model.header, "int8" if graph.int8 else "float32", model.digest)
    proto = graph.model("speech_lstm", ins, outs, entries)
    onnx.checker.check_model(proto, full_check=True)
    return seal(proto.SerializeToString())


def value_info(name: str, shape: Shape) -> onnx.ValueInfoProto:
    """The type and shape of an input or output; only the number of frames is an integer."""
    kind = TensorProto.INT64 if name.removeprefix("next.") == FRAMES else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, shape)
