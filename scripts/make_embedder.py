"""Join the two networks of openWakeWord to one that `train --embedder` takes.

    pip download --no-deps openwakeword==0.4.0 && unzip openwakeword-*.whl
    python scripts/make_embedder.py openwakeword/resources/models --out embedder.onnx

They are the mel spectrogram and Google's speech embedding (Lin, Kilgour, Roblek & Sharifi 2020, arXiv:2002.01322;
Apache-2.0), which gives 96 numbers for 76 frames of 10 ms. The result is their mean over three places of a second of
sound, with 0.2 s of silence on both sides.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.files import atomic_path

SIDE = 3_200  # samples of silence on each side
FRAMES, BANDS, SIZE = 76, 32, 96
STARTS = (0, 30, 60)  # frames
OPSET = 13


def model_of(
    name: str, nodes: list[onnx.NodeProto], shapes: list[list[int | None]], **constants: np.ndarray
) -> onnx.ModelProto:
    """A model of these nodes from `{name}_in` to `{name}_out`."""
    ends = [
        helper.make_tensor_value_info(f"{name}_{end}", TensorProto.FLOAT, shape)
        for end, shape in zip(("in", "out"), shapes, strict=True)
    ]
    stored = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, ends[:1], ends[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def before() -> onnx.ModelProto:
    """A second at full scale 1 → 16-bit scale, with silence on both sides: noise of one step, as digital silence
    would be an outlier."""
    samples = CLIP_SAMPLES + 2 * SIDE
    faint = np.random.default_rng(0).standard_normal((1, samples)).astype(np.float32)
    nodes = [
        helper.make_node("Mul", ["before_in", "scale"], ["scaled"]),
        helper.make_node("Pad", ["scaled", "pads"], ["padded"]),
        helper.make_node("Add", ["padded", "faint"], ["before_out"]),
    ]
    pads = np.array([0, SIDE, 0, SIDE], np.int64)
    scale = np.float32(32767)
    return model_of("before", nodes, [[1, CLIP_SAMPLES], [1, samples]], scale=np.array(scale), pads=pads, faint=faint)


def between() -> onnx.ModelProto:
    """The spectrogram → its windows, in the scale of the embedding (as openWakeWord has it)."""
    frames = np.concatenate([np.arange(FRAMES) + start for start in STARTS])
    nodes = [
        helper.make_node("Mul", ["between_in", "tenth"], ["divided"]),
        helper.make_node("Add", ["divided", "two"], ["moved"]),
        helper.make_node("Reshape", ["moved", "flat"], ["rows"]),
        helper.make_node("Gather", ["rows", "frames"], ["chosen"], axis=0),
        helper.make_node("Reshape", ["chosen", "shape"], ["between_out"]),
    ]
    windows = [len(STARTS), FRAMES, BANDS, 1]
    constants = {
        "tenth": np.array(np.float32(0.1)),
        "two": np.array(np.float32(2)),
        "frames": frames.astype(np.int64),
        "flat": np.array([-1, BANDS], np.int64),
        "shape": np.array(windows, np.int64),
    }
    return model_of("between", nodes, [[1, 1, None, BANDS], windows], **constants)


def after() -> onnx.ModelProto:
    """The vectors of the windows → their mean."""
    nodes = [
        helper.make_node("Reshape", ["after_in", "shape"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["after_out"], axes=[0], keepdims=1),
    ]
    shape = np.array([len(STARTS), SIZE], np.int64)
    return model_of("after", nodes, [[len(STARTS), 1, 1, SIZE], [1, SIZE]], shape=shape)


def chain(parts: list[onnx.ModelProto]) -> onnx.ModelProto:
    """One model of these, each of which reads what the one before gives."""
    model = compose.add_prefix(parts[0], "0/")
    for i, part in enumerate(parts[1:], 1):
        following = compose.add_prefix(part, f"{i}/")
        following.ir_version = model.ir_version  # merge_models refuses different ones
        ends = (model.graph.output[0].name, following.graph.input[0].name)
        model = compose.merge_models(model, following, [ends])
    return model


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="the folder of melspectrogram.onnx and embedding_model.onnx")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    options = parser.parse_args(arguments)
    paths = [options.models / f"{name}.onnx" for name in ("melspectrogram", "embedding_model")]
    if missing := [path for path in paths if not path.is_file()]:
        parser.error(f"{missing[0]}: no such file; it is in the wheel of openwakeword 0.4.0")
    mel, embedding = map(onnx.load, paths)
    with atomic_path(options.out) as path:
        onnx.save(chain([before(), mel, between(), embedding, after()]), path)


if __name__ == "__main__":
    main()
