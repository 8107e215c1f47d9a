"""A terminal to run a program in and to look at: tmux with a server of its own."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Terminal:
    """Context manager, 80×24 with 256 colours; runs `command`, then prints its exit status and stays."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        # GNU readline, which pytest imports, leaves the size of another terminal in the environment.
        self.environment = {name: text for name, text in environment.items() if name not in ("LINES", "COLUMNS")}
        self.start = f"TERM=screen-256color {shlex.join(command)}; echo status $?; exec sleep 600"

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="tmux-")  # the path of a socket has at most 108 characters
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", self.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.tmux("kill-server")
        self.folder.cleanup()

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", str(Path(self.folder.name) / "tmux"), "-f", "/dev/null", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def screen(self) -> str:
        """What it shows."""
        return self.tmux("capture-pane", "-p")

    def colours(self) -> str:
        """The same with the escape sequences of its colours."""
        return self.tmux("capture-pane", "-e", "-p")

    def press(self, keys: str) -> None:
        self.tmux("send-keys", keys)

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-x", str(width), "-y", str(height))
