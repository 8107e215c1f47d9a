"""The n-th call of a command made to fail: in a fork of a process that inject.c is preloaded into."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Fault:
    """The n-th call of a kind fails; with `stays` all later ones do, as on a full disk."""

    call: str = "write"
    n: int = 0  # none
    error: int = errno.EIO
    stays: bool = False

    def __str__(self) -> str:
        return f"{self.call} {self.n} {errno.errorcode[self.error]}{' for good' if self.stays else ''}"


NONE = Fault()


@dataclass(frozen=True)
class Run:
    """What came of a command."""

    status: int
    counts: dict[str, int]
    out: str
    err: str


class ForkServer:
    """Context manager: the process that forks; `folder` is where it keeps what commands print."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        library = self.folder / "inject.so"
        compiler = shutil.which("cc")
        assert compiler is not None
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "inject.c", "-ldl"], check=True)
        settings = {
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "no_proxy": "127.0.0.1",
        }
        command = [sys.executable, "-W", "ignore", HERE / "fork_server.py"]
        self.process = subprocess.Popen(
            command, env=os.environ | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.communicate()

    def run(self, words: list[str], below: Path, fault: Fault = NONE, keys: str = "") -> Run:
        """Run a command; only calls for files below a folder count and fail."""
        request: dict[str, Any] = {"words": words, "folder": str(below), "keys": keys}
        request |= {"call": fault.call, "n": fault.n, "error": fault.error, "stays": fault.stays}
        request["printed"] = str(self.folder / "printed")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Run(**json.loads(self.process.stdout.readline()))
