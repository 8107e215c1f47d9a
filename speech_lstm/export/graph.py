"""An ONNX graph under construction: each call writes a node and returns the name of its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 25  # of the standard operators; ONNX Runtime reads it from 1.24 on
CONTRIB = "com.microsoft"  # operators of ONNX Runtime besides the standard ones
LEVELS = 127  # of an int8 weight on either side of zero

Floats = NDArray[np.float32]
Value = str | NDArray[Any] | float | Sequence[int]  # a name, or a constant


class OnnxGraph:
    """The nodes and constants of a graph, or the nodes of a loop's body, whose constants are in the outermost graph.

    With `int8`, `weight` stores each weight in 8 bits.
    """

    def __init__(self, int8: bool = False, outer: OnnxGraph | None = None) -> None:
        self.outermost: OnnxGraph = outer.outermost if outer else self
        self.int8: bool = outer.int8 if outer else int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[Any, ...], onnx.TensorProto] = outer.constants if outer else {}
        self.count: list[int] = outer.count if outer else [0]
        self.domains: set[str] = outer.domains if outer else {""}

    def body(self) -> Self:
        """A graph for the body of a loop."""
        return type(self)(outer=self)

    def name(self, hint: str) -> str:
        """A new name, unique in the file."""
        self.count[0] += 1
        return f"{hint}_{self.count[0]}"

    def __call__(self, operator: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> str:
        """Write a node of one output; an input of None is omitted."""
        return self.several(1, operator, *inputs, domain=domain, **attributes)[0]

    def several(
        self, outputs: int, operator: str, *inputs: Value | None, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Write a node of several outputs."""
        names = [self.name(operator.lower()) for _ in range(outputs)]
        operands = ["" if value is None else self.value(value) for value in inputs]
        while operands and not operands[-1]:
            operands.pop()
        self.domains.add(domain)
        self.nodes.append(helper.make_node(operator, operands, names, names[0], domain=domain, **attributes))
        return names

    def value(self, value: Value) -> str:
        """The name of a value: itself, or that of a constant. Sequences of integers are int64, a float is float32."""
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray):
            return self.constant(value)
        if isinstance(value, float):
            return self.constant(np.array(value, np.float32))
        return self.constant(np.array(value, np.int64))

    def constant(self, array: NDArray[Any]) -> str:
        """The name of a constant; equal ones are stored once."""
        array = np.ascontiguousarray(array) if array.ndim else array
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, self.name("constant"))
        return self.constants[key].name

    def weight(self, array: Floats) -> str:
        """A matrix float32 […, inputs, outputs]; in an int8 graph as int8 with a scale for each output.

        ONNX Runtime converts it to float32 once, when it loads the file.
        """
        if not self.int8:
            return self.constant(array)
        whole, scale = quantise(array, LEVELS)
        return self.outermost("Mul", self.outermost("Cast", whole, to=TensorProto.FLOAT), scale)

    def dense(self, x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> str:
        """x […, inputs] · matrix [inputs, outputs] + bias [outputs]."""
        product = self("MatMul", x, self.weight(matrix))
        return product if bias is None else self("Add", product, bias)

    def sparse(self, matrix: Floats) -> str:
        """A matrix of mostly zeros, of which only the other numbers are stored."""
        flat = matrix.reshape(-1)
        (indices,) = np.nonzero(flat)
        zeros = self("ConstantOfShape", [flat.size])
        return self("Reshape", self("ScatterElements", zeros, indices, flat[indices]), list(matrix.shape))

    def dim(self, x: str, axis: int) -> str:
        """The size of x along an axis: int64 [1]."""
        return self("Shape", x, start=axis, end=axis + 1)

    def slice(self, x: str, axis: int, start: int, end: int | None = None, step: int = 1) -> str:
        """x[start:end:step] along an axis; None is the end of the axis."""
        limit = np.iinfo(np.int64)
        stop = (limit.max if step > 0 else limit.min) if end is None else end
        return self("Slice", x, [start], [stop], [axis], [step])

    def concatenate(self, parts: Sequence[str], axis: int) -> str:
        """Parts one after another along an axis."""
        return self("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0]

    def reverse(self, x: str, axis: int = 0) -> str:
        """x from its end to its beginning along an axis."""
        return self.slice(x, axis, -1, None, -1)

    def expand(self, value: NDArray[np.float32], batch: str) -> str:
        """A constant [directions, 1, size] expanded to [directions, batch, size]; `batch` is int64 [1]."""
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


def quantise(
    matrix: NDArray[np.float32], levels: int, axes: int | tuple[int, ...] = -2
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The nearest integer multiples of a scale, −levels to levels, int8, and the scale along `axes`, float32."""
    scale = np.abs(matrix).max(axes, keepdims=True) / levels
    scale[scale < np.finfo(np.float32).tiny] = 1  # all 0, or too small to have a scale of full precision
    return np.rint(matrix / scale).astype(np.int8), scale.astype(np.float32)
