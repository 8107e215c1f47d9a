"""The ONNX nodes of the operators of torch's library ATen that a cell's step is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speech_lstm.errors import ConfigError
from speech_lstm.export.values import TracedValues


class Call:
    """One call of an operator, its arguments and result, for the function that writes its nodes."""

    def __init__(
        self, values: TracedValues, cell: str, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.values, self.graph, self.cell = values, values.graph, cell
        self.out, self.args, self.kwargs = out, args, kwargs

    def __getitem__(self, index: int) -> str:
        """The name of an operand in the type of the result."""
        return self.values.name(self.args[index], self.out.dtype)

    def raw(self, index: int) -> str:
        """The name of an operand in its own type; a plain number has that of the first operand."""
        item = self.args[index]
        return self.values.name(item, None if isinstance(item, Tensor) else self.args[0].dtype)

    def plain(self, index: int, default: Any = None) -> Any:
        """An argument that is not a tensor."""
        return self.args[index] if len(self.args) > index else default

    def axis(self, index: int, default: int = 0) -> int:
        """An argument that is an axis of the first operand, counted from 0."""
        return self.plain(index, default) % self.args[0].dim()

    def scaled(self, name: str, factor: str) -> str:
        """A value times the number of a keyword, which is 1 in most calls."""
        number = self.kwargs.get(factor, 1)
        return name if number == 1 else self.graph("Mul", name, self.values.name(number, self.out.dtype))


Writer = Callable[[Call], str | list[str]]


def pass_on(call: Call) -> str:
    """A copy, another view or another type of the same numbers."""
    return call[0]


def elementwise(operator: str, operands: int) -> Writer:
    return lambda call: call.graph(operator, *(call[i] for i in range(operands)))


def comparison(operator: str) -> Writer:
    return lambda call: call.graph(operator, call.raw(0), call.raw(1))


def add(call: Call) -> str:
    return call.graph("Add", call[0], call.scaled(call[1], "alpha"))


def subtract(call: Call) -> str:
    return call.graph("Sub", call[0], call.scaled(call[1], "alpha"))


def subtract_from(call: Call) -> str:
    return call.graph("Sub", call[1], call.scaled(call[0], "alpha"))


def add_matrix_product(call: Call) -> str:
    product = call.scaled(call.graph("MatMul", call[1], call[2]), "alpha")
    return call.graph("Add", call.scaled(call[0], "beta"), product)


def add_product(call: Call) -> str:
    return call.graph("Add", call[0], call.scaled(call.graph("Mul", call[1], call[2]), "value"))


def interpolate(call: Call) -> str:
    return call.graph("Add", call[0], call.graph("Mul", call[2], call.graph("Sub", call[1], call[0])))


def choose(call: Call) -> str:
    return call.graph("Where", call.values.name(call.args[0]), call[1], call[2])


def fill(call: Call) -> str:
    return call.graph("Where", call.values.name(call.args[1]), call[2], call[0])


def log_sigmoid(call: Call) -> list[str]:
    return [call.graph("Neg", call.graph("Softplus", call.graph("Neg", call.raw(0))))]


def swish(call: Call) -> str:
    return call.graph("Mul", call[0], call.graph("Sigmoid", call[0]))


def remainder(call: Call) -> str:
    """With the sign of the divisor, as in Python."""
    if not call.out.dtype.is_floating_point:
        return call.graph("Mod", call[0], call[1])
    whole = call.graph("Floor", call.graph("Div", call[0], call[1]))
    return call.graph("Sub", call[0], call.graph("Mul", call[1], whole))


def clamp(call: Call) -> str:
    limits = [None if call.plain(i) is None else call[i] for i in (1, 2)]
    return call.graph("Clip", call[0], *limits)


def square(call: Call) -> str:
    return call.graph("Mul", call[0], call[0])


def reduction(operator: str) -> Writer:
    def write(call: Call) -> str:
        axes = call.plain(1)
        axes = [axes] if isinstance(axes, int) else list(axes)
        return call.graph(operator, call[0], axes, keepdims=int(call.plain(2, False)))

    return write


def soft_max(call: Call) -> str:
    return call.graph("Softmax", call[0], axis=call.axis(1))


def layer_norm(call: Call) -> list[str]:
    shape, weight, bias = call.args[1:4]
    parameters = [call.values.name(torch.ones(shape) if weight is None else weight)]
    parameters += [] if bias is None else [call.values.name(bias)]
    return [call.graph("LayerNormalization", call.raw(0), *parameters, axis=-len(shape), epsilon=call.plain(4))]


def inverse_root(call: Call) -> str:
    return call.graph("Reciprocal", call.graph("Sqrt", call[0]))


def stack(call: Call) -> str:
    tensors, axis = call.args[0], call.plain(1, 0) % call.out.dim()
    names = [call.values.name_in_batch(tensor, tensors, call.out.dtype) for tensor in tensors]
    return call.graph("Concat", *(call.graph("Unsqueeze", name, [axis]) for name in names), axis=axis)


def concatenate(call: Call) -> str:
    tensors, axis = call.args[0], call.plain(1, 0) % call.out.dim()
    return call.graph(
        "Concat", *(call.values.name_in_batch(each, tensors, call.out.dtype) for each in tensors), axis=axis
    )


def split(call: Call) -> list[str]:
    axis = call.axis(2)
    sizes = [int(piece.shape[axis]) for piece in call.out]
    return call.graph.several(len(sizes), "Split", call.raw(0), sizes, axis=axis)


def slice_axis(call: Call) -> str:
    axis, size = call.axis(1), call.args[0].shape[call.axis(1)]
    start, end, step = (call.plain(2) or 0), call.plain(3), call.plain(4, 1)
    return call.graph.slice(call[0], axis, start, None if end is None or end >= size else end, step)


def select(call: Call) -> str:
    return call.graph("Gather", call[0], np.array(call.plain(2)), axis=call.axis(1))


def pad(call: Call) -> str:
    pairs = [call.plain(1)[i : i + 2] for i in range(0, len(call.plain(1)), 2)][::-1]  # the last axis comes first
    pads = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    axes = list(range(call.out.dim() - len(pairs), call.out.dim()))
    return call.graph("Pad", call[0], pads, call.values.name(call.plain(2, 0), call.out.dtype), axes)


def transpose(call: Call) -> str:
    order = list(range(call.out.dim()))
    first, second = call.axis(1, 0), call.axis(2, 1)  # of `t`, which names none, the only two
    order[first], order[second] = second, first
    return call.graph("Transpose", call[0], perm=order)


def permute(call: Call) -> str:
    return call.graph("Transpose", call[0], perm=[axis % call.out.dim() for axis in call.plain(1)])


def unsqueeze(call: Call) -> str:
    return call.graph("Unsqueeze", call[0], [call.plain(1) % call.out.dim()])


def squeeze(call: Call) -> str:
    return call.graph("Squeeze", call[0], [call.axis(1)]) if call.out.dim() < call.args[0].dim() else call[0]


def expand(call: Call) -> str:
    same_shape = call.out.shape == call.args[0].shape
    return call[0] if same_shape else call.graph("Expand", call[0], list(call.out.shape))


def reshape(call: Call) -> str:
    """A change of shape after the first two axes, direction and recording."""
    before, after = call.args[0].shape, call.out.shape
    if before == after:
        return call[0]
    if before[:2] != after[:2]:
        raise ConfigError(
            f"the step of the cell {call.cell!r} changes the shape of its first two axes, direction and "
            "recording, which cannot be exported; change only the axes after them"
        )
    return call.graph("Reshape", call[0], [0, 0, *after[2:]])


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh"), pass_on),
    **{name: elementwise(name.capitalize(), 1) for name in ("sigmoid", "tanh", "relu", "exp", "log", "abs", "neg")},
    **{name: elementwise(name.capitalize(), 1) for name in ("sqrt", "reciprocal", "sin", "cos", "floor", "ceil")},
    **{name: elementwise(name.capitalize(), 1) for name in ("round", "sign", "erf", "softplus", "elu")},
    **{name: elementwise(name.capitalize(), 2) for name in ("mul", "div", "pow")},
    **{name: elementwise("MatMul", 2) for name in ("mm", "bmm")},
    "maximum": elementwise("Max", 2),
    "minimum": elementwise("Min", 2),
    "gt": comparison("Greater"),
    "ge": comparison("GreaterOrEqual"),
    "lt": comparison("Less"),
    "le": comparison("LessOrEqual"),
    "eq": comparison("Equal"),
    "logical_not": elementwise("Not", 1),
    "add": add,
    "sub": subtract,
    "rsub": subtract_from,
    "addcmul": add_product,
    "addmm": add_matrix_product,
    "baddbmm": add_matrix_product,
    "lerp": interpolate,
    "where": choose,
    "masked_fill": fill,
    "log_sigmoid_forward": log_sigmoid,
    "silu": swish,
    "remainder": remainder,
    "clamp": clamp,
    "square": square,
    "mean": reduction("ReduceMean"),
    "sum": reduction("ReduceSum"),
    "_softmax": soft_max,
    "native_layer_norm": layer_norm,
    "cat": concatenate,
    "stack": stack,
    "rsqrt": inverse_root,
    "split": split,
    "split_with_sizes": split,
    "slice": slice_axis,
    "select": select,
    "constant_pad_nd": pad,
    "transpose": transpose,
    "t": transpose,
    "permute": permute,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "expand": expand,
    "view": reshape,
    "_unsafe_view": reshape,
    "reshape": reshape,
}
