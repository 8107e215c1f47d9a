"""ONNX files that somebody made by hand and sealed: refused in one line, before ONNX Runtime sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ModelError
from speech_lstm.export.graph import CONTRIB, OPSET
from speech_lstm.export.model import recording_model, stream_model
from speech_lstm.export.operators import WRITERS
from speech_lstm.model import onnx_work
from speech_lstm.model.header import check_logits, check_posteriors
from speech_lstm.model.onnx_file import KIND, SEAL_SIZE, STREAM_KIND, STREAM_SUFFIX, open_model, seal
from speech_lstm.model.onnx_graph import IR_VERSIONS, OPSETS, Graph, read_graph
from speech_lstm.model.onnx_operators import OPERATORS
from speech_lstm.model.protobuf import read_message, read_varint
from speech_lstm.recognition.onnx_model import BATCH, OnnxModel
from speech_lstm.recurrent.cell import CELLS
from support.command_line import refusal
from support.exported_models import NOISE, model_of

Change = Callable[[ModelProto], Any]
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def content() -> bytes:
    return recording_model(model_of("lstm"))


@pytest.fixture(scope="module")
def stream_content() -> bytes:
    return stream_model(model_of("clockwork", bidirectional=False))


def changed(content: bytes, change: Change) -> bytes:
    """The file with a change of its ONNX model, sealed again."""
    proto = onnx.load_from_string(content[:-SEAL_SIZE])
    change(proto)
    return seal(proto.SerializeToString())


def refused(content: bytes, kind: str = KIND) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(ModelError) as caught:
        open_model(Path("model.onnx"), content, kind)
    message = str(caught.value)
    assert message.startswith("model.onnx: ")
    assert message.isprintable()
    assert len(message) < 400
    return message


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime must not be asked."""

    def fail(*_: Any) -> None:
        raise AssertionError("given to ONNX Runtime")

    monkeypatch.setattr("speech_lstm.model.onnx_file.open_session", fail)


# --- what is written is what is accepted -------------------------------------------------------------------------


def nodes(graph: Graph) -> list[Any]:
    bodies = [node.attributes["body"] for node in graph.nodes if "body" in node.attributes]
    return graph.nodes + [node for body in bodies for node in nodes(body)]


def test_the_versions_are_those_of_the_exporter(content: bytes) -> None:
    assert {"": OPSET, CONTRIB: 1} == OPSETS
    assert onnx.load_from_string(content).ir_version in range(IR_VERSIONS[0], IR_VERSIONS[1] + 1)


def test_every_operator_that_is_accepted_is_written_by_the_exporter() -> None:
    """By some cell of the package, or by the table for cells of others."""
    written = {node.operator for node in nodes(read_graph(stream_model(model_of("clockwork", bidirectional=False))))}
    written |= {node.operator for node in nodes(read_graph(recording_model(model_of("lstm"))))}
    for name in [name for name, cell in CELLS.items() if cell.__module__.startswith("speech_lstm.")]:
        written |= {node.operator for node in nodes(read_graph(recording_model(model_of(name), int8=True)))}
    others = {"".join(part.capitalize() for part in name.split("_")) for name in WRITERS}
    others |= {"Less", "LessOrEqual", "Max", "Min", "Clip", "Not", "ReduceMean", "ReduceSum", "LayerNormalization"}
    assert written <= OPERATORS.keys()
    assert OPERATORS.keys() - written <= others


