"""The script that joins a spectrogram and an embedding, with small networks in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.training.onnx_teacher import OnnxNetwork

ROOT = Path(__file__).resolve().parents[1]
SIDE, HOP, FRAMES, BANDS, SIZE = 3200, 160, 76, 32, 96
WEIGHTS = np.random.default_rng(1).normal(0, 1, (BANDS, SIZE)).astype(np.float32)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The script."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import make_embedder

    return lambda *words: make_embedder.main([str(word) for word in words])


def write(path: Path, nodes: list[onnx.NodeProto], ends: list[onnx.ValueInfoProto], **constants: np.ndarray) -> None:
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def write_networks(folder: Path) -> None:
    """A spectrogram of the first samples of each hop, and an embedding that is a product of the mean frame."""
    value = helper.make_tensor_value_info
    cut = [
        helper.make_node("Reshape", ["input", "hops"], ["rows"]),
        helper.make_node("Slice", ["rows", "low", "high", "axis"], ["bands"]),
        helper.make_node("Reshape", ["bands", "shape"], ["output"]),
    ]
    sizes = {"hops": [-1, HOP], "low": [0], "high": [BANDS], "axis": [1], "shape": [1, 1, -1, BANDS]}
    ends = [
        value("input", TensorProto.FLOAT, ["n", "samples"]),
        value("output", TensorProto.FLOAT, ["t", 1, "f", BANDS]),
    ]
    write(folder / "melspectrogram.onnx", cut, ends, **{name: np.array(size) for name, size in sizes.items()})
    embed = [
        helper.make_node("ReduceMean", ["input_1"], ["mean"], axes=[1, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["product"]),
        helper.make_node("Reshape", ["product", "shape"], ["vectors"]),
    ]
    ends = [
        value("input_1", TensorProto.FLOAT, ["n", FRAMES, BANDS, 1]),
        value("vectors", TensorProto.FLOAT, ["n", 1, 1, SIZE]),
    ]
    write(folder / "embedding_model.onnx", embed, ends, weights=WEIGHTS, shape=np.array([-1, 1, 1, SIZE]))


def test_the_joined_network_gives_the_mean_vector_of_three_places(tmp_path: Path, make: Callable[..., None]) -> None:
    write_networks(tmp_path)
    make(tmp_path, "--out", tmp_path / "e.onnx")
    network = OnnxNetwork(tmp_path / "e.onnx", "embedder")
    clip = np.random.default_rng(2).uniform(-1, 1, CLIP_SAMPLES).astype(np.float32)
    faint = np.random.default_rng(0).standard_normal(CLIP_SAMPLES + 2 * SIDE)
    frames = (np.pad(clip * 32767, SIDE) + faint).reshape(-1, HOP)[:, :BANDS] / 10 + 2
    windows = [frames[start : start + FRAMES].mean(0) @ WEIGHTS for start in (0, 30, 60)]
    np.testing.assert_allclose(network.answer(clip[None]), np.mean(windows, 0), rtol=1e-3, atol=0.05)
    assert network.size == SIZE


def test_a_missing_network_is_named(
    tmp_path: Path, make: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        make(tmp_path, "--out", tmp_path / "e.onnx")
    assert caught.value.code == 2
    assert "melspectrogram.onnx: no such file" in capsys.readouterr().err
    assert not (tmp_path / "e.onnx").exists()
