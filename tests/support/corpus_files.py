"""Small corpora on disk for the tests."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray


def clip(seed: int, samples: int = 16_000) -> NDArray[np.int16]:
    """A recording that no other seed has."""
    return np.random.default_rng(seed).integers(-8000, 8000, samples).astype(np.int16)


def write_clips(root: Path, names: Iterable[str], samples: int = 16_000) -> list[str]:
    """Write a recording for each name `folder/file`, each another one."""
    names = list(names)
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        soundfile.write(content, clip(seed, samples), 16_000, "PCM_16", format="WAV")
        (root / name).write_bytes(content.getvalue())
    return names


def touch_clips(root: Path, names: Iterable[str]) -> list[str]:
    """Files with the names of recordings, where only the names matter."""
    names = list(names)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return names


def speakers(word: str, count: int, first: int = 0) -> list[str]:
    """Names of one recording by each of `count` speakers."""
    return [f"{word}/{first + i:08x}_nohash_0.wav" for i in range(count)]
