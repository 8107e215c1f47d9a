"""The bank: what the head of taught words learns besides the words, as vectors of other words, speech and noise.

`scripts/make_bank.py` makes one for a model, whose vectors mean nothing to another model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speech_lstm.errors import ModelError, foreign
from speech_lstm.files import atomic_path, reason
from speech_lstm.model.bundled import DEFAULT, bundled_model, names

Floats = NDArray[np.float32]

SUFFIX = ".bank.npz"
SPEECH, NOISE = "(speech)", "(noise)"  # the names of what is no word
LEVELS = 127  # of a stored number on either side of zero


@dataclass(frozen=True)
class Space:
    """Vectors of a model → points: unit vectors, which are near each other if the words are, whoever says them."""

    projection: Floats  # [size, dimensions]
    offset: Floats  # [dimensions]

    def points(self, vectors: Floats) -> Floats:
        """Vectors float32 [n, size] → points float32 [n, dimensions]."""
        return unit(vectors @ self.projection + self.offset)


@dataclass(frozen=True)
class Bank:
    """Points of recordings of other words, running speech and noise."""

    source: str  # the digest of the model, see `model.checkpoint.Model`
    space: Space
    stored: NDArray[np.int8]  # [n, dimensions], multiples of each point
    names: tuple[str, ...]  # of the words, and SPEECH and NOISE
    kinds: NDArray[np.uint16]  # [n] which of the names

    @cached_property
    def points(self) -> Floats:
        """float32 [n, dimensions]."""
        return unit(self.stored.astype(np.float32))

    @cached_property
    def is_noise(self) -> NDArray[np.bool_]:
        return self.of([NOISE])

    @cached_property
    def is_speech(self) -> NDArray[np.bool_]:
        return self.of([SPEECH])

    def of(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which points are of these words, whatever their case."""
        wanted = {name.casefold() for name in names}
        return np.isin(self.kinds, [i for i, name in enumerate(self.names) if name.casefold() in wanted])

    def save(self, path: Path) -> None:
        """Raises OutputError."""
        arrays = {
            "source": np.array(self.source),
            "projection": self.space.projection.astype(np.float16),
            "offset": self.space.offset,
            "points": self.stored,
            "names": np.array(self.names),
            "kinds": self.kinds,
        }
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ModelError for a file that is missing or no bank."""
        try:
            with np.load(path, allow_pickle=False) as file:
                parts = {name: file[name] for name in ("source", "projection", "offset", "points", "names", "kinds")}
            return cls.of_parts(parts)
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({reason(error)})") from None
        except Exception as error:  # of the archive, its compression and NumPy's format
            raise ModelError(
                f"{path}: not a bank, or damaged ({foreign(error)}); reinstall speech-lstm or make another"
            ) from None

    @classmethod
    def of_parts(cls, parts: dict[str, NDArray[np.generic]]) -> Self:
        """Raises ValueError for arrays that do not fit together."""
        projection, offset = parts["projection"].astype(np.float32), parts["offset"].astype(np.float32)
        points, kinds, words = parts["points"], parts["kinds"], tuple(map(str, parts["names"].tolist()))
        fits = points.ndim == 2 and projection.shape[1:] == offset.shape == points.shape[1:]
        if not fits or points.dtype != np.int8 or kinds.shape != points.shape[:1] or kinds.max() >= len(words):
            raise ValueError("arrays that do not fit together")
        if not (np.isfinite(projection).all() and np.isfinite(offset).all()):
            raise ValueError("numbers that are not finite")
        return cls(
            str(parts["source"]), Space(projection, offset), points.astype(np.int8), words, kinds.astype(np.uint16)
        )


def find_bank(source: str) -> Bank:
    """The bank of a bundled model by the model's digest; raises ModelError if none is included."""
    for name in names():
        try:
            file = bundled_model(SUFFIX, name)
        except ModelError:
            continue
        if (bank := Bank.load(file)).source == source:
            return bank
    raise ModelError(
        "no bank of other words is included for this model, without which everything would be taken for a taught "
        f"word; teach {DEFAULT}, or make a bank with scripts/make_bank.py and name it with --bank"
    )


def quantised(points: Floats) -> NDArray[np.int8]:
    """Points as they are stored: each as multiples of its largest number / LEVELS."""
    largest = np.abs(points).max(1, keepdims=True)
    return np.rint(points * (LEVELS / np.maximum(largest, 1e-12))).astype(np.int8)


def unit(points: Floats) -> Floats:
    """Points of length 1; of length 0, they stay."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(lengths, 1e-12), np.float32)
