"""The ONNX nodes of the operators of torch's library ATen that a cell's step is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from speech_lstm.errors import ConfigError

if TYPE_CHECKING:
    from speech_lstm.export.tracer import Recorder


class Call:
    """One operator's call: what it was given and gave, for the function that writes its nodes."""

    def __init__(self, recorder: Recorder, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.recorder, self.graph = recorder, recorder.graph
        self.out, self.args, self.kwargs = out, args, kwargs

    def __getitem__(self, index: int) -> str:
        """The name of an operand in the type of the result."""
        return self.recorder.name(self.args[index], self.out.dtype)

    def raw(self, index: int) -> str:
        """The name of an operand in its own type; a plain number has that of the first operand."""
        item = self.args[index]
        return self.recorder.name(item, None if isinstance(item, Tensor) else self.args[0].dtype)

    def plain(self, index: int, default: Any = None) -> Any:
        """An argument that is no tensor."""
        return self.args[index] if len(self.args) > index else default

    def axis(self, index: int, default: int = 0) -> int:
        """An argument that is an axis of the first operand, counted from 0."""
        return self.plain(index, default) % self.args[0].dim()

    def scaled(self, name: str, factor: str) -> str:
        """A value times a keyword's number, which mostly is 1."""
        number = self.kwargs.get(factor, 1)
        return name if number == 1 else self.graph("Mul", name, self.recorder.name(number, self.out.dtype))


Writer = Callable[[Call], str | list[str]]


def flat(values: Iterable[Any]) -> list[Any]:
    """The items of arguments, also those of lists in them."""
    return [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]


def same(call: Call) -> str:
    """What only makes a copy or another view of the same numbers; or another type of them."""
    return call[0]


def elementwise(operator: str, operands: int) -> Writer:
    return lambda call: call.graph(operator, *(call[i] for i in range(operands)))


def compared(operator: str) -> Writer:
    return lambda call: call.graph(operator, call.raw(0), call.raw(1))


def added(call: Call) -> str:
    return call.graph("Add", call[0], call.scaled(call[1], "alpha"))


def subtracted(call: Call) -> str:
    return call.graph("Sub", call[0], call.scaled(call[1], "alpha"))


def subtracted_from(call: Call) -> str:
    return call.graph("Sub", call[1], call.scaled(call[0], "alpha"))


def matrix_added(call: Call) -> str:
    product = call.scaled(call.graph("MatMul", call[1], call[2]), "alpha")
    return call.graph("Add", call.scaled(call[0], "beta"), product)


def multiplied_added(call: Call) -> str:
    return call.graph("Add", call[0], call.scaled(call.graph("Mul", call[1], call[2]), "value"))


def blended(call: Call) -> str:
    return call.graph("Add", call[0], call.graph("Mul", call[2], call.graph("Sub", call[1], call[0])))


def chosen(call: Call) -> str:
    return call.graph("Where", call.recorder.name(call.args[0]), call[1], call[2])


def filled(call: Call) -> str:
    return call.graph("Where", call.recorder.name(call.args[1]), call[2], call[0])


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


def clamped(call: Call) -> str:
    limits = [None if call.plain(i) is None else call[i] for i in (1, 2)]
    return call.graph("Clip", call[0], *limits)


def squared(call: Call) -> str:
    return call.graph("Mul", call[0], call[0])


def reduced(operator: str) -> Writer:
    def write(call: Call) -> str:
        axes = flat([call.plain(1)])
        return call.graph(operator, call[0], axes, keepdims=int(call.plain(2, False)))

    return write


def soft_max(call: Call) -> str:
    return call.graph("Softmax", call[0], axis=call.axis(1))


def layer_norm(call: Call) -> list[str]:
    shape, weight, bias = call.args[1:4]
    given = [call.recorder.name(torch.ones(shape) if weight is None else weight)]
    given += [] if bias is None else [call.recorder.name(bias)]
    return [call.graph("LayerNormalization", call.raw(0), *given, axis=-len(shape), epsilon=call.plain(4))]


def inverse_root(call: Call) -> str:
    return call.graph("Reciprocal", call.graph("Sqrt", call[0]))


def stacked(call: Call) -> str:
    tensors, axis = call.args[0], call.plain(1, 0) % call.out.dim()
    names = [call.recorder.laid_out(tensor, tensors, call.out.dtype) for tensor in tensors]
    return call.graph("Concat", *(call.graph("Unsqueeze", name, [axis]) for name in names), axis=axis)


def joined(call: Call) -> str:
    tensors, axis = call.args[0], call.plain(1, 0) % call.out.dim()
    return call.graph(
        "Concat", *(call.recorder.laid_out(each, tensors, call.out.dtype) for each in tensors), axis=axis
    )


def cut(call: Call) -> list[str]:
    axis = call.axis(2)
    sizes = [int(piece.shape[axis]) for piece in call.out]
    return call.graph.several(len(sizes), "Split", call.raw(0), sizes, axis=axis)


def sliced(call: Call) -> str:
    axis, size = call.axis(1), call.args[0].shape[call.axis(1)]
    start, end, step = (call.plain(2) or 0), call.plain(3), call.plain(4, 1)
    return call.graph.slice(call[0], axis, start, None if end is None or end >= size else end, step)


def selected(call: Call) -> str:
    return call.graph("Gather", call[0], np.array(call.plain(2)), axis=call.axis(1))


def padded(call: Call) -> str:
    pairs = [call.plain(1)[i : i + 2] for i in range(0, len(call.plain(1)), 2)][::-1]  # the last axis comes first
    pads = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    axes = list(range(call.out.dim() - len(pairs), call.out.dim()))
    return call.graph("Pad", call[0], pads, call.recorder.name(call.plain(2, 0), call.out.dtype), axes)


def swapped(call: Call) -> str:
    order = list(range(call.out.dim()))
    first, second = call.axis(1), call.axis(2)
    order[first], order[second] = second, first
    return call.graph("Transpose", call[0], perm=order)


def permuted(call: Call) -> str:
    return call.graph("Transpose", call[0], perm=[axis % call.out.dim() for axis in call.plain(1)])


def raised(call: Call) -> str:
    return call.graph("Unsqueeze", call[0], [call.plain(1) % call.out.dim()])


def lowered(call: Call) -> str:
    return call.graph("Squeeze", call[0], [call.axis(1)]) if call.out.dim() < call.args[0].dim() else call[0]


def expanded(call: Call) -> str:
    same_shape = call.out.shape == call.args[0].shape
    return call[0] if same_shape else call.graph("Expand", call[0], list(call.out.shape))


def reshaped(call: Call) -> str:
    """Changes of shape behind the first two axes, direction and recording."""
    before, after = call.args[0].shape, call.out.shape
    if before == after:
        return call[0]
    if before[:2] != after[:2]:
        raise ConfigError(
            f"the step of the cell {call.recorder.cell!r} changes the shape of its first two axes, direction and "
            "recording, which can't be exported"
        )
    return call.graph("Reshape", call[0], [0, 0, *after[2:]])


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("clone", "detach", "alias", "contiguous", "_to_copy", "lift_fresh"), same),
    **{name: elementwise(name.capitalize(), 1) for name in ("sigmoid", "tanh", "relu", "exp", "log", "abs", "neg")},
    **{name: elementwise(name.capitalize(), 1) for name in ("sqrt", "reciprocal", "sin", "cos", "floor", "ceil")},
    **{name: elementwise(name.capitalize(), 1) for name in ("round", "sign", "erf", "softplus", "elu")},
    **{name: elementwise(name.capitalize(), 2) for name in ("mul", "div", "pow")},
    **{name: elementwise("MatMul", 2) for name in ("mm", "bmm")},
    "maximum": elementwise("Max", 2),
    "minimum": elementwise("Min", 2),
    "gt": compared("Greater"),
    "ge": compared("GreaterOrEqual"),
    "lt": compared("Less"),
    "le": compared("LessOrEqual"),
    "eq": compared("Equal"),
    "logical_not": elementwise("Not", 1),
    "add": added,
    "sub": subtracted,
    "rsub": subtracted_from,
    "addcmul": multiplied_added,
    "addmm": matrix_added,
    "baddbmm": matrix_added,
    "lerp": blended,
    "where": chosen,
    "masked_fill": filled,
    "log_sigmoid_forward": log_sigmoid,
    "silu": swish,
    "remainder": remainder,
    "clamp": clamped,
    "square": squared,
    "mean": reduced("ReduceMean"),
    "sum": reduced("ReduceSum"),
    "_softmax": soft_max,
    "native_layer_norm": layer_norm,
    "cat": joined,
    "stack": stacked,
    "rsqrt": inverse_root,
    "split": cut,
    "split_with_sizes": cut,
    "slice": sliced,
    "select": selected,
    "constant_pad_nd": padded,
    "transpose": swapped,
    "t": swapped,
    "permute": permuted,
    "unsqueeze": raised,
    "squeeze": lowered,
    "expand": expanded,
    "view": reshaped,
    "_unsafe_view": reshaped,
    "reshape": reshaped,
}
