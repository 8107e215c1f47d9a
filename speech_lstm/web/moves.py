"""ONNX operators that only move numbers, for arrays of any kind: the numbers themselves, or their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]
# Operands, the constant inputs after them, attributes → results.
Move = Callable[[Arrays, list[Any], dict[str, Any]], Arrays]


def same(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return data


def reshape(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    shape = [data[0].shape[axis] if size == 0 else int(size) for axis, size in enumerate(rest[0])]
    return [data[0].reshape(shape)]


def transpose(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [data[0].transpose(attributes.get("perm"))]


def unsqueeze(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [np.expand_dims(data[0], tuple(map(int, rest[0])))]


def squeeze(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [data[0].squeeze(tuple(map(int, rest[0])))]


def expand(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [np.broadcast_to(data[0], np.broadcast_shapes(data[0].shape, tuple(map(int, rest[0]))))]


def concatenate(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [np.concatenate(data, attributes["axis"])]


def split(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return np.split(data[0], np.cumsum(rest[0])[:-1], attributes.get("axis", 0))


def cut(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    starts, ends, axes, steps = (np.asarray(part).tolist() for part in rest)
    place: list[Any] = [slice(None)] * data[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place[axis] = slice(start, None if step < 0 and end < -data[0].shape[axis] else end, step)
    return [data[0][tuple(place)]]


def gather(data: Arrays, rest: list[Any], attributes: dict[str, Any]) -> Arrays:
    return [np.take(data[0], rest[0], attributes.get("axis", 0))]


MOVES: dict[str, Move] = {
    "Identity": same,
    "Reshape": reshape,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Squeeze": squeeze,
    "Expand": expand,
    "Concat": concatenate,
    "Split": split,
    "Slice": cut,
    "Gather": gather,
}
