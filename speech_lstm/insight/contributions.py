"""The parts of a gate: how much the input, the previous output, the bias and every other weight add to its sum.

A cell's own step runs with values that remember the weights they come from, so no cell needs code here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from speech_lstm.insight.inside import DIRECTIONS, Floats, Inside, LayerTrace
from speech_lstm.recurrent.cell import Product, Track, Weights
from speech_lstm.recurrent.engine import run
from speech_lstm.recurrent.layer import Layer

if TYPE_CHECKING:
    from speech_lstm.model.torch_model import TorchModel

Parts = dict[str, Tensor]  # by the name of their weights; they add up to the whole
Contributions = dict[str, dict[str, Floats]]  # gate → part → [frames, units]
INPUT, BIAS, REST = "x", "bias", "rest"


class Sum(torch.Tensor):
    """A tensor with its parts, or with `before`: the parts of the sum that an activation was applied to.

    Sums, products with plain numbers and changes of shape preserve the parts; any other operation drops them.
    """

    parts: Parts | None
    before: Parts | None

    @classmethod
    def of(cls, parts: Parts) -> Sum:
        """The sum of these parts."""
        total = cls.bare(functools.reduce(torch.add, parts.values()))
        total.parts = parts
        return total

    @classmethod
    def bare(cls, value: Tensor, before: Parts | None = None) -> Sum:
        """A value without known parts."""
        bare = value.as_subclass(cls)
        bare.parts, bare.before = None, before
        return bare

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, rest = getattr(func, "__name__", ""), kwargs or {}
        if any(parts_of(item) is not None for item in flat(args)) and not rest.keys() - {"dim"}:
            if name in SHAPES:
                return reshape_parts(func, args, rest)
            if name in ("add", "__add__", "__radd__"):
                return add_parts(args[0], args[1])
            if name in ("sub", "__sub__"):
                return add_parts(args[0], args[1] * -1)
            if name in ("mul", "__mul__", "__rmul__") and (scaled := scale(args[0], args[1])) is not None:
                return scaled
            if name == "addcmul":
                return add_parts(args[0], args[1] * args[2])
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*plain(args), **rest)
        if name in SHAPES and (before := before_of(args[0])):  # the gates of one activation are split
            pieces = reshape_parts(func, (cls.of(before), *args[1:]), rest)
            if isinstance(out, Tensor):
                return cls.bare(out, pieces.parts)
            return tuple(cls.bare(value, piece.parts) for value, piece in zip(out, pieces, strict=True))
        alone = len(args) == 1 and isinstance(out, Tensor)
        return cls.bare(out, parts_of(args[0])) if alone else out


# Changes of shape, which apply to each part.
SHAPES = frozenset(
    [
        "__getitem__",
        "cat",
        "chunk",
        "contiguous",
        "expand",
        "flatten",
        "narrow",
        "reshape",
        "split",
        "squeeze",
        "tensor_split",
        "transpose",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view",
    ]
)


def parts_of(value: Any) -> Parts | None:
    return getattr(value, "parts", None) if isinstance(value, Sum) else None


def before_of(value: Any) -> Parts | None:
    return getattr(value, "before", None) if isinstance(value, Sum) else None


def flat(values: Iterable[Any]) -> list[Any]:
    """The items of arguments, also those of lists in them."""
    return [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]


def plain(value: Any) -> Any:
    """A value, or the items of a list, without their parts."""
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value.as_subclass(torch.Tensor) if isinstance(value, Sum) else value


def reshape_parts(func: Callable[..., Any], args: tuple[Any, ...], rest: dict[str, Any]) -> Any:
    """A change of shape, applied to every part; of several values, one that lacks a part of another has 0 for it."""
    values = [item for item in flat(args) if isinstance(item, Tensor)]
    names = dict.fromkeys(name for value in values for name in parts_of(value) or (REST,))

    def part(name: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
            return [part(name, item) for item in value]
        if not isinstance(value, Tensor):
            return value
        parts = parts_of(value) or {REST: plain(value)}
        term = parts.get(name)
        return torch.zeros_like(plain(value)) if term is None else term.expand(value.shape)

    outs = {name: func(*(part(name, value) for value in args), **rest) for name in names}
    if isinstance(next(iter(outs.values())), Tensor):
        return Sum.of(outs)
    return tuple(Sum.of(dict(zip(outs, pieces, strict=True))) for pieces in zip(*outs.values(), strict=True))


def add_parts(first: Any, second: Any) -> Sum:
    """The sum of two values, part by part; a value without parts is the rest."""
    total: Parts = {}
    for value in (first, second):
        parts = parts_of(value)
        if parts is None:
            rest = torch.as_tensor(plain(value))
            parts = {REST: rest} if bool(rest.any()) else {}
        for name, part in parts.items():
            total[name] = total[name] + part if name in total else part
    return Sum.of(total)


def scale(first: Any, second: Any) -> Sum | None:
    """A value with parts times one without; None for two with parts."""
    if parts_of(first) is None:
        first, second = second, first
    parts = parts_of(first)
    if parts is None or parts_of(second) is not None:
        return None
    return Sum.of({name: part * plain(second) for name, part in parts.items()})


def named_product(name: str, product: Product) -> Product:
    """A recurrent product that becomes a part of the sum that it is added to."""

    def times(x: Tensor, h: Tensor) -> Tensor:
        h = plain(h)
        return add_parts(x, Sum.of({name: product(h.new_zeros(()), h)}))

    return times


@torch.no_grad()
def contributions(model: TorchModel, inside: Inside, trace: LayerTrace) -> Contributions:
    """The parts that add up to each gate and candidate before its activation: by gate and part [frames, units].

    They are float32. `x` is W·x, `bias` the bias; recurrent matrices (U·h⁻) and vectors, such as `peepholes` (p ⊙ c),
    have the cell's names. A state that is itself an activation of a sum has parts too. A value that is no activation
    of a sum has none and is absent: a clock, a gate of another gate.
    """
    layer = model.network.stack.layer(trace.layer - 1)
    below, tap = inside.tracks[trace.layer - 1], PartsTap()
    bias = layer.read(Track(torch.zeros_like(below.hidden)))
    parts = {INPUT: layer.read(below) - bias}
    xs = Sum.of(parts | {BIAS: bias} if bool(bias.any()) else parts)
    memory = layer.directed(below.memory) if below.memory is not None else None
    run(
        layer.cell,
        xs,
        layer.cell.start(below.hidden.shape[1], layer.directions, layer.input),
        named_weights(layer),
        memory,
        tap=tap,
    )
    return tap.arrays(trace)


def named_weights(layer: Layer) -> Weights:
    """The weights of a layer; each becomes a part of the sums that it enters."""
    weights = layer.weights()
    return Weights(
        {name: named_product(name, product) for name, product in weights.product.items()},
        {name: Sum.of({name: vector}) for name, vector in weights.vector.items()},
    )


class PartsTap:
    """A tap that collects the parts of every value and returns the plain value."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Parts | None]] = {}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        parts = parts_of(value) or before_of(value)
        total = plain(value)
        self.parts.setdefault(name, []).append(
            {part: term.expand(total.shape) for part, term in parts.items()} if parts else None
        )
        return total

    def arrays(self, trace: LayerTrace) -> Contributions:
        """The parts of one direction, in the order of the frames; the bands of a gate are its units, band by band."""
        index, arrays = DIRECTIONS.index(trace.direction), Contributions()
        for name, steps in self.parts.items():
            complete = [parts for parts in steps if parts is not None]
            if len(complete) < len(steps):
                continue
            gate = arrays.setdefault(name.partition(".")[0], {})
            for part in complete[0]:
                terms = torch.stack([parts[part][index, 0] for parts in complete]).cpu().numpy()
                terms = np.ascontiguousarray(terms[::-1] if index else terms)
                gate[part] = np.concatenate([gate[part], terms], 1) if part in gate else terms
        return arrays
