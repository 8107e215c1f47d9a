"""WAV files of 16 bits at 16 kHz, mono: the one place where sound is written."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from speech_lstm.config import SAMPLE_RATE


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write float32 samples [n], nominally in ±1; raises OSError if the system refuses, as for a full disk."""
    with wav_writer(path) as write:
        write(samples)


def wav_bytes(samples: np.ndarray) -> bytes:
    """The content of a WAV file of float32 samples [n], nominally in ±1."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


@contextlib.contextmanager
def wav_writer(path: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield a function that appends float32 samples to the file; it and the end of the block raise OSError."""
    with path.open("wb") as file:
        disk = _Disk(file)
        with soundfile.SoundFile(disk, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as sound:

            def write(samples: np.ndarray) -> None:
                sound.write(samples)
                disk.check()

            yield write
        disk.check()


class _Disk:
    """A file whose first OSError is kept until `check`: libsndfile's callbacks cannot pass it on.

    Writing to the path itself, libsndfile would raise an error of its own or, at the end, none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._fault: OSError | None = None
        self._position = self._size = 0  # as if nothing had failed

    def check(self) -> None:
        """Raise what the system refused."""
        if self._fault is not None:
            raise self._fault

    def write(self, data: bytes) -> int:
        with self._kept():
            self._file.write(data)
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        with self._kept():
            self._file.seek(start + offset)
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        """Nothing: soundfile demands this method, and does not call it."""
        return b""

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fault = self._fault or error
