"""A disk that is soon full: a limit for the files of this process, or a small disk in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond `size` bytes fails in this block: EFBIG, as Python ignores the signal."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes, mounted at `folder`; the test is skipped where it may not be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    try:
        mount = subprocess.run(command, capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if mount.returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
