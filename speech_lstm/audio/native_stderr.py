"""Drop the messages that C libraries print to standard error."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

STDERR = 2  # the descriptor that C code writes to
_lock = threading.Lock()
_users = 0
_saved: tuple[int, TextIO | None] = (-1, None)  # the real standard error, and `sys.stderr` if it wrote there


@contextlib.contextmanager
def silence_native_stderr() -> Iterator[None]:
    """Inside the block, messages of C code to standard error are dropped; those of Python are printed.

    ALSA and PortAudio print their errors from their own threads, in the middle of a live view and in addition to our
    own line about the same error; there is no call to stop them. Blocks may nest and overlap.
    """
    global _users, _saved
    with _lock:
        _users += 1
        if _users == 1:
            _saved = _redirect()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _restore(*_saved)


def _redirect() -> tuple[int, TextIO | None]:
    try:
        real = os.dup(STDERR)
    except OSError:
        return -1, None  # it is closed: nothing printed there is visible
    ours = sys.stderr if _descriptor(sys.stderr) == STDERR else None
    if ours is not None:
        ours.flush()
        sys.stderr = open(  # noqa: SIM115  (it is closed in _restore)
            real, "w", buffering=1, encoding=ours.encoding, errors=ours.errors, closefd=False
        )
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STDERR)
    os.close(null)
    return real, ours


def _restore(real: int, ours: TextIO | None) -> None:
    if real < 0:
        return
    if ours is not None:
        sys.stderr.flush()
        sys.stderr = ours
    os.dup2(real, STDERR)
    os.close(real)


def _descriptor(stream: TextIO | None) -> int:
    try:
        return stream.fileno() if stream is not None else -1
    except (io.UnsupportedOperation, AttributeError, ValueError):
        return -1  # the stream of a notebook or a test
