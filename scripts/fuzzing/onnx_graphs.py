"""ONNX files: damaged ones, and ones whose graph was changed and which were sealed again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.kind import Kind, check_answers
from fuzzing.mutation import FLOATS, INTEGERS, NOT_NUMBERS, TEXTS, mutate
from fuzzing.networks import CELLS, exported_bytes
from fuzzing.recordings import speech
from speech_lstm.model.bundled import bundled_model
from speech_lstm.model.onnx_file import SEAL_SIZE, STREAM_SUFFIX, intact, seal

OPERATORS = ("Loop", "If", "Scan", "ConstantOfShape", "Identity", "Exp", "Concat", "Expand", "Range", "Reciprocal")
DEEP = 4  # graphs inside each other that are looked into


class Graphs(Kind):
    """Exported models: loaded, and asked about one recording; a frame-by-frame one as the companion of a good one."""

    suffix = ".onnx"

    @cached_property
    def corpus(self) -> list[bytes]:
        return [exported_bytes(cell, streaming) for cell in CELLS for streaming in (False, True)]

    @cached_property
    def bundled(self) -> bytes:
        return bundled_model(".onnx").read_bytes()

    def case(self, random: Random) -> bytes:
        content = random.choice(self.corpus) if random.random() < 0.95 else self.bundled
        kind = random.random()
        if kind < 0.15:
            return mutate(content, self.corpus, random)
        if kind < 0.35:
            return self.packed(mutate(self.bare(content), self.corpus, random))
        return seal(changed_graph(self.bare(content), random))

    def bare(self, content: bytes) -> bytes:
        return content[:-SEAL_SIZE] if intact(content) else content

    def packed(self, bare: bytes) -> bytes:
        return seal(bare)

    def run(self, content: bytes, folder: Path) -> None:
        from speech_lstm.recognition.recognizer import load

        path, word = folder / "case.onnx", speech("yes")
        if b"speech-lstm onnx stream" in content:
            path.write_bytes(self.companion(content))
            path.with_suffix(STREAM_SUFFIX).write_bytes(content)
        else:
            path.write_bytes(content)
        model = load(path)
        check_answers([model.classify(word, 16_000), *model.commands(np.tile(word, 3), 16_000)])

    def companion(self, content: bytes) -> bytes:
        """The good model whose folder a frame-by-frame file is put into."""
        cell = next((cell for cell in CELLS if b'"cell": "%s"' % cell.encode() in content), CELLS[0])
        return exported_bytes(cell)


def changed_graph(content: bytes, random: Random) -> bytes:
    """An ONNX file with one to three changes of its graph or its metadata."""
    import onnx

    model = onnx.load_from_string(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice(CHANGES)(model, random)
    return model.SerializeToString()


def graphs(graph: Any, deep: int = DEEP) -> list[Any]:
    """A graph and those in the attributes of its nodes."""
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [graph, *(below for each in inner if deep for below in graphs(each, deep - 1))]


def any_graph(model: Any, random: Random) -> Any:
    return random.choice(graphs(model.graph))


def any_node(model: Any, random: Random) -> Any:
    nodes = any_graph(model, random).node or model.graph.node
    return random.choice(nodes) if nodes else model.graph.node.add(op_type="Identity")


def other_operator(model: Any, random: Random) -> None:
    any_node(model, random).op_type = random.choice(OPERATORS + TEXTS[:8])


def other_name(model: Any, random: Random) -> None:
    node = any_node(model, random)
    node.name = node.domain = utf8(random)
    if random.random() < 0.5:
        node.domain = ""


def other_wire(model: Any, random: Random) -> None:
    """A node reads or writes another value."""
    node = any_node(model, random)
    wires = node.input if random.random() < 0.7 or not node.output else node.output
    names = [name for each in any_graph(model, random).node for name in each.output]
    if wires:
        wires[random.randrange(len(wires))] = random.choice([*names, "", utf8(random)])


def other_attribute(model: Any, random: Random) -> None:
    node = any_node(model, random)
    if not node.attribute:
        return
    attribute = random.choice(node.attribute)
    if attribute.HasField("i"):
        attribute.i = signed(random)
    elif attribute.HasField("f"):
        attribute.f = random.choice(FLOATS + NOT_NUMBERS)
    elif attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = signed(random)
    elif attribute.HasField("t"):
        change_tensor(attribute.t, random)
    else:
        node.attribute.remove(attribute)


def other_weight(model: Any, random: Random) -> None:
    tensors = any_graph(model, random).initializer or model.graph.initializer
    if tensors:
        change_tensor(random.choice(tensors), random)


def change_tensor(tensor: Any, random: Random) -> None:
    """Other values, another shape or type, or the values in a file outside."""
    import onnx

    match random.randrange(5):
        case 0 if tensor.dims:
            tensor.dims[random.randrange(len(tensor.dims))] = signed(random)
        case 1:
            tensor.data_type = random.randrange(24)
        case 2:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            name = random.choice(("case.onnx", "../outside", "/etc/passwd", "\x1b[31m", "/dev/zero"))
            tensor.external_data.add(key="location", value=name)
        case _:
            values = bytearray(tensor.raw_data)
            kind = "<i8" if tensor.data_type == onnx.TensorProto.INT64 else "<f4"
            value = signed(random) if kind == "<i8" else random.choice(FLOATS + NOT_NUMBERS)
            size = np.dtype(kind).itemsize
            if len(values) >= size:
                at = random.randrange(len(values) // size) * size
                count = random.choice((1, 1, len(values) // size))
                values[at : at + count * size] = np.full(count, value, kind).tobytes()[: len(values) - at]
                tensor.raw_data = bytes(values)


def endless_loop(model: Any, random: Random) -> None:
    """A Loop of many rounds in front of an output, or a growing one."""
    import onnx
    from onnx import TensorProto, helper

    graph = model.graph
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Concat", ["x", "x"], ["y"], axis=0)
            if random.random() < 0.3
            else helper.make_node("Identity", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    output = random.choice([node for node in graph.node if node.output])
    inner = f"{output.output[0]}.before"
    loop = helper.make_node("Loop", ["rounds", "yes", inner], [output.output[0]], body=body)
    output.output[0] = inner
    graph.initializer.extend(
        [
            helper.make_tensor("rounds", TensorProto.INT64, [], [abs(signed(random))]),
            helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        ]
    )
    graph.node.insert(list(graph.node).index(output) + 1, loop)
    assert onnx.__version__


def other_port(model: Any, random: Random) -> None:
    """An input or output of another name, shape or type; one more or one less."""
    graph = any_graph(model, random)
    ports = random.choice((graph.input, graph.output))
    if not ports:
        return
    port = random.choice(ports)
    match random.randrange(5):
        case 0:
            port.name = utf8(random)
        case 1:
            port.type.tensor_type.elem_type = random.randrange(24)
        case 2:
            ports.add().CopyFrom(port)
            ports[-1].name = utf8(random)
        case 3:
            ports.remove(port)
        case _:
            sizes = port.type.tensor_type.shape.dim
            if sizes:
                random.choice(sizes).dim_value = signed(random)


def other_fact(model: Any, random: Random) -> None:
    """An entry of the metadata, the opset, or the version of the file."""
    match random.randrange(6):
        case 0:
            random.choice(model.opset_import).version = signed(random)
        case 1:
            model.ir_version = signed(random)
        case 2:
            model.metadata_props.add(key=utf8(random), value=utf8(random))
        case _:
            entry = random.choice(model.metadata_props)
            texts = mutate(entry.value.encode(), [b"{}"], random).decode(errors="ignore"), utf8(random)
            entry.value = random.choice((*texts, "[" * 5000, "null", "NaN", "1e999"))


def one_node_more(model: Any, random: Random) -> None:
    graph = any_graph(model, random)
    names = [name for node in graph.node for name in node.output] or [""]
    inputs = [random.choice(names) for _ in range(random.randrange(4))]
    graph.node.add(op_type=random.choice(OPERATORS), name=utf8(random), input=inputs, output=[utf8(random)])


def one_node_less(model: Any, random: Random) -> None:
    graph = any_graph(model, random)
    if graph.node:
        del graph.node[random.randrange(len(graph.node))]


def signed(random: Random) -> int:
    """A whole number that fits into 64 bits with a sign."""
    return (random.choice(INTEGERS) + 2**63) % 2**64 - 2**63


def utf8(random: Random) -> str:
    return random.choice(TEXTS).encode(errors="replace").decode()


CHANGES: tuple[Callable[[Any, Random], None], ...] = (
    other_operator,
    other_name,
    other_wire,
    other_wire,
    other_attribute,
    other_attribute,
    other_weight,
    other_weight,
    endless_loop,
    other_port,
    other_fact,
    one_node_more,
    one_node_less,
)