@pytest.mark.parametrize("file", sorted((ROOT / "checkpoints").glob("*.onnx")), ids=lambda file: file.name)
def test_the_included_files_are_far_from_the_limits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_work, "MOST_NUMBERS", onnx_work.MOST_NUMBERS // 10)
    monkeypatch.setattr(onnx_work, "MOST_OPERATIONS", onnx_work.MOST_OPERATIONS // 10)
    streams = file.name.endswith(STREAM_SUFFIX)  # one second or hop at a time, which opening checks
    session, _ = open_model(file, file.read_bytes(), STREAM_KIND if streams else KIND)
    assert streams or session.allows(BATCH)


def test_a_network_too_large_for_a_batch_is_run_window_by_window(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    windows = np.resize(NOISE, (5, CLIP_SAMPLES))
    wide = OnnxModel(tmp_path / "model.onnx")
    narrow = OnnxModel(tmp_path / "model.onnx")
    narrow.session.size = -(onnx_work.MOST_NUMBERS - 400_000) // onnx_work.NUMBERS_PER_BYTE
    np.testing.assert_allclose(narrow.posteriors(windows), wide.posteriors(windows), atol=1e-6)
    assert (wide.batch, narrow.batch) == (BATCH, 1)


# --- graphs that do harm -----------------------------------------------------------------------------------------


def constant(proto: ModelProto, name: str, value: Any) -> str:
    proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    return name


def add(proto: ModelProto, *new: Any) -> None:
    """Put nodes before those of the outputs."""
    place = next(i for i, node in enumerate(proto.graph.node) if node.output[0] == "probabilities")
    for i, node in enumerate(new):
        proto.graph.node.insert(place + i, node)


def node(operator: str, inputs: list[str], outputs: list[str], **more: Any) -> Any:
    return helper.make_node(operator, inputs, outputs, **more)


def endless(proto: ModelProto) -> None:
    """A Loop of 2^62 rounds."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Neg", ["v"], ["w"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, [])],
        [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, [])],
    )
    trips, go, start = constant(proto, "n", 2**62), constant(proto, "t", True), constant(proto, "s", np.float32(1))
    add(proto, node("Loop", [trips, go, start], ["evil"], body=body))


def branch(proto: ModelProto) -> None:
    part = helper.make_graph(
        [node("Sqrt", ["s"], ["r"])], "part", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, [])]
    )
    constant(proto, "s", np.float32(1))
    add(proto, node("If", [constant(proto, "t", True)], ["evil"], then_branch=part, else_branch=part))


def giant_constant(proto: ModelProto) -> None:
    add(proto, node("ConstantOfShape", [constant(proto, "size", [2**26, 10])], ["evil"]))


def giant_expand(proto: ModelProto) -> None:
    constant(proto, "one", np.ones(1, np.float32))
    add(proto, node("Expand", ["one", constant(proto, "size", [2**20, 2**20])], ["evil"]))


def doubling(proto: ModelProto) -> None:
    constant(proto, "d0", np.ones(64, np.float32))
    add(proto, *(node("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], axis=0) for i in range(40)))


def broadcast(proto: ModelProto) -> None:
    constant(proto, "row", np.ones((1, 50_000), np.float32))
    add(proto, node("Transpose", ["row"], ["column"], perm=[1, 0]), node("Add", ["row", "column"], ["evil"]))


def many_products(proto: ModelProto) -> None:
    constant(proto, "p0", np.ones((1, 1000), np.float32))
    add(
        proto,
        node("Expand", ["p0", constant(proto, "size", [1000, 1000])], ["p1"]),
        *(node("MatMul", [f"p{i}", f"p{i}"], [f"p{i + 1}"]) for i in range(1, 60)),
    )


def long_range(proto: ModelProto) -> None:
    ends = [constant(proto, name, value) for name, value in (("a", 0), ("b", 2**62), ("c", 1))]
    add(proto, node("Range", ends, ["evil"]))


def size_from_the_sound(proto: ModelProto) -> None:
    add(
        proto,
        node("Cast", ["waveforms"], ["whole"], to=TensorProto.INT64),
        node("Slice", ["whole", *(constant(proto, n, [v]) for n, v in (("a", 0), ("b", 2), ("c", 1)))], ["few"]),
        node("Reshape", ["few", constant(proto, "flat", [-1])], ["sizes"]),
        node("ConstantOfShape", ["sizes"], ["evil"]),
    )


def whole_division(proto: ModelProto) -> None:
    """The least integer by -1 ended the process."""
    add(proto, node("Div", [constant(proto, "x", [-(2**63)]), constant(proto, "y", [-1])], ["evil"]))


def growing_loop(proto: ModelProto) -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Concat", ["v", "v"], ["w"], axis=0), node("Identity", ["x"], ["y"])],
        "body",
        [value("v", TensorProto.FLOAT, ["n"]), value("x", TensorProto.FLOAT, None)],
        [value("w", TensorProto.FLOAT, None), value("y", TensorProto.FLOAT, None)],
    )
    start = constant(proto, "s", np.ones(1, np.float32))
    add(
        proto,
        node("Transpose", ["waveforms"], ["samples"], perm=[1, 0]),
        node("Scan", [start, "samples"], ["evil", "more"], body=body, num_scan_inputs=1),
    )


def loop_in_a_loop(proto: ModelProto) -> None:
    value = helper.make_tensor_value_info
    inner = helper.make_graph([], "inner", [], [])
    body = helper.make_graph(
        [node("Scan", ["x"], ["y"], body=inner, num_scan_inputs=1)],
        "body",
        [value("x", TensorProto.FLOAT, None)],
        [value("y", TensorProto.FLOAT, None)],
    )
    add(proto, node("Scan", ["waveforms"], ["evil"], body=body, num_scan_inputs=1))


def external(proto: ModelProto) -> None:
    tensor = next(each for each in proto.graph.initializer if len(each.raw_data) > 100)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def function(proto: ModelProto) -> None:
    proto.functions.append(
        helper.make_function("evil", "F", ["x"], ["y"], [node("Neg", ["x"], ["y"])], proto.opset_import)
    )


def claim(proto: ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [2**40, 2**40]


def escape(proto: ModelProto) -> None:
    add(proto, node("\x1b]0;PWNED\x07", ["waveforms"], ["evil"], name="\x1b]0;PWNED\x07"))


def reads_waveforms(proto: ModelProto, output: str) -> None:
    next(node for node in proto.graph.node if node.output[0] == output).input[0] = "waveforms"


HARM: dict[str, tuple[Change, str]] = {
    "an endless loop": (endless, "'Loop'"),
    "a branch": (branch, "cannot be run"),
    "a giant constant": (giant_constant, "more memory"),
    "a giant expansion": (giant_expand, "more memory"),
    "doubling": (doubling, "more memory"),
    "a sum of a row and a column": (broadcast, "more memory"),
    "many products": (many_products, "more operations"),
    "a long range": (long_range, "more memory"),
    "a size from the sound": (size_from_the_sound, "a shape that depends on"),
    "a division of integers": (whole_division, "a division"),
    "a loop that grows": (growing_loop, "changes its shape"),
    "a loop in a loop": (loop_in_a_loop, "that no export has"),
    "weights of another file": (external, "that no export has"),
    "a function": (function, "that no export has"),
    "a constant of claimed size": (claim, "size is not that of its data"),
    "an operator whose name is an escape": (escape, "\\x1b]0;PWNED\\x07"),
    "an operator of another set": (lambda p: p.graph.node[0].__setattr__("domain", "evil"), "'evil."),
    "another opset": (lambda p: p.opset_import[0].__setattr__("version", 20), "version 20"),
    "another set of operators": (lambda p: p.opset_import.append(helper.make_opsetid("evil", 1)), "'evil'"),
    "an older format": (lambda p: p.__setattr__("ir_version", 3), "the format 3"),
    "an unknown attribute": (
        lambda p: p.graph.node[-1].attribute.append(helper.make_attribute("x", 1)),
        "an attribute 'x'",
    ),
    "a name that nothing computes": (lambda p: p.graph.node[-1].input.__setitem__(0, "x\n" * 99), "nothing computes"),
    "a name twice": (lambda p: p.graph.node.append(p.graph.node[-1]), "other outputs"),
    "no graph": (lambda p: p.ClearField("graph"), "other inputs"),
    "a further input": (
        lambda p: p.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])),
        "other inputs",
    ),
    "another name of the input": (lambda p: p.graph.input[0].__setattr__("name", "sound"), "other inputs"),
    "an integer input": (
        lambda p: p.graph.input[0].type.tensor_type.__setattr__("elem_type", TensorProto.INT64),
        "'waveforms' of a type",
    ),
    "an input of fixed size": (
        lambda p: p.graph.input[0].type.tensor_type.shape.dim[0].__setattr__("dim_value", 7),
        "'waveforms' of a shape",
    ),
    "another name of the output": (lambda p: p.graph.output[0].__setattr__("name", "odds"), "other outputs"),
    "a further output": (lambda p: p.graph.output.append(p.graph.output[0]), "output twice"),
    "an output of another size": (
        lambda p: p.graph.output[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 4),
        "'probabilities' of a shape",
    ),
    "logits that are features": (lambda p: reads_waveforms(p, "logits"), "answers of another"),
    "vectors that are features": (lambda p: reads_waveforms(p, "vector"), "vectors of another"),
    "vectors without a size": (
        lambda p: p.graph.output[2].type.tensor_type.shape.dim[1].ClearField("dim_value"),
        "'vector' of a shape",
    ),
}


@pytest.mark.usefixtures("no_runtime")
@pytest.mark.parametrize("harm", HARM)
def test_a_graph_that_does_harm(content: bytes, harm: str) -> None:
    change, says = HARM[harm]
    assert says in refused(changed(content, change))


def entry(key: str, value: str) -> Change:
    def change(proto: ModelProto) -> None:
        next(item for item in proto.metadata_props if item.key == key).value = value

    return change


@pytest.mark.usefixtures("no_runtime")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("precision", "{"),
        ("precision", "[" * 100_000),
        ("precision", "7"),
        ("source", "{}"),
        ("version", "9" * 5000),
        ("version", "²"),
        ("labels", json.dumps(["yes", "no"])),  # one less than the outputs
        ("labels", json.dumps(["yes", "no", "\x1b[31m"])),
        ("labels", json.dumps(["yes", "no", "ünd", "more"])),
        ("network", json.dumps({"\x1b]0;PWNED\x07" + "x" * 10_000: 1})),
        ("features", "1e999"),
    ],
)
def test_metadata_that_do_not_fit(content: bytes, key: str, value: str) -> None:
    refused(changed(content, entry(key, value)))


@pytest.mark.usefixtures("no_runtime")
def test_an_entry_of_the_metadata_twice(content: bytes) -> None:
    assert "twice" in refused(changed(content, lambda p: p.metadata_props.append(p.metadata_props[3])))


@pytest.mark.usefixtures("no_runtime")
@pytest.mark.parametrize("size", [2**40, -5])
def test_the_state_of_a_stream_takes_no_memory(stream_content: bytes, size: int) -> None:
    def change(proto: ModelProto) -> None:
        proto.graph.input[1].type.tensor_type.shape.dim[1].dim_value = size

    assert "cannot be run" in refused(changed(stream_content, change), STREAM_KIND)


def test_what_onnx_runtime_says_is_one_line(content: bytes) -> None:
    """A graph of the right shapes and of wrong types."""

    def change(proto: ModelProto) -> None:
        product = next(each for each in proto.graph.node if each.op_type == "Log")
        product.op_type, product.name = "Not", "\x1b]0;PWNED\x07\n" * 50

    assert "damaged" in refused(changed(content, change))


def test_a_failure_while_it_runs(content: bytes, tmp_path: Path) -> None:
    """Places outside of the table, which only the run finds."""

    def change(proto: ModelProto) -> None:
        last = proto.graph.node[-1]
        constant(proto, "places", [7, 8, 9])
        add(proto, node("Gather", [last.input[0], "places"], ["evil"], axis=1))
        last.input[0] = "evil"

    path = tmp_path / "model.onnx"
    path.write_bytes(changed(content, change))
    with pytest.raises(ModelError, match="cannot be run") as caught:
        OnnxModel(path).logits(np.zeros((1, CLIP_SAMPLES), np.float32))
    assert str(caught.value).isprintable()


def test_an_answer_is_never_nan(content: bytes, tmp_path: Path) -> None:
    def change(proto: ModelProto) -> None:
        last = next(each for each in proto.graph.node if each.output[0] == "probabilities")
        constant(proto, "minus", np.float32(-1))
        add(proto, node("Mul", [last.input[0], "minus"], ["low"]), node("Log", ["low"], ["evil"]))
        last.input[0] = "evil"

    path = tmp_path / "model.onnx"
    path.write_bytes(changed(content, change))
    with pytest.raises(ModelError, match="no probabilities"):
        OnnxModel(path).posteriors(np.zeros((1, CLIP_SAMPLES), np.float32))


def test_logits_that_are_no_numbers() -> None:
    check_logits(np.array([[-1e9, 1e9]], np.float32))
    for number in (np.nan, np.inf):
        with pytest.raises(ModelError, match="no probabilities"):
            check_logits(np.array([[0, number]], np.float32))


@pytest.mark.parametrize("number", [np.nan, np.inf, -0.1, 1.1])
def test_what_is_no_probability(number: float) -> None:
    check_posteriors(np.array([[0, 1], [0.5, 0.5]], np.float32))
    check_posteriors(np.zeros((0, 2), np.float32))
    with pytest.raises(ModelError, match="no probabilities"):
        check_posteriors(np.array([[0, 1], [0.5, number]], np.float32))


def test_the_command_refuses_in_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = next((ROOT / "data" / "demo" / "stop").iterdir())
    for name in ("an endless loop", "an operator whose name is an escape"):
        (tmp_path / "model.onnx").write_bytes(changed(content, HARM[name][0]))
        assert "cannot be run" in refusal(capsys, "classify", recording, "--model", tmp_path / "model.onnx")


# --- the reader --------------------------------------------------------------------------------------------------


def test_the_largest_and_the_longest_numbers() -> None:
    for number in (0, 1, 127, 128, 2**63 - 1, 2**64 - 1):
        encoded = bytearray()
        rest = number
        while rest > 127:
            encoded.append(rest & 127 | 128)
            rest >>= 7
        encoded.append(rest)
        assert read_varint(memoryview(encoded), 0) == (number, len(encoded))
    for wrong in (b"", b"\x80", b"\xff" * 9 + b"\x7f", b"\x80" * 11):
        with pytest.raises(ValueError, match="no end"):
            read_varint(memoryview(wrong), 0)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.usefixtures("no_runtime")
def test_any_bytes_and_any_change_are_refused_or_read(content: bytes, data: st.DataObject) -> None:
    """Nothing but the project's own error, whatever the file has before its seal."""
    small = content[:-SEAL_SIZE]
    place = data.draw(st.integers(0, len(small)))
    new = small[:place] + data.draw(st.binary(max_size=4)) + small[place + data.draw(st.integers(0, 4)) :]
    with suppress(ModelError, AssertionError):  # the last one of `no_runtime`
        open_model(Path("model.onnx"), seal(new))


def test_messages_of_other_fields_are_skipped_or_refused() -> None:
    message = memoryview(b"\x08\x01\x12\x02hi")
    assert read_message(message, {}, others=True) == {}
    with pytest.raises(ValueError, match="a field 1"):
        read_message(message, {})
