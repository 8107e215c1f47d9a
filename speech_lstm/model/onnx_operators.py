"""The operators that the exporter writes: the shapes of their outputs, and how many operations they take.

They know the attributes that the exporter gives them; every other operator or attribute is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_lstm.model.onnx_graph import DTYPES

NODE = 20_000  # operations that starting a node takes the time of: some microseconds
KNOWN = 64  # numbers of an integer array, at most, whose values are followed, as shapes are computed from them
Sizes = tuple[int, ...]


class Known(NamedTuple):
    """What is known of a value: its shape, its numbers if they are few integers or a constant's, and whether they
    are integers, known or not."""

    shape: Sizes
    numbers: NDArray[Any] | None = None
    whole: bool = False

    def of(self, *shape: int) -> Known:
        """A value of the same type and another shape."""
        return Known(shape, None, self.whole)


class WorkError(ValueError):
    """A graph that takes too much, or is none that the exporter writes."""


def constant(array: NDArray[Any]) -> Known:
    return Known(array.shape, array if array.dtype == np.int64 else None, array.dtype.kind in "iu")


def integers(item: Known | None) -> list[int]:
    """The numbers of an input that a shape depends on; raises WorkError unless they are known."""
    if item is None or item.numbers is None:
        raise WorkError("a shape that depends on what is recognised")
    return [int(number) for number in item.numbers.reshape(-1)]


Result = tuple[list[Known], int]


def elementwise(*inputs: Known | None, compute: Callable[..., Any] | None = None) -> Result:
    """An output of the shape that all inputs are expanded to."""
    present = [item for item in inputs if item is not None]
    shape = np.broadcast_shapes(*(item.shape for item in present))
    arrays, numbers = [item.numbers for item in present], None
    if compute is not None and prod(shape) <= KNOWN and all(array is not None for array in arrays):
        with np.errstate(all="ignore"):  # integers wrap around, as those of ONNX Runtime
            numbers = np.asarray(compute(*arrays))
    return [Known(shape, numbers, any(item.whole for item in present))], 4 * prod(shape)


def comparison(a: Known, b: Known) -> Result:
    (result,), operations = elementwise(a, b)
    return [Known(result.shape)], operations


def where(condition: Known, a: Known, b: Known) -> Result:
    (result,), operations = elementwise(condition, a, b)
    return [result._replace(whole=a.whole or b.whole)], operations


def quotient(a: Known, b: Known) -> Result:
    """Integers only by positive constants: another divisor may end the process, as 0 or -1 of the least integer."""
    if not (a.whole or b.whole):
        return elementwise(a, b)
    return remainder(a, b, lambda x, y: np.sign(x) * (np.abs(x) // y))


def remainder(a: Known, b: Known, compute: Callable[..., Any] = np.mod) -> Result:
    """See `quotient`."""
    if b.numbers is None or not (b.numbers > 0).all():
        raise WorkError("a division by a number that no export has")
    return elementwise(a, b, compute=compute)


def cast(x: Known, to: int) -> Result:
    return [Known(x.shape, None, DTYPES[to] not in (np.float32, np.float64, np.bool_))], prod(x.shape)


def same(x: Known, *_: Known | None, **__: Any) -> Result:
    """An output of the shape of the first input."""
    return [x.of(*x.shape)], 8 * prod(x.shape)


def shape_of(x: Known, start: int = 0, end: int | None = None) -> Result:
    sizes = np.array(x.shape[start:end], np.int64)
    return [Known(sizes.shape, sizes, True)], 0


def concat(*parts: Known, axis: int) -> Result:
    first = parts[0].shape
    axis = axis_of(axis, len(first))
    if len({(*part.shape[:axis], 0, *part.shape[axis + 1 :]) for part in parts}) > 1:
        raise ValueError("parts of other shapes")
    total = sum(part.shape[axis] for part in parts)
    known = [part.numbers for part in parts if part.numbers is not None] if total <= KNOWN else []
    numbers = np.concatenate(known, axis) if len(known) == len(parts) else None
    whole = any(part.whole for part in parts)
    return [Known((*first[:axis], total, *first[axis + 1 :]), numbers, whole)], 0


def split(x: Known, sizes: Known, axis: int = 0) -> Result:
    axis, counts = axis_of(axis, len(x.shape)), integers(sizes)
    if sum(counts) != x.shape[axis] or min(counts) < 0:
        raise ValueError("other sizes than the whole")
    return [x.of(*x.shape[:axis], count, *x.shape[axis + 1 :]) for count in counts], 0


def slice_of(x: Known, starts: Known, ends: Known, axes: Known, steps: Known | None = None) -> Result:
    shape, places = list(x.shape), integers(axes)
    every = integers(steps) if steps is not None else [1] * len(places)
    for start, end, place, step in zip(integers(starts), integers(ends), places, every, strict=True):
        axis = axis_of(place, len(shape))
        shape[axis] = len(range(*slice(start, end, step).indices(shape[axis])))
    return [x.of(*shape)], 0


def gather(x: Known, places: Known, axis: int = 0) -> Result:
    axis = axis_of(axis, len(x.shape))
    return [x.of(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])], 0


def transpose(x: Known, perm: list[int]) -> Result:
    if sorted(perm) != list(range(len(x.shape))):
        raise ValueError("other axes")
    return [x.of(*(x.shape[axis] for axis in perm))], 0


def reshape(x: Known, sizes: Known) -> Result:
    shape = [x.shape[i] if size == 0 else size for i, size in enumerate(integers(sizes))]
    if -1 in shape:
        shape[shape.index(-1)] = prod(x.shape) // max(1, prod(size for size in shape if size != -1))
    if prod(shape) != prod(x.shape):
        raise ValueError("another number of elements")
    return [x.of(*shape)], 0


def squeeze(x: Known, axes: Known) -> Result:
    gone = {axis_of(axis, len(x.shape)) for axis in integers(axes)}
    if any(x.shape[axis] != 1 for axis in gone):
        raise ValueError("an axis that is not 1")
    return [x.of(*(size for i, size in enumerate(x.shape) if i not in gone))], 0


def unsqueeze(x: Known, axes: Known) -> Result:
    rank = len(x.shape) + len(integers(axes))
    new, old = {axis_of(axis, rank) for axis in integers(axes)}, iter(x.shape)
    return [x.of(*(1 if i in new else next(old) for i in range(rank)))], 0


def expand(x: Known, sizes: Known) -> Result:
    return [x.of(*np.broadcast_shapes(x.shape, tuple(integers(sizes))))], 0


def constant_of_shape(sizes: Known) -> Result:
    return [Known(tuple(integers(sizes)))], 0


def range_of(start: Known, limit: Known, delta: Known) -> Result:
    numbers = range(*(integers(item)[0] for item in (start, limit, delta)))
    return [Known((max(0, -((numbers.start - numbers.stop) // numbers.step)),), None, True)], 0


def pad(x: Known, pads: Known, value: Known | None, axes: Known) -> Result:
    shape, sizes, places = list(x.shape), integers(pads), integers(axes)
    for axis, before, after in zip(places, sizes[: len(places)], sizes[len(places) :], strict=True):
        shape[axis_of(axis, len(shape))] += before + after
    return [x.of(*shape)], 0


def reduction(x: Known, axes: Known, keepdims: int = 1) -> Result:
    gone = {axis_of(axis, len(x.shape)) for axis in integers(axes)}
    kept = [1 if i in gone else size for i, size in enumerate(x.shape) if keepdims or i not in gone]
    return [x.of(*kept)], prod(x.shape)


def matrix_product(a: Known, b: Known) -> Result:
    left = a.shape if len(a.shape) > 1 else (1, *a.shape)
    right = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    if left[-1] != right[-2]:
        raise ValueError("rows of another length than the columns")
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    rows, columns = left[-2:-1] if len(a.shape) > 1 else (), right[-1:] if len(b.shape) > 1 else ()
    return [a.of(*batch, *rows, *columns)], prod(batch) * left[-2] * left[-1] * right[-1]


def recurrent(
    x: Known, w: Known, r: Known, *_: Known | None, blocks: int, direction: str, hidden_size: int, **__: Any
) -> Result:
    """ONNX's own layers; the weights of DynamicQuantizeLSTM have their last two axes the other way round."""
    frames, batch, inputs = x.shape
    directions, rows = {"forward": 1, "bidirectional": 2}[direction], blocks * hidden_size
    if (w.shape, r.shape) not in (
        ((directions, rows, inputs), (directions, rows, hidden_size)),
        ((directions, inputs, rows), (directions, hidden_size, rows)),
    ):
        raise ValueError("weights of other sizes")
    state = Known((directions, batch, hidden_size))
    work = frames * batch * directions * rows * (inputs + hidden_size) + frames * NODE
    return [Known((frames, directions, batch, hidden_size)), state, state], work


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from 0; raises IndexError."""
    return range(rank)[axis]


class Operator(NamedTuple):
    """What is known of an operator: the outputs that it computes, and the attributes that the exporter gives it."""

    results: Callable[..., Result]
    attributes: frozenset[str]


def named(names: str, results: Callable[..., Result], attributes: str = "") -> dict[str, Operator]:
    """Operators of several names."""
    return {name: Operator(results, frozenset(attributes.split())) for name in names.split()}


RECURRENT = "direction hidden_size activations activation_alpha activation_beta"
OPERATORS: dict[str, Operator] = {
    **named("Abs Ceil Clip Cos Elu Erf Exp Floor Log Max Min Neg Not Pow Reciprocal Relu Round", elementwise),
    **named("Sigmoid Sign Sin Softplus Sqrt Tanh", elementwise),
    **named("Identity", partial(elementwise, compute=np.array)),
    **named("Add", partial(elementwise, compute=np.add)),
    **named("Sub", partial(elementwise, compute=np.subtract)),
    **named("Mul", partial(elementwise, compute=np.multiply)),
    **named("Div", quotient),
    **named("Mod", remainder),
    **named("Equal Greater GreaterOrEqual Less LessOrEqual", comparison),
    **named("Where", where),
    **named("Cast", cast, "to"),
    **named("Softmax", same, "axis"),
    **named("LayerNormalization", same, "axis epsilon"),
    **named("ScatterElements", same),
    **named("Shape", shape_of, "start end"),
    **named("Concat", concat, "axis"),
    **named("Split", split, "axis"),
    **named("Slice", slice_of),
    **named("Gather", gather, "axis"),
    **named("Transpose", transpose, "perm"),
    **named("Reshape", reshape),
    **named("Squeeze", squeeze),
    **named("Unsqueeze", unsqueeze),
    **named("Expand", expand),
    **named("ConstantOfShape", constant_of_shape),
    **named("Range", range_of),
    **named("Pad", pad),
    **named("ReduceMean ReduceSum", reduction, "keepdims"),
    **named("MatMul", matrix_product),
    **named("LSTM", partial(recurrent, blocks=4), f"{RECURRENT} input_forget"),
    **named("com.microsoft.DynamicQuantizeLSTM", partial(recurrent, blocks=4), f"{RECURRENT} input_forget"),
    **named("GRU", partial(recurrent, blocks=3), f"{RECURRENT} linear_before_reset"),
    **named("RNN", partial(recurrent, blocks=1), RECURRENT),
    **named("Scan", same, "body num_scan_inputs"),  # see Work.scan
}
