"""Answers to thousands of clips in a few hundred characters of text, for a database's column."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

NONE = 65_535  # in place of a label: the network gave no answer


def pack(numbers: NDArray[np.int64]) -> str:
    """Numbers of labels, each below NONE or NONE, as text."""
    return base64.b85encode(zlib.compress(numbers.astype(np.uint16).tobytes(), 9)).decode()


def unpack(text: str) -> NDArray[np.int64]:
    """The numbers [n] of `pack`."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), np.uint16).astype(np.int64)
