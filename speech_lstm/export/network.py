"""A network as ONNX nodes: features of every frame in, logits out, in one pass over a recording or frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.export.front_end import log_mel
from speech_lstm.export.graph import Floats, OnnxGraph
from speech_lstm.export.loop import TrackNames, write_loop
from speech_lstm.export.native import native_operator, write_operator
from speech_lstm.model.network import (
    AttentionPooling,
    InputBatchNorm,
    InputLayerNorm,
    LastPooling,
    Network,
    QueryPooling,
)
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.stack import Stack


@dataclass
class StreamState:
    """The names of the state of a frame-by-frame graph, layer by layer; empty for whole recordings."""

    index: str | None = None
    before: list[tuple[str, ...]] = field(default_factory=list)
    after: list[tuple[str, ...]] = field(default_factory=list)


def write_features(graph: OnnxGraph, waveforms: str, front_end: FrontEnd, network: Network) -> str:
    """Waveforms [batch, samples] → normalised features [batch, frames, size].

    The running averages of a batch normalisation are constants, which are multiplied into the DCT.
    """
    logs, normalise = log_mel(graph, waveforms, front_end), network.normalise
    dct = None if front_end.dct is None else array(front_end.dct)
    scale = shift = None
    if isinstance(normalise, InputBatchNorm):
        scale = array(normalise.weight * torch.rsqrt(normalise.variance + normalise.epsilon))
        shift = array(normalise.bias) - array(normalise.mean) * scale
    if dct is not None:
        logs = graph("MatMul", logs, dct if scale is None else dct * scale)
    elif scale is not None:
        logs = graph("Mul", logs, scale)
    if isinstance(normalise, InputLayerNorm):
        weights = array(normalise.weight), array(normalise.bias)
        return graph("LayerNormalization", logs, *weights, axis=-1, epsilon=normalise.eps)
    return logs if shift is None else graph("Add", logs, shift)


def write_stack(graph: OnnxGraph, features: str, stack: Stack, state: StreamState) -> str:
    """Features [batch, frames, inputs] → hidden states [batch, frames, size], forward direction first. The names of
    the state after the last frame are added to `state.after`."""
    if stack.embed is not None:
        features = graph.dense(features, array(stack.embed.weight.T), array(stack.embed.bias))
    track = TrackNames(graph("Transpose", features, perm=[1, 0, 2]))
    for i in range(stack.depth):
        before = state.before[i] if state.before else None
        track, after = write_layer(graph, stack.layer(i), track, before, state.index)
        state.after.append(after)
    return graph("Transpose", track.hidden, perm=[1, 0, 2])


def write_layer(
    graph: OnnxGraph, layer: Layer, track: TrackNames, before: tuple[str, ...] | None, index: str | None
) -> tuple[TrackNames, tuple[str, ...]]:
    """A layer by ONNX's own operator if there is one, otherwise as a loop over its cell's step."""
    if (native := native_operator(layer)) is not None:
        hidden, after = write_operator(graph, layer, native, track.hidden, before)
        return TrackNames(hidden), after
    return write_loop(graph, layer, track, before, index)


def write_head(graph: OnnxGraph, pooled: str, network: Network) -> str:
    """Pooled vectors [batch, size] → logits [batch, labels]."""
    return graph.dense(pooled, array(network.head.weight.T), array(network.head.bias))


def write_pooling(graph: OnnxGraph, hidden: str, network: Network) -> str:
    """Hidden states [batch, frames, size] → one vector for each recording."""
    pooling = network.pooling
    if isinstance(pooling, AttentionPooling):
        # The bias is the same in all frames, so the soft-max over them does not depend on it.
        scores = graph("MatMul", hidden, array(pooling.score.weight.T))
        shares = graph("Transpose", graph("Softmax", scores, axis=1), perm=[0, 2, 1])
        return graph("Reshape", graph("MatMul", shares, hidden), [0, -1])
    if isinstance(pooling, QueryPooling):
        size = network.stack.size
        middle = graph("Gather", hidden, graph("Div", graph.dim(hidden, 1), [2]), axis=1)  # [batch, 1, size]
        scale = size**-0.5
        queries = graph.dense(middle, array(pooling.query.weight.T * scale), array(pooling.query.bias * scale))
        queries = graph("Reshape", queries, [0, pooling.heads, size])
        shares = graph("Softmax", graph("MatMul", queries, graph("Transpose", hidden, perm=[0, 2, 1])), axis=2)
        return graph("Reshape", graph("MatMul", shares, hidden), [0, -1])
    if isinstance(pooling, LastPooling):
        size = pooling.forward_size
        last = graph("Gather", hidden, np.array(-1), axis=1)
        if network.stack.size == size:
            return last
        first = graph("Gather", hidden, np.array(0), axis=1)
        return graph("Concat", graph.slice(last, 1, 0, size), graph.slice(first, 1, size), axis=1)
    return graph("ReduceMean", hidden, [1], keepdims=0)


def array(tensor: torch.Tensor) -> Floats:
    return tensor.detach().cpu().contiguous().numpy()
