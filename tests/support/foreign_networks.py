"""Small networks of other programs in ONNX files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from speech_lstm.config import CLIP_SAMPLES

Size = int | str


def projection(width: int, samples: int = CLIP_SAMPLES) -> NDArray[np.float32]:
    """The weights of a network without any other part, float32 [samples, width]."""
    return np.random.default_rng(width).normal(0, 0.3, (samples, width)).astype(np.float32)


def write_network(
    path: Path,
    width: int = 4,
    shape: Sequence[Size] = (1, CLIP_SAMPLES),
    dtype: int = TensorProto.FLOAT,
    tail: Sequence[str] = (),
    answers: int = TensorProto.FLOAT,
    **metadata: str,
) -> Path:
    """Waveforms of `shape` and `dtype` → their products with `projection(width)`, through the operators of `tail`."""
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Cast", ["sound"], ["0"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("MatMul", ["0", "weights"], ["1"]))
    nodes += [helper.make_node(name, [str(i)], [str(i + 1)]) for i, name in enumerate(tail, 1)]
    samples = shape[-1] if isinstance(shape[-1], int) else CLIP_SAMPLES
    graph = helper.make_graph(
        nodes,
        "foreign",
        [value("sound", dtype, shape)],
        [value(nodes[-1].output[0], answers, None)],
        [numpy_helper.from_array(projection(width, samples), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path
