"""A PostgreSQL of Debian's packages that lives as long as a test, run by a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USER = "nobody"  # where there is no user of PostgreSQL's own
QUICK = "-c fsync=off -c shared_buffers=16MB -c max_connections=20"


def binaries() -> Path | None:
    """The folder of the newest server's programs; None where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def unprivileged(command: Sequence[str]) -> list[str]:
    """The command as another user where this one is root, as whom the server refuses to run."""
    return ["runuser", "-u", owner(), "--", *command] if os.geteuid() == 0 else list(command)


def owner() -> str:
    """Who is to run the server."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else USER


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """The URL of an empty database; the server and its files go when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="speech-lstm-postgresql-"))  # not pytest's, which only its user may enter
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, owner())
    port = free_port()
    server = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {QUICK}"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    try:
        run(unprivileged([str(programs / "initdb"), "-D", str(data), "-U", "study", "-A", "trust", "-N"]))
        run(unprivileged([*control, "-o", server, "start"]))
        try:
            yield f"postgresql://study@127.0.0.1:{port}/postgres"
        finally:
            run(unprivileged([*control, "-m", "immediate", "stop"]))
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stdout
