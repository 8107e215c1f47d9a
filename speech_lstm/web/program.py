"""A cell's own step as a program for the page's engine: a few kinds of operations over one flat memory of numbers.

The step is traced into ONNX nodes as for an export, with one frame of one recording, so every shape is known. What
only moves numbers (a slice, a transposition, a concatenation) then needs no operation: an operand is a list of the
places in the memory from which its numbers are read. The parts that a gate's sum is made of fall out of the same
nodes; their names are those of `insight.contributions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from speech_lstm.errors import ConfigError
from speech_lstm.insight.contributions import BIAS, INPUT, REST
from speech_lstm.recurrent.layer import Layer
from speech_lstm.web.memory import Memory
from speech_lstm.web.moves import MOVES
from speech_lstm.web.parts import Places, Product, Term, by_name, joined, moved
from speech_lstm.web.trace import HOLD, FrameTrace

FUNCTIONS = {  # ONNX operators that work number by number → the engine's names
    **{name: name.lower() for name in ("Sigmoid", "Tanh", "Relu", "Exp", "Log", "Abs", "Neg", "Sqrt", "Reciprocal")},
    **{name: name.lower() for name in ("Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Softplus", "Not", "Trunc")},
    **{name: name.lower() for name in ("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Where", "Clip")},
    **{name: name.lower() for name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")},
}
OVER_AXES = {"ReduceSum": "sum", "ReduceMean": "mean", "Softmax": "softmax"}
LARGEST = 3e38  # near the limit of float32
SYMBOLS = {"Sigmoid": "σ", "Tanh": "tanh", "Relu": "relu"}


@dataclass
class Program:
    """The operations of one frame, and where to find its inputs and results."""

    constants: NDArray[np.float32]  # the first numbers of the memory
    matrices: list[NDArray[np.float32]]  # [outputs, inputs] each, by the numbers in the operations
    memory: int  # numbers in all
    operations: list[list[Any]]  # kind, first place of the result, operands
    inputs: dict[str, Places]  # x and, if there are any, below and index
    before: dict[str, Places]  # the state before the frame …
    after: dict[str, Places]  # … and after it
    start: dict[str, NDArray[np.float32]]  # the state before the first frame, where it is not 0
    values: dict[str, Places]  # gates, candidates and state, as the tap sees them; the bands of a gate are its units
    parts: dict[str, dict[str, list[Product]]] = field(default_factory=dict)
    activations: dict[str, str] = field(default_factory=dict)  # of a gate's sum, such as σ


class Compiler:
    """Places for all values of a trace, node by node."""

    def __init__(self, trace: FrameTrace) -> None:
        self.trace = trace
        tensors = trace.graph.constants.values()
        self.memory = Memory({tensor.name: numpy_helper.to_array(tensor) for tensor in tensors})
        self.terms: dict[str, list[Term]] = {}  # the parts of a sum
        self.sums: dict[str, tuple[str, list[Term]]] = {}  # those of the sum that an activation was applied to
        self.matrices: dict[str, int] = {}
        self.operations: list[list[Any]] = []
        self.rest = BIAS  # the name of a part that has none
        self.gates = iter(trace.holds)
        self.values: dict[str, Places] = {}
        self.parts: dict[str, dict[str, list[Product]]] = {}
        self.activations: dict[str, str] = {}

    def program(self) -> Program:
        """All operations, in the order of the nodes; raises ConfigError for one that the engine does not have."""
        trace, cell = self.trace, self.trace.layer.cell
        inputs = {"x": self.memory.place(trace.x, (1, 1, trace.width))}
        self.terms[trace.x] = [(INPUT, (inputs["x"],))]
        inputs["index"] = self.memory.place(trace.index, ())
        if trace.below:
            inputs["below"] = self.memory.place(trace.below, (1, 1, cell.hidden))
        starts = list(zip(cell.state, trace.before, trace.start, strict=True))
        before = {name: self.memory.place(value, start.shape) for name, value, start in starts}
        for name, (weights, array) in trace.vectors.items():
            self.memory.places[name] = self.memory.store(array)
            self.terms[name] = [(weights, (self.memory.places[name],))]
        for number, node in enumerate(trace.graph.nodes):
            self.rest = BIAS if number < trace.products else REST
            self.add(node)
        order = [name.partition(".")[0] for name in (*cell.gates, *cell.state)]
        program = Program(
            np.array(self.memory.numbers, np.float32),
            [self.memory.constants[name].reshape(self.memory.constants[name].shape[-2:]).T for name in self.matrices],
            len(self.memory.numbers) + self.memory.size,
            self.operations,
            inputs,
            before,
            {name: self.memory.operand(value) for name, value in zip(cell.state, trace.after, strict=True)},
            {name: start.ravel() for name, _, start in starts if start.any()},
            {name: self.values[name] for name in dict.fromkeys(order) if name in self.values},
            self.parts,
            self.activations,
        )
        return self.located(program)

    def located(self, program: Program) -> Program:
        """The program with the constants at the beginning of its memory."""
        at, first = self.memory.located, len(self.memory.numbers)
        for name in ("inputs", "before", "after", "values", "parts"):
            setattr(program, name, at(getattr(program, name)))
        program.operations = [[kind, out + first, *at(rest)] for kind, out, *rest in program.operations]
        return program

    def add(self, node: Any) -> None:
        """The operation of a node, or none if it only moves numbers."""
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        kind, names = node.op_type, list(node.input)
        if kind == "Shape":
            shape = np.array(self.memory.shape(names[0]), np.int64)
            self.memory.constants[node.output[0]] = shape[attributes.get("start", 0) : attributes.get("end")]
        elif kind in MOVES:
            self.move(node, MOVES[kind], attributes)
        elif kind == HOLD:
            self.hold(node)
        elif kind == "MatMul":
            self.multiply(node)
        elif kind in OVER_AXES or kind == "LayerNormalization":
            self.reduce(node, attributes)
        elif kind == "Cast":
            whole = attributes["to"] in (TensorProto.INT32, TensorProto.INT64)  # true is 1 and false 0 in any type
            self.compute(node, "Trunc") if whole else self.move(node, MOVES["Identity"], {})
        elif kind in FUNCTIONS:
            self.compute(node, kind)
        else:
            raise ConfigError(f"the cell {self.trace.layer.cell.name!r} uses {kind}, which the page cannot compute")

    def move(self, node: Any, function: Callable[..., Any], attributes: dict[str, Any]) -> None:
        """Apply a movement to places, and to those of the parts; to the numbers of constants."""
        names = list(node.input)
        data = names if node.op_type == "Concat" else names[:1]
        rest = [self.memory.constants[name] if name else None for name in names[len(data) :]]

        def apply(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
            return function(arrays, rest, attributes)

        if all(name in self.memory.constants for name in data):
            self.memory.constants |= dict(
                zip(node.output, apply([self.memory.constants[name] for name in data]), strict=True)
            )
            return
        sources = [self.memory.operand(name) for name in data]
        self.memory.places |= dict(zip(node.output, apply(sources), strict=True))
        one, zero = self.memory.number(1.0), self.memory.number(0.0)
        if any(name in self.terms for name in data):
            terms = moved([self.terms.get(name) for name in data], sources, apply, one, zero)
            self.terms |= dict(zip(node.output, terms, strict=True))
        elif len(data) == 1 and data[0] in self.sums:
            symbol, known = self.sums[data[0]]
            terms = moved([known], sources, apply, one, zero)
            self.sums |= {name: (symbol, each) for name, each in zip(node.output, terms, strict=True)}

    def compute(self, node: Any, kind: str) -> None:
        """A function of numbers at the same place of each operand."""
        names = list(node.input)
        if kind == "Clip":
            names += [""] * (3 - len(names))  # limits that there are none of
        limits = {1: -LARGEST, 2: LARGEST}
        sources = [
            self.memory.operand(name) if name else self.memory.number(limits[i]) for i, name in enumerate(names)
        ]
        operands = np.broadcast_arrays(*sources)
        out = self.memory.place(node.output[0], operands[0].shape)
        self.operations.append([FUNCTIONS[kind], int(out.flat[0]), *operands])
        self.note(node.output[0], kind, names, operands)

    def note(self, name: str, kind: str, names: list[str], operands: Sequence[Places]) -> None:
        """The parts of a result: sums, differences and products with a value without parts have them."""
        terms = [self.terms.get(operand) for operand in names]
        if all(part is None for part in terms):
            return

        def part(i: int, *more: Places) -> list[Term]:
            parts = terms[i]
            if parts is None:
                constant = self.memory.constants.get(names[i])
                parts = [] if constant is not None and not constant.any() else [(self.rest, (operands[i],))]
            shape = operands[i].shape
            return [(key, tuple(np.broadcast_to(f, shape) for f in (*factors, *more))) for key, factors in parts]

        if kind == "Add":
            self.terms[name] = part(0) + part(1)
        elif kind == "Sub":
            self.terms[name] = part(0) + part(1, self.memory.number(-1.0))
        elif kind == "Neg":
            self.terms[name] = part(0, self.memory.number(-1.0))
        elif kind == "Mul" and (terms[0] is None) != (terms[1] is None):
            plain = 0 if terms[0] is None else 1
            self.terms[name] = part(1 - plain, operands[plain])
        elif len(names) == 1:
            self.sums[name] = SYMBOLS.get(kind, ""), part(0)

    def multiply(self, node: Any) -> None:
        """A product with a constant matrix [inputs, outputs]."""
        left, matrix = node.input
        if matrix in self.memory.places or np.prod(self.memory.shape(matrix)[:-2]) != 1:
            name = self.trace.layer.cell.name
            raise ConfigError(f"the cell {name!r} multiplies by a matrix that it computes, which the page cannot do")
        source = self.memory.operand(left)
        out = self.memory.place(node.output[0], (*source.shape[:-1], self.memory.shape(matrix)[-1]))
        number = self.matrices.setdefault(matrix, len(self.matrices))
        self.operations.append(["matmul", int(out.flat[0]), source, number])
        name = self.trace.parts.get(node.output[0]) or (INPUT if self.rest == BIAS else "")
        if name:
            self.terms[node.output[0]] = [(name, (out,))]

    def reduce(self, node: Any, attributes: dict[str, Any]) -> None:
        """A function of all numbers along axes, which become the last of the operand."""
        source = self.memory.operand(node.input[0])
        if node.op_type == "LayerNormalization":
            axes = list(range(attributes["axis"] % source.ndim, source.ndim))
        elif node.op_type == "Softmax":
            axes = [attributes["axis"] % source.ndim]
        else:
            axes = [int(axis) % source.ndim for axis in self.memory.constants[node.input[1]]]
        others = [axis for axis in range(source.ndim) if axis not in axes]
        count = int(np.prod([source.shape[axis] for axis in axes]))
        rows = source.transpose(*others, *axes).reshape(-1, count)
        if node.op_type in ("ReduceSum", "ReduceMean"):
            keep = attributes.get("keepdims", 1)
            shape = [
                1 if axis in axes else size for axis, size in enumerate(source.shape) if keep or axis not in axes
            ]
            out = self.memory.place(node.output[0], shape)
            self.operations.append([OVER_AXES[node.op_type], int(out.flat[0]), rows, count])
            return
        out = self.memory.place(node.output[0], [source.shape[axis] for axis in (*others, *axes)])
        self.memory.places[node.output[0]] = out.transpose(np.argsort([*others, *axes]))
        if node.op_type == "Softmax":
            self.operations.append(["softmax", int(out.flat[0]), rows, count])
            return
        scale, shift = ([self.memory.operand(name) for name in node.input[1:]] + [self.memory.number(0.0)])[:2]
        parameters = [np.broadcast_to(each, [source.shape[axis] for axis in axes]) for each in (scale, shift)]
        self.operations.append(["layernorm", int(out.flat[0]), rows, count, *parameters, attributes["epsilon"]])

    def hold(self, node: Any) -> None:
        """A value that the page shows and can set by hand; its parts are those of its sum."""
        source, (name, _) = self.memory.operand(node.input[0]), next(self.gates)
        gate = name.partition(".")[0]
        out = self.memory.place(node.output[0], source.shape)
        known = self.values.get(gate, np.zeros(0, np.int64))
        self.operations.append(["hold", int(out.flat[0]), source, gate, len(known)])
        self.values[gate] = np.concatenate([known, out.ravel()])
        symbol, terms = self.sums.get(node.input[0], ("", self.terms.get(node.input[0])))
        if terms is None:
            return
        self.activations[gate] = symbol
        parts = self.parts.setdefault(gate, {})
        flat = [(part, tuple(factor.ravel() for factor in factors)) for part, factors in terms]
        for part, products in by_name(flat).items():
            parts[part] = joined(parts[part], products) if part in parts else products


def compile_step(layer: Layer, direction: int) -> Program:
    """The program of a layer in one direction: 0 is forward, 1 backward.

    Raises ConfigError for a cell that cannot be exported or that uses what the engine does not have.
    """
    return Compiler(FrameTrace(layer, direction)).program()


def runs(places: Places) -> list[int]:
    """Places as runs: start, step and count of each, one after another."""
    flat, out, start = places.ravel().tolist(), [], 0
    while start < len(flat):
        step = flat[start + 1] - flat[start] if start + 1 < len(flat) else 0
        end = start + 1
        while end < len(flat) and flat[end] - flat[end - 1] == step:
            end += 1
        out += [flat[start], step, end - start]
        start = end
    return out
