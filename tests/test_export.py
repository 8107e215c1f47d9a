"""A model as an ONNX file gives what torch gives, for every cell, setting, batch and length."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import DetectionConfig, FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.export import native
from speech_lstm.export.files import answer_with, export, stream_with
from speech_lstm.export.front_end import log_mel
from speech_lstm.export.graph import CONTRIB, Floats, OnnxGraph, quantise
from speech_lstm.export.model import recording_model, stream_model, value_info
from speech_lstm.export.parity import (
    TOLERANCE,
    Accuracy,
    Parity,
    ParityError,
    answer_of,
    compare,
    compare_recordings,
    compare_stream,
)
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.onnx_file import STREAM_KIND, open_model, open_session
from speech_lstm.recurrent import cell as cells
from speech_lstm.recurrent.plugins import load_plugin
from support import naive_cells
from support.exported_models import NOISE, calm, model_of
from support.sounds import VARIED, sounds

NATIVE = (
    dict.fromkeys(["lstm", "peephole", "nig", "nfg", "nog", "niaf", "noaf", "cifg"], "LSTM")
    | dict.fromkeys(("gru", "gru-cho"), "GRU")
    | dict.fromkeys(("rnn", "rnn-relu", "irnn"), "RNN")
)
PATH = Path("model.onnx")  # of no file
SETTINGS: dict[str, dict[str, Any]] = {
    "tied": {"tied": True, "layers": 3},
    "sizes": {"sizes": "8,4"},
    "query": {"pooling": "query"},
    "mean": {"pooling": "mean"},
    "last": {"pooling": "last"},
    "last, one direction": {"pooling": "last", "bidirectional": False},
    "layer norm": {"normalise": "layer"},
    "no norm": {"normalise": "none"},
}


@pytest.fixture(autouse=True)
def no_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an installed package: noise is compared alone, which is faster."""
    monkeypatch.setattr("speech_lstm.export.parity.DEMO", Path("nowhere"))


def parity(model: Model, int8: bool = False) -> Parity:
    return compare_recordings(model, answer_with(open_model(PATH, recording_model(model, int8))[0]))


def operators(content: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(content).graph.node}


# --- the cells ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_every_cell_gives_the_same_logits(name: str) -> None:
    model = model_of(name)
    content = recording_model(model)
    compare_recordings(model, answer_with(open_session(PATH, content))).check()
    assert np.ptp(answer_of(model)(NOISE), axis=0).max() > 0.1  # the recordings make a difference
    kinds = operators(content)
    loops = {"grid-tf": {"Scan", "LSTM"}}.get(name, {"Scan"})  # the second layer of grid-tf is an LSTM
    assert kinds & {"LSTM", "GRU", "RNN", "Scan"} == ({NATIVE[name]} if name in NATIVE else loops)


@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_every_cell_goes_frame_by_frame(name: str) -> None:
    model = model_of(name, bidirectional=False)
    parity(model).check()
    compare_stream(model, stream_with(open_model(PATH, stream_model(model), STREAM_KIND)[0])).check()


@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_int8_is_near_and_small(name: str) -> None:
    """The logits move a little, and the file shrinks."""
    model = calm(model_of(name, hidden=32))
    small, large = recording_model(model, True), recording_model(model)
    matrices = sum(part.numel() for part in model.network.stack.parameters() if part.dim() > 2)
    assert len(small) < len(large) - 2 * matrices  # three bytes less for each, but for their scales
    want, exact, rounded = (
        answer(NOISE)
        for answer in (answer_of(model), *(answer_with(open_model(PATH, file)[0]) for file in (large, small)))
    )
    spread = np.abs(want - want.mean(0)).max() + np.abs(want).max()
    assert np.abs(exact - want).max() < 1e-3 * spread
    assert 0 < np.abs(rounded - want).max() < 0.1 * spread


def test_only_the_int8_lstm_needs_more_than_standard_operators() -> None:
    for name, int8 in (("lstm", False), ("peephole", True), ("gru", True), ("fgr", True)):
        proto = onnx.load_from_string(recording_model(model_of(name), int8))
        contributed = {node.op_type for node in proto.graph.node if node.domain == CONTRIB}
        assert contributed == ({"DynamicQuantizeLSTM"} if (name, int8) == ("peephole", True) else set())
        assert {item.domain for item in proto.opset_import} <= {"", CONTRIB}


