"""Another head on an exported model: its nodes up to the vector stay, what reads the vector is exchanged.

Neither torch nor the package onnx is needed: the file is read and written by `model.protobuf`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.model.header import Header
from speech_lstm.model.onnx_file import VECTOR, metadata, seal
from speech_lstm.model.onnx_graph import DTYPES, MODEL
from speech_lstm.model.protobuf import Message, read_message, write_message

ANSWERS = {"probabilities", "logits"}  # the outputs that depend on the head
NUMBERS = {np.dtype(kind): number for number, kind in DTYPES.items()}  # of TensorProto.DataType


class Head(NamedTuple):
    """Logits [labels] = point · weights + biases; the point is vector [size] · projection + offset, of length 1."""

    projection: NDArray[np.float32]  # [size, dimensions]
    offset: NDArray[np.float32]  # [dimensions]
    weights: NDArray[np.float32]  # [dimensions, labels]
    biases: NDArray[np.float32]  # [labels]


def with_head(content: bytes, head: Head, header: Header, precision: str, source: str) -> bytes:
    """The file of a model that computes as `content` does up to its vector, and from there by `head`.

    `header`, `precision` and `source` are those of the new file. `content` is of a file that `read_session` accepted
    and that gives the vector.
    """
    model = read_message(memoryview(content), MODEL)
    graph = model["graph"]
    kept = list(needed(graph["nodes"], {output["name"] for output in graph["outputs"]} - ANSWERS))
    used = {name for node in kept for name in inputs_of(node)}
    graph["nodes"] = [*kept, *nodes_of_head()]
    graph["constants"] = [part for part in graph["constants"] if part["name"] in used] + constants_of(head)
    for output in graph["outputs"]:
        if output["name"] in ANSWERS:
            output["type"]["tensor"]["shape"]["dimensions"][1] = {"size": len(head.biases)}
    return sealed(model, metadata(kind_of(model), header, precision, source))


def with_header(content: bytes, header: Header, precision: str, source: str) -> bytes:
    """The file of a model that computes as `content` does, with another header; see `with_head`."""
    model = read_message(memoryview(content), MODEL)
    return sealed(model, metadata(kind_of(model), header, precision, source))


def kind_of(model: Message) -> str:
    """Whether a file is for whole recordings or runs frame by frame: that entry of its metadata."""
    return next(str(entry["text"]) for entry in model["entries"] if entry["key"] == "kind")


def sealed(model: Message, entries: dict[str, str]) -> bytes:
    """The file of a model with these entries of metadata."""
    model["entries"] = [{"key": key, "text": text} for key, text in entries.items()]
    return seal(write_message(model, MODEL))


def nodes_of_head() -> list[Message]:
    return [
        node("MatMul", [VECTOR, "head.projection"], ["head.products"]),
        node("Add", ["head.products", "head.offset"], ["head.projected"]),
        node("Mul", ["head.projected", "head.projected"], ["head.squares"]),
        node("ReduceSum", ["head.squares", "head.axes"], ["head.sums"], keepdims=1),
        node("Sqrt", ["head.sums"], ["head.lengths"]),
        node("Max", ["head.lengths", "head.shortest"], ["head.divisors"]),
        node("Div", ["head.projected", "head.divisors"], ["head.points"]),
        node("MatMul", ["head.points", "head.weights"], ["head.weighted"]),
        node("Add", ["head.weighted", "head.biases"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]


def constants_of(head: Head) -> list[Message]:
    arrays = {f"head.{name}": array for name, array in head._asdict().items()}
    arrays |= {"head.axes": np.array([1], np.int64), "head.shortest": np.array(1e-12, np.float32)}
    return [tensor(name, array) for name, array in arrays.items()]


def needed(nodes: list[Message], values: set[str]) -> Iterator[Message]:
    """The nodes that values depend on, in their order."""
    names, places = set(values), []
    for i in reversed(range(len(nodes))):
        if names & set(nodes[i]["outputs"]):
            names |= set(inputs_of(nodes[i]))
            places.append(i)
    return (nodes[i] for i in reversed(places))


def inputs_of(node: Message) -> Iterator[str]:
    """The values that a node reads; those within a loop are the ones that its body reads from outside too."""
    yield from node["inputs"]
    for attribute in node["attributes"]:
        for inner in attribute.get("graph", {}).get("nodes", ()):
            yield from inputs_of(inner)


def node(operator: str, inputs: list[str], outputs: list[str], **integers: int) -> Message:
    attributes = [{"name": name, "int": value, "type": 2} for name, value in integers.items()]
    return {"inputs": inputs, "outputs": outputs, "operator": operator, "attributes": attributes}


def tensor(name: str, array: NDArray[Any]) -> Message:
    return {
        "dimensions": list(array.shape),
        "dtype": NUMBERS[array.dtype],
        "name": name,
        "data": np.ascontiguousarray(array).tobytes(),
    }
