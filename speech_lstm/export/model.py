"""A model as ONNX files: one that hears whole recordings, and one that goes frame by frame and carries its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import torch
from onnx import TensorProto, helper

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ConfigError
from speech_lstm.export.graph import Graph
from speech_lstm.export.loop import start_of
from speech_lstm.export.network import Memory, write_features, write_head, write_stack
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.onnx_file import KIND, STREAM_KIND, metadata, seal

Shape = Sequence[str | int]
Outputs = dict[str, tuple[str, Shape]]  # by name: the value and its shape
FRAMES = "frames"


@torch.no_grad()
def recording_model(model: Model, int8: bool = False) -> bytes:
    """The ONNX file: `waveforms` float32 [batch, samples] in ±1 at 16 kHz, of at least one window → `probabilities`
    and `logits` float32 [batch, labels]. Raises ConfigError for a cell that can't be exported."""
    graph = Graph(int8)
    features = write_features(graph, "waveforms", FrontEnd(model.features), model.network)
    hidden = write_stack(graph, features, model.network.stack, Memory())
    return written(graph, KIND, model, {"waveforms": ("batch", "samples")}, answers(graph, hidden, model))


@torch.no_grad()
def stream_model(model: Model, int8: bool = False) -> bytes:
    """The ONNX file of a network that reads forwards: `samples` float32 [batch, samples] of a stream, and the state
    before them → `probabilities` and `logits` of what the network held in the last second, and the state after.

    The state before are further inputs, all of them zeros at the beginning and the sizes "held" and "known" 0:
    `held` the samples of no frame so far, `hidden` the hidden states of the last second, `layer1.h` and so on the
    state of each layer, and `frames`, for a cell that counts, the frames so far. The state after are outputs of the
    same names after "next.". A call must complete a frame: the first needs a window of samples, every other a hop.
    """
    if model.config.bidirectional:
        raise ConfigError(
            "a network that reads in both directions needs the whole recording; one that was trained with "
            "--bidirectional false goes frame by frame"
        )
    graph, front_end, stack = Graph(int8), FrontEnd(model.features), model.network.stack
    before = [layer_state(model, i) for i in range(stack.depth)]
    memory = Memory(FRAMES, [tuple(parts) for parts in before])
    waveforms = graph("Concat", "held", "samples", axis=1)
    new = write_stack(graph, write_features(graph, waveforms, front_end, model.network), stack, memory)
    count = graph.dim(new, 1)
    hidden = graph.slice(graph("Concat", "hidden", new, axis=1), 1, -front_end.frames(CLIP_SAMPLES))
    used = graph("Mul", count, [model.features.hop])
    held = graph("Slice", waveforms, used, graph.dim(waveforms, 1), [1])
    state: Outputs = {"held": (held, ("batch", "held")), "hidden": (hidden, ("batch", "known", stack.size))}
    for parts, after in zip(before, memory.after, strict=True):
        state |= {name: (value, parts[name]) for name, value in zip(parts, after, strict=True)}
    if any(FRAMES in node.input for node in graph.nodes):
        state[FRAMES] = graph("Add", FRAMES, graph("Squeeze", count, [0])), ()
    inputs: dict[str, Shape] = {"samples": ("batch", "samples")} | {name: shape for name, (_, shape) in state.items()}
    nexts: Outputs = {f"next.{name}": (value, free(shape)) for name, (value, shape) in state.items()}
    return written(graph, STREAM_KIND, model, inputs, answers(graph, hidden, model) | nexts)


def layer_state(model: Model, i: int) -> dict[str, Shape]:
    """The names and shapes of the state of layer i, counted from 0; raises ConfigError unless it begins at 0."""
    layer = model.network.stack.layer(i)
    starts = start_of(layer)
    if any(start.any() for start in starts):
        raise ConfigError(f"the cell {layer.cell.name!r} doesn't begin at 0, so that it can't go frame by frame")
    named = zip(layer.cell.state, starts, strict=True)
    return {f"layer{i + 1}.{name}": (start.shape[0], "batch", start.shape[2]) for name, start in named}


def free(shape: Shape) -> Shape:
    """The shape of what comes out: other sizes than those that went in."""
    return [f"next_{size}" if size in ("held", "known") else size for size in shape]


def answers(graph: Graph, hidden: str, model: Model) -> Outputs:
    """The outputs that say what was heard, of hidden states [batch, frames, size]."""
    logits, shape = write_head(graph, hidden, model.network), ("batch", len(model.labels))
    return {"probabilities": (graph("Softmax", logits, axis=-1), shape), "logits": (logits, shape)}


def written(graph: Graph, kind: str, model: Model, inputs: Mapping[str, Shape], outputs: Outputs) -> bytes:
    """The file, which ONNX's checker found right."""
    for name, (value, _) in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [value], [name], f"output_{name}"))
    given = [value_info(name, shape) for name, shape in inputs.items()]
    told = [value_info(name, shape) for name, (_, shape) in outputs.items()]
    facts = metadata(kind, model.header, "int8" if graph.int8 else "float32", model.digest)
    proto = graph.model("speech_lstm", given, told, facts)
    onnx.checker.check_model(proto, full_check=True)
    return seal(proto.SerializeToString())


def value_info(name: str, shape: Shape) -> onnx.ValueInfoProto:
    """What a graph says of an input or output; only the number of frames is a whole number."""
    kind = TensorProto.INT64 if name.removeprefix("next.") == FRAMES else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, shape)
