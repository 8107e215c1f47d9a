"""The memory of a program: the places of its constants, which come first, and of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.web.parts import Places


class Memory:
    """Places by the names of constants and values.

    How many constants there are is known at the end: until `located`, a constant is at −1 − its number, and a value
    at its number among the values.
    """

    def __init__(self, constants: dict[str, NDArray[Any]]) -> None:
        self.constants = constants
        self.places: dict[str, Places] = {}
        self.known: dict[str, Places] = {}  # constants that have places
        self.numbers: list[float] = []  # of the constants
        self.size = 0  # numbers of values

    def place(self, name: str, shape: Sequence[int]) -> Places:
        """New places for a value."""
        count = int(np.prod(shape))
        self.places[name] = np.arange(self.size, self.size + count).reshape(shape)
        self.size += count
        return self.places[name]

    def store(self, array: NDArray[Any]) -> Places:
        """New places for a constant."""
        first = -1 - len(self.numbers)
        self.numbers += array.astype(np.float32).ravel().tolist()
        return np.arange(first, first - array.size, -1).reshape(array.shape)

    def operand(self, name: str) -> Places:
        """The places of a value or constant."""
        if name in self.places:
            return self.places[name]
        if name not in self.known:
            self.known[name] = self.store(self.constants[name])
        return self.known[name]

    def number(self, value: float) -> Places:
        """The place of a plain number."""
        name = f"number {value}"
        self.constants.setdefault(name, np.array(value, np.float32))
        return self.operand(name)

    def shape(self, name: str) -> tuple[int, ...]:
        return (self.places[name] if name in self.places else self.constants[name]).shape

    def located(self, item: Any) -> Any:
        """Places, or lists and dictionaries of them, in the finished memory."""
        if isinstance(item, np.ndarray):
            return np.where(item < 0, -1 - item, item + len(self.numbers)).ravel()
        if isinstance(item, dict):
            return {key: self.located(value) for key, value in item.items()}
        return [self.located(part) for part in item] if isinstance(item, (list, tuple)) else item
