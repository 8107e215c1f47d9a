"""The work of a graph: the shape of every value in it and the operations that they take, before anything is computed.

A graph says little about what it costs: ten nodes can ask for gigabytes or for hours. So it is gone through once for
each set of input shapes, by shapes alone, and refused above a limit.
"""

from __future__ import annotations

from math import prod
from typing import Any

from speech_lstm.model.onnx_graph import MOST_DIMENSIONS, Graph, OnnxNode
from speech_lstm.model.onnx_operators import NODE, OPERATORS, Known, WorkError, constant

# Numbers in all the values of a graph together, and operations such as a multiplication. A larger file may take more:
# each of its weights is used once for each frame. The constants are ten times what small networks take.
MOST_NUMBERS = 1 << 26
NUMBERS_PER_BYTE = 8
MOST_OPERATIONS = 1 << 35
OPERATIONS_PER_BYTE = 1 << 11
RECURRENT = ("LSTM", "com.microsoft.DynamicQuantizeLSTM", "GRU", "RNN")


class Work:
    """Goes through a graph of `size` bytes and counts."""

    def __init__(self, size: int) -> None:
        self.size, self.numbers, self.operations = size, 0, 0
        self.multiplications = 0  # of matrix products and recurrent layers; few are anywhere else

    def spend(self, numbers: int, operations: int) -> None:
        """Count; raises WorkError above the limits."""
        self.numbers += numbers
        self.operations += operations
        if self.numbers > MOST_NUMBERS + NUMBERS_PER_BYTE * self.size:
            raise WorkError("it takes more memory than a model of its size")
        if self.operations > MOST_OPERATIONS + OPERATIONS_PER_BYTE * self.size:
            raise WorkError("it takes more operations than a model of its size")

    def outputs(self, graph: Graph, inputs: list[Known], around: dict[str, Known] | None = None) -> list[Known]:
        """The outputs of a graph for these inputs; `around` are the values that a body reads from outside.

        Raises WorkError, and ValueError for shapes that do not fit together.
        """
        values = dict(around or {})
        if len(inputs) != len(graph.inputs):
            raise WorkError("a loop with other inputs than its body")
        own = dict(zip(graph.inputs, inputs, strict=True))
        own |= {name: constant(array) for name, array in graph.constants.items()}
        if len(own) < len(graph.inputs) + len(graph.constants) or own.keys() & values.keys():
            raise WorkError("a name is used twice")
        values |= own
        self.spend(sum(prod(item.shape) for item in inputs), 0)
        for node in graph.nodes:
            results = self.results(node, values)
            if len(results) < len(node.outputs) or any(name in values for name in node.outputs):
                raise WorkError(f"a node {node.operator} with other outputs than an export has")
            self.spend(sum(prod(result.shape) for result in results), NODE)
            values |= zip(node.outputs, results, strict=False)
        return [values[name] if name in values else missing(name) for name in graph.outputs]

    def results(self, node: OnnxNode, values: dict[str, Known]) -> list[Known]:
        """The outputs of a node."""
        operator = OPERATORS.get(node.operator)
        if operator is None:
            raise WorkError(f"the operator {node.operator[:40]!r}, which no export has")
        if strange := node.attributes.keys() - operator.attributes:
            raise WorkError(f"an attribute {min(strange)[:40]!r} of {node.operator}, which no export has")
        inputs = [None if not name else values[name] if name in values else missing(name) for name in node.inputs]
        try:
            if node.operator == "Scan":
                return self.scan(node.attributes, inputs, values)
            results, operations = operator.results(*inputs, **node.attributes)
        except WorkError:
            raise
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError):
            raise WorkError(f"a node {node.operator} with inputs that do not fit together") from None
        if any(len(result.shape) > MOST_DIMENSIONS or min(result.shape, default=0) < 0 for result in results):
            raise WorkError(f"a node {node.operator} with a shape that no export has")
        self.spend(0, operations)
        self.multiplications += multiplications(node.operator, [item for item in inputs if item], results)
        return results

    def scan(self, attributes: dict[str, Any], inputs: list[Known | None], values: dict[str, Known]) -> list[Known]:
        """A loop over the frames of its last inputs, whose number bounds it."""
        body, scanned = attributes["body"], attributes["num_scan_inputs"]
        present = [item.of(*item.shape) for item in inputs if item is not None]
        carried = len(present) - scanned
        if len(present) < len(inputs) or scanned < 1 or carried < 0:
            raise WorkError("a loop over no frames")
        states, sequences = present[:carried], present[carried:]
        frames, before = sequences[0].shape[0], (self.operations, self.multiplications)
        if any(item.shape[0] != frames for item in sequences):
            raise WorkError("a loop over sequences of several lengths")
        after = self.outputs(body, states + [item.of(*item.shape[1:]) for item in sequences], values)
        self.spend(0, max(frames - 1, 0) * (self.operations - before[0]))
        self.multiplications += (frames - 1) * (self.multiplications - before[1])
        if [(item.shape, item.whole) for item in after[:carried]] != [(item.shape, item.whole) for item in states]:
            raise WorkError("a loop whose state changes its shape")
        return states + [item.of(frames, *item.shape) for item in after[carried:]]


def multiplications(operator: str, inputs: list[Known], results: list[Known]) -> int:
    """The multiplications of a node that is a matrix product or a recurrent layer; 0 for any other."""
    if operator == "MatMul":
        return prod(results[0].shape) * inputs[0].shape[-1]
    if operator in RECURRENT:
        (frames, batch, _), weights, recurrent = (item.shape for item in inputs[:3])
        return frames * batch * (prod(weights) + prod(recurrent))
    return 0


def missing(name: str) -> Known:
    raise WorkError(f"a value {name[:40]!r} that nothing computes")
