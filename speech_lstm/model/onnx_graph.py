"""The graph of an ONNX file, read before ONNX Runtime gets it: only what the exporter writes is accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.model.protobuf import Field, Message, Schema, read_message

OPSETS = {"": 25, "com.microsoft": 1}  # the versions of the operators; `speech_lstm.export.graph` writes the same
IR_VERSIONS = (10, 13)  # of the file format, the oldest and the newest
MOST_DIMENSIONS = 8
DTYPES: dict[int, type[np.generic]] = {  # of TensorProto.DataType: those of weights and of what a step computes
    1: np.float32,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    11: np.float64,
}

Shape = tuple[int | str, ...]  # a free size has a name


class Value(NamedTuple):
    """An input or output of the graph."""

    dtype: type[np.generic]
    shape: Shape


@dataclass
class OnnxNode:
    """A use of an operator; an input of "" is omitted. The attribute `body` is a Graph."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Graph:
    """The graph of a file, or the body of a Scan, which has no constants of its own."""

    inputs: dict[str, Value | None]  # by name, in order; None for those of a body
    outputs: dict[str, Value | None]
    nodes: list[OnnxNode]
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)  # views of the file


# The numbers are those of onnx.proto. What is missing here, no exporter of this package writes: functions, external
# data, sparse tensors, training information and every kind of attribute but these.
DIMENSION: Schema = {1: Field("size", int), 2: Field("name", str)}
SHAPE: Schema = {1: Field("dimensions", DIMENSION, True)}
TENSOR_TYPE: Schema = {1: Field("dtype", int), 2: Field("shape", SHAPE)}
VALUE: Schema = {1: Field("name", str), 2: Field("type", {1: Field("tensor", TENSOR_TYPE)})}
TENSOR: Schema = {
    1: Field("dimensions", int, True),
    2: Field("dtype", int),
    8: Field("name", str),
    9: Field("data", bytes),
}
PLAIN_ATTRIBUTE: Schema = {
    1: Field("name", str),
    2: Field("float", float),
    3: Field("int", int),
    4: Field("text", str),
    7: Field("floats", float, True),
    8: Field("ints", int, True),
    9: Field("texts", str, True),
    20: Field("type", int),
}
ATTRIBUTE_TYPES = {1: "float", 2: "int", 3: "text", 5: "graph", 6: "floats", 7: "ints", 8: "texts"}


def node_schema(attribute: Schema) -> Schema:
    return {
        1: Field("inputs", str, True),
        2: Field("outputs", str, True),
        3: Field("name", str),
        4: Field("operator", str),
        5: Field("attributes", attribute, True),
        7: Field("domain", str),
    }


def graph_schema(attribute: Schema) -> Schema:
    return {
        1: Field("nodes", node_schema(attribute), True),
        2: Field("name", str),
        5: Field("constants", TENSOR, True),
        11: Field("inputs", VALUE, True),
        12: Field("outputs", VALUE, True),
    }


BODY = graph_schema(PLAIN_ATTRIBUTE)  # no loop within a loop
GRAPH = graph_schema(PLAIN_ATTRIBUTE | {6: Field("graph", BODY)})
OPSET: Schema = {1: Field("domain", str), 2: Field("version", int)}
ENTRY: Schema = {1: Field("key", str), 2: Field("text", str)}
ENTRIES: Schema = {14: Field("entries", ENTRY, True)}  # of a model, the only field that is read of a foreign file
MODEL: Schema = ENTRIES | {
    1: Field("ir_version", int),
    2: Field("producer", str),
    7: Field("graph", GRAPH),
    8: Field("opsets", OPSET, True),
}


def read_metadata(content: bytes) -> dict[str, str]:
    """The metadata of any ONNX file; raises ValueError if it is none."""
    entries = read_message(memoryview(content), ENTRIES, others=True)["entries"]
    return {entry.get("key", ""): entry.get("text", "") for entry in entries}


def read_graph(content: bytes) -> Graph:
    """The graph of a file; raises ValueError unless all of its parts are of the kinds that the exporter writes."""
    model = read_message(memoryview(content), MODEL)
    keys = [entry.get("key") for entry in model["entries"]]
    if len(set(keys)) < len(keys):
        raise ValueError("an entry of the metadata twice")
    if not IR_VERSIONS[0] <= model.get("ir_version", 0) <= IR_VERSIONS[1]:
        raise ValueError(f"the format {model.get('ir_version', 0)}, which no export has")
    for item in model["opsets"]:
        domain, version = item.get("domain", ""), item.get("version", 0)
        if OPSETS.get(domain) != version:
            raise ValueError(f"operators of version {version} of the set {domain!r}, which no export has")
    return graph_of(model["graph"]) if "graph" in model else Graph({}, {}, [])


def graph_of(message: Message, is_body: bool = False) -> Graph:
    inputs, outputs = (values_of(message[group], is_body) for group in ("inputs", "outputs"))
    constants = {part.get("name", ""): tensor_of(part) for part in message["constants"]}
    if len(constants) < len(message["constants"]) or (is_body and constants):
        raise ValueError("constants where no export has them")
    return Graph(inputs, outputs, [node_of(part) for part in message["nodes"]], constants)


def values_of(messages: list[Message], is_body: bool) -> dict[str, Value | None]:
    values = {part.get("name", ""): None if is_body else value_of(part) for part in messages}
    if len(values) < len(messages):
        raise ValueError("an input or output twice")
    return values


def value_of(message: Message) -> Value:
    tensor = message.get("type", {}).get("tensor", {})
    dimensions = tensor.get("shape", {}).get("dimensions")
    if dimensions is None or tensor.get("dtype") not in DTYPES:
        raise ValueError("an input or output without a type that an export has")
    return Value(DTYPES[tensor["dtype"]], tuple(part.get("size", part.get("name", "")) for part in dimensions))


def tensor_of(message: Message) -> NDArray[Any]:
    shape, data = message["dimensions"], message.get("data", memoryview(b""))
    dtype = np.dtype(DTYPES.get(message.get("dtype", 0), np.void))
    # The size before the array, as a product of false sizes may be any number.
    if not dtype.itemsize or min(shape, default=0) < 0 or len(shape) > MOST_DIMENSIONS:
        raise ValueError("a constant of a type or shape that no export has")
    if len(data) != dtype.itemsize * prod(shape):
        raise ValueError("a constant whose size is not that of its data")
    return np.frombuffer(data, dtype).reshape(shape)


def node_of(message: Message) -> OnnxNode:
    name, domain = message.get("operator", ""), message.get("domain", "")
    attributes = {}
    for part in message["attributes"]:
        kind = ATTRIBUTE_TYPES.get(part.get("type", 0), "")
        value = part.get(kind)
        others = {key for key, item in part.items() if item != []} - {"name", "type", kind}
        if value is None or others or part.get("name") in attributes:
            raise ValueError(f"an attribute of {name!r} that no export has")
        attributes[part.get("name", "")] = graph_of(value, True) if kind == "graph" else value
    operator = f"{domain}.{name}" if domain else name
    return OnnxNode(operator, message["inputs"], message["outputs"], attributes)