@pytest.mark.parametrize("changes", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("name", ["lstm", "fgr"])
def test_settings_of_the_network(name: str, changes: dict[str, Any]) -> None:
    parity(model_of(name, **changes)).check()


@pytest.mark.parametrize("changes", [{"tied": True, "layers": 3}, {"layers": 4}], ids=["tied", "deep"])
@pytest.mark.parametrize("name", ["depth-gated", "grid"])
def test_memory_tracks(name: str, changes: dict[str, Any]) -> None:
    for both in (False, True):
        parity(model_of(name, bidirectional=both, **changes)).check()


def test_grid_with_time_first_and_log_mel() -> None:
    parity(model_of("grid", time_first=True)).check()


def test_a_clockwork_longer_than_its_longest_period() -> None:
    parity(model_of("clockwork", hidden=12, clocks=6)).check()


# --- cells from outside ------------------------------------------------------------------------------------------


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Registers a cell whose step ends in the given line; its name."""
    names = []

    def make(line: str, more: str = "") -> str:
        name = f"outside{len(names)}-{request.node.name}"
        text = (
            "import torch\nfrom speech_lstm.recurrent.cell import Cell, Matrix, Vector, register\n"
            f"@register\nclass Outside(Cell):\n    name = {name!r}\n    title = paper = equations = 'x'\n"
            "    inputs = ('a', 'b')\n    state = ('h', 'c')\n"
            "    def weights(self):\n        return {'u': Matrix(2), 'p': Vector(2)}\n"
            f"{more}"
            "    def step(self, frame, state, weights):\n        h, c = state\n"
            "        a, b = weights.product['u'](frame.x, h).chunk(2, -1)\n"
            "        p, q = weights.vector['p'].chunk(2, -1)\n"
            f"        {line}\n"
        )
        file = tmp_path / f"outside{len(names)}.py"
        file.write_text(text)
        names.append(name)
        load_plugin(str(file))
        return name

    yield make
    for name in names:
        del cells.CELLS[name]


@pytest.mark.parametrize(
    "line",
    [
        "return torch.nn.functional.layer_norm(a, a.shape[-1:]).tanh(), torch.lerp(c, b.sigmoid(), 0.3)",
        "return torch.where(a > q, a, -b).clamp(-1, 1), torch.stack([a, b], -1).mean(-1).tanh()",
        "c = c * (b.exp() / (1 + b.exp())) + a.softmax(-1); return torch.maximum(c, h).tanh(), c.clamp(max=2)",
        "return (torch.cat([a, torch.ones_like(b)], -1)[..., 1::2] * p).tanh(), (frame.index % 3 > 0) * b.tanh()",
        "return a.tanh().flip(-1) if False else 2 - a.sigmoid() ** 2, torch.zeros_like(c)",
        "c = a.view(*a.shape[:2], 2, -1).transpose(2, 3).flatten(2); return c.tanh(), b.square().rsqrt().tanh()",
        "c = torch.addcmul(c, a.sin(), p, value=0.5); c -= q; return c.tanh(), b.abs().sqrt().mul_(0.5)",
    ],
)
def test_cells_of_others(line: str, plugin: Any) -> None:
    """What a step is likely to be made of, in both directions and as a stream."""
    name = plugin(line)
    parity(model_of(name)).check()
    model = model_of(name, bidirectional=False)
    compare_stream(model, stream_with(open_model(PATH, stream_model(model), STREAM_KIND)[0])).check()


@pytest.mark.usefixtures("forget_plugins")
def test_the_cell_of_the_documentation() -> None:
    load_plugin(str(Path(__file__).parents[1] / "docs" / "own_cell.py"))
    parity(model_of("mgu")).check()


def test_a_class_derived_of_a_native_cell_keeps_its_own_step(plugin: Any) -> None:
    name = "derived"
    derived = type("Derived", (cells.CELLS["rnn"],), {"name": name, "step": lambda self, f, s, w: (-f.x.tanh(),)})
    derived.kernel = cells.Cell.kernel
    cells.register(derived)
    try:
        parity(model_of(name)).check()
    finally:
        del cells.CELLS[name]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("return torch.special.bessel_j0(a), c", "bessel_j0"),
        ("return (a if frame.index > 3 else b).tanh(), c", "_local_scalar_dense"),
        ("return a.transpose(0, 1).reshape(1, -1).view(a.shape).tanh(), c", "first two axes"),
    ],
)
def test_a_step_that_cannot_be_exported_is_refused(line: str, says: str, plugin: Any) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        recording_model(model_of(plugin(line)))
    assert "\n" not in str(caught.value)


def test_a_state_that_does_not_start_at_zero(plugin: Any) -> None:
    ones = "(like.new_ones(directions, batch, self.hidden),) * 2"
    start = f"    def start(self, batch, directions, like):\n        return {ones}\n"
    name = plugin("return (a + c).tanh(), (c + b).tanh()", start)
    parity(model_of(name)).check()
    with pytest.raises(ConfigError, match="start at 0"):
        stream_model(model_of(name, bidirectional=False))


# --- the front end -----------------------------------------------------------------------------------------------


def front_end_of(config: FeatureConfig, waveforms: Floats) -> tuple[Floats, Floats]:
    """Log-mel bands by torch and by ONNX Runtime."""
    front_end, graph = FrontEnd(replace(config, kind="log-mel")), OnnxGraph()
    name = log_mel(graph, "waveforms", front_end)
    shape = ("batch", "frames", config.mels)
    proto = graph.model("x", [value_info("waveforms", ("batch", "samples"))], [value_info(name, shape)], {})
    session = open_session(PATH, proto.SerializeToString())
    return front_end(torch.from_numpy(waveforms)).numpy(), session.run(None, {"waveforms": waveforms})[0]


@settings(max_examples=12, deadline=None)
@given(config=VARIED)
@example(config=FeatureConfig())
@example(config=FeatureConfig(window_ms=481 / 16, hop_ms=1.0))  # an odd window, a hop that divides the rest
@example(config=FeatureConfig(window_ms=20, hop_ms=20))  # no overlap
@example(config=FeatureConfig(window_ms=1, hop_ms=1, mels=2, coefficients=2, high_hz=8000))  # 16 samples
def test_the_front_end(config: FeatureConfig) -> None:
    for samples in (config.window, config.window + config.hop - 1, 3207 + config.window):
        want, actual = front_end_of(config, sounds(2, samples))
        assert actual.shape == want.shape
        assert np.abs(actual - want).max() < 1e-3


def test_digital_silence_is_no_infinity() -> None:
    want, actual = front_end_of(FeatureConfig(), np.zeros((1, 16_000), np.float32))
    np.testing.assert_array_equal(actual, want)


# --- what is inside a file ---------------------------------------------------------------------------------------


def metadata(content: bytes) -> dict[str, str]:
    return {item.key: item.value for item in onnx.load_from_string(content).metadata_props}


def test_metadata_tell_everything_that_recognition_needs() -> None:
    facts: dict[str, Any] = {"detection": DetectionConfig({"yes": 0.4}), "training": {"epoch": 3, "note": "✓"}}
    model = replace(model_of("lstm"), **facts)
    forwards = replace(model_of("lstm", bidirectional=False), **facts)
    for entries, kind, precision in (
        (metadata(recording_model(model)), "model", "float32"),
        (metadata(recording_model(model, True)), "model", "int8"),
        (metadata(stream_model(forwards)), "stream", "float32"),
    ):
        assert entries["kind"] == f"speech-lstm onnx {kind}"
        assert json.loads(entries["precision"]) == precision
        assert json.loads(entries["labels"]) == list(model.labels)
        assert json.loads(entries["rate"]) == 16_000
        assert DetectionConfig(**json.loads(entries["detection"])) == facts["detection"]
        assert json.loads(entries["training"]) == facts["training"]
        assert FeatureConfig(**json.loads(entries["features"])) == model.features
        assert NetworkConfig(**json.loads(entries["network"])).cell == "lstm"


@settings(max_examples=20, deadline=None)
@given(matrix=arrays(np.float32, (3, 4, 2), elements=st.floats(-8, 8, width=32)))
@example(matrix=np.full((3, 4, 2), 4e-42, np.float32))  # a scale of few digits
def test_rounding_to_int8(matrix: Floats) -> None:
    whole, scale = quantise(matrix, 64)
    assert np.abs(whole).max() <= 64
    assert (np.abs(whole * scale - matrix) <= scale / 2 * 1.001).all()


def test_the_weights_of_a_fused_lstm_cannot_overflow() -> None:
    """2 · 255 · weight must fit into 16 bits with a sign."""
    assert 2 * 255 * native.SAFE_LEVELS <= 2**15 - 1


# --- a failure ---------------------------------------------------------------------------------------------------


def test_a_difference_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.export.front_end.LOG_OFFSET", 1.1e-6)
    out = tmp_path / "model.onnx"
    out.write_text("what was here")
    with pytest.raises(ParityError, match="differs from the model") as caught:
        export(model_of("lstm"), out)
    assert caught.value.exit_status == 1
    assert (out.read_text(), len(list(tmp_path.iterdir()))) == ("what was here", 1)


def test_a_difference_of_the_stream_leaves_neither_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.export.model.CLIP_SAMPLES", 8_000)  # half a second held in place of one
    with pytest.raises(ParityError):
        export(model_of("lstm", bidirectional=False), tmp_path / "model.onnx", streaming=True)
    assert not list(tmp_path.iterdir())


def test_what_counts_as_the_same() -> None:
    def check(want: list[float], actual: list[float]) -> None:
        compare(iter([(np.array([want], np.float32), np.array([actual], np.float32))]), "").check()

    check([1, 2], [1 + TOLERANCE / 2, 2])
    check([1e6, 2e6], [1e6 + 20, 2e6])
    for want, actual in (([1, 2], [1 + 2 * TOLERANCE, 2]), ([1, 1 + 1e-6], [1 + 1e-6, 1]), ([1, 2], [np.nan, 2])):
        with pytest.raises(ParityError):
            check(want, actual)


def test_how_much_accuracy_may_be_lost() -> None:
    Accuracy(950, 948, 1000).check()
    Accuracy(950, 1000, 1000).check()
    with pytest.raises(ParityError, match=r"94\.70 %.*95\.00 %"):
        Accuracy(950, 947, 1000).check()


def test_a_network_of_both_directions_is_no_stream() -> None:
    with pytest.raises(ConfigError, match="--bidirectional false"):
        stream_model(model_of("lstm"))
