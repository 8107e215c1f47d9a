"""An ONNX graph while it is built: each call writes a node and gives the name of what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 25  # of the standard operators: read by ONNX Runtime from 1.24 on
CONTRIB = "com.microsoft"  # operators that every ONNX Runtime has beside the standard ones
LEVELS = 127  # of an int8 weight on either side of zero

Floats = NDArray[np.float32]
Value = str | NDArray[Any] | float | Sequence[int]  # a name, or a constant


class Graph:
    """The nodes and constants of a graph, or of the body of a loop in it, whose constants stand outside.

    With `int8`, `weight` keeps a number of 8 bits for each weight.
    """

    def __init__(self, int8: bool = False, outer: Graph | None = None) -> None:
        self.outermost: Graph = outer.outermost if outer else self
        self.int8: bool = outer.int8 if outer else int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = outer.constants if outer else {}
        self.count: list[int] = outer.count if outer else [0]
        self.domains: set[str] = outer.domains if outer else {""}

    def body(self) -> Self:
        """A graph for the body of a loop."""
        return type(self)(outer=self)

    def name(self, hint: str) -> str:
        """A name that no other value has."""
        self.count[0] += 1
        return f"{hint}_{self.count[0]}"

    def __call__(self, operator: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> str:
        """Write a node of one output; None stands for an input that is left out."""
        return self.several(1, operator, *inputs, domain=domain, **attributes)[0]

    def several(
        self, outputs: int, operator: str, *inputs: Value | None, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Write a node of several outputs."""
        names = [self.name(operator.lower()) for _ in range(outputs)]
        given = ["" if value is None else self.value(value) for value in inputs]
        while given and not given[-1]:
            given.pop()
        self.domains.add(domain)
        self.nodes.append(helper.make_node(operator, given, names, names[0], domain=domain, **attributes))
        return names

    def value(self, value: Value) -> str:
        """The name of a value: of a constant if it isn't a name. Whole numbers are int64, a plain number float32."""
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray):
            return self.constant(value)
        if isinstance(value, float):
            return self.constant(np.array(value, np.float32))
        return self.constant(np.array(value, np.int64))

    def constant(self, array: NDArray[Any]) -> str:
        """A constant, kept once."""
        array = np.ascontiguousarray(array) if array.ndim else array
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, self.name("constant"))
        return self.constants[key].name

    def weight(self, array: Floats) -> str:
        """A matrix float32 […, inputs, outputs]; as int8 with a scale for each output where the file is to be small.

        ONNX Runtime turns it back into float32 once, when it loads the file.
        """
        if not self.int8:
            return self.constant(array)
        whole, scale = quantised(array, LEVELS)
        return self.outermost("Mul", self.outermost("Cast", whole, to=TensorProto.FLOAT), scale)

    def dense(self, x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> str:
        """x […, inputs] · matrix [inputs, outputs] + bias [outputs]."""
        product = self("MatMul", x, self.weight(matrix))
        return product if bias is None else self("Add", product, bias)

    def spread(self, matrix: Floats) -> str:
        """A matrix most of whose numbers are 0, of which only the others are kept."""
        flat = matrix.reshape(-1)
        (places,) = np.nonzero(flat)
        zeros = self("ConstantOfShape", [flat.size])
        return self("Reshape", self("ScatterElements", zeros, places, flat[places]), list(matrix.shape))

    def dim(self, x: str, axis: int) -> str:
        """The size of x along an axis: int64 [1]."""
        return self("Shape", x, start=axis, end=axis + 1)

    def slice(self, x: str, axis: int, start: int, end: int | None = None, step: int = 1) -> str:
        """x[start:end:step] along an axis; no end is that of the axis."""
        limit = np.iinfo(np.int64)
        stop = (limit.max if step > 0 else limit.min) if end is None else end
        return self("Slice", x, [start], [stop], [axis], [step])

    def joined(self, parts: Sequence[str], axis: int) -> str:
        """Parts one after another along an axis."""
        return self("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]

    def backwards(self, x: str, axis: int = 0) -> str:
        """x from its end to its beginning along an axis."""
        return self.slice(x, axis, -1, None, -1)

    def stretched(self, value: NDArray[np.float32], batch: str) -> str:
        """A constant [directions, 1, size] for every recording: [directions, batch, size]; `batch` is int64 [1]."""
        return self("Expand", value, self("Concat", [1], batch, [1], axis=0))

    def model(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any], metadata: dict[str, str]) -> Any:
        """The ModelProto of this graph with its inputs and outputs, each a ValueInfoProto."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.constants.values()))
        versions = {"": OPSET, CONTRIB: 1}
        imports = [helper.make_opsetid(domain, versions[domain]) for domain in sorted(self.domains)]
        version = helper.find_min_ir_version_for(imports, ignore_unknown=True)
        model = helper.make_model(graph, opset_imports=imports, ir_version=version, producer_name="speech-lstm")
        helper.set_model_props(model, metadata)
        return model


def quantised(
    matrix: NDArray[np.float32], levels: int, axes: int | tuple[int, ...] = -2
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The nearest whole multiples of a scale, from −levels to levels, one scale along `axes`: int8 and float32."""
    scale = np.abs(matrix).max(axes, keepdims=True) / levels
    scale[scale == 0] = 1
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)
