"""A process that runs cases, and is ended and started again when it crashes, hangs or grows."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import shutil
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from fuzzing.kind import Fault, Kind, Verdict, check_message
from speech_lstm.errors import SpeechLSTMError

LIMIT = 10.0  # seconds for a case, of its process's own time
CROWDED = 12  # times as long by the clock: other sessions may run on the same cores
MOST_MEMORY = 2_000  # MB
START = 300.0  # seconds for the process to begin: a loaded machine takes long to import torch
END = 1.0  # seconds for the process to end by itself
POLL = 0.02  # seconds


class Worker:
    """Context manager; `judge` gives a case to the process."""

    def __init__(self, kind: Kind, limit: float = LIMIT) -> None:
        self.kind, self.limit = type(kind), limit
        self.most_memory = self.slowest = 0.0  # MB, seconds
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["fuzzing.worker", type(kind).__module__, *kind.modules])
        self.process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="speech-lstm-fuzz-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)

    def judge(self, content: bytes) -> Verdict:
        """What comes of a case."""
        if self.process is None:
            self.begin()
        start = time.monotonic()
        self.connection.send_bytes(content)
        verdict = self.wait(self.limit)
        self.slowest = max(self.slowest, time.monotonic() - start)
        if isinstance(verdict, Verdict):
            return verdict
        self.process.kill()
        self.end()
        return Verdict(*verdict)

    def begin(self) -> None:
        self.connection, theirs = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(self.kind, self.home, theirs), daemon=True)
        self.process.start()
        theirs.close()
        if not isinstance(ready := self.wait(START), Verdict):
            raise RuntimeError(f"the worker does not begin: {ready}")

    def end(self) -> None:
        if self.process is not None:
            self.connection.close()  # which a process that waits for a case takes as the end
            self.process.join(END)
            self.process.kill()
            self.process.join()
            self.process = None

    def wait(self, limit: float) -> Verdict | tuple[str, str]:
        """The process's next word, or the outcome and the detail of a process that does not say it."""
        assert self.process is not None
        deadline, most = time.monotonic() + CROWDED * limit, own_seconds(self.process.pid) + limit
        while not self.connection.poll(POLL):
            if not self.process.is_alive():
                return "crash", f"status {self.process.exitcode}"
            if time.monotonic() > deadline or own_seconds(self.process.pid) > most:
                return "hang", ""
            if memory(self.process.pid) > MOST_MEMORY:
                return "memory", ""
        try:
            verdict, most = self.connection.recv()
        except EOFError:
            self.process.join()
            return "crash", f"status {self.process.exitcode}"
        self.most_memory = max(self.most_memory, most)
        return verdict


def memory(pid: int | None) -> float:
    """The resident memory of a process in MB; 0 of one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def own_seconds(pid: int | None) -> float:
    """The time that a process has run; 0 of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def serve(kind: type[Kind], home: Path, connection: Connection) -> None:
    """In the process: run what arrives."""
    printed = home / f"printed-{os.getpid()}"
    with printed.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    cases = kind()
    connection.send((Verdict("answered"), 0.0))
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        os.truncate(printed, 0)
        verdict = judged(cases, content, home / "case", printed)
        connection.send((verdict, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))


def judged(kind: Kind, content: bytes, folder: Path, printed: Path) -> Verdict:
    """Run one case in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        verdict = outcome(kind, content, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    # What libraries print in one printable line is no fault, such as the MP3 decoder's notes.
    for line in printed.read_text(errors="backslashreplace").strip("\0").split("\n"):
        if not line.isprintable() or re.search(r"\w+Warning: |Traceback|Exception ignored", line):
            return verdict if verdict.is_fault else Verdict("message", f"printed: {line[-60:]}", line)
    return verdict


def outcome(kind: Kind, content: bytes, folder: Path) -> Verdict:
    try:
        kind.run(content, folder)
        return Verdict("answered")
    except Fault as fault:
        return fault.verdict
    except SpeechLSTMError as error:
        try:
            check_message(str(error))
        except Fault as fault:
            return Verdict("message", f"{type(error).__name__}: {fault.verdict.detail}", str(error))
        return Verdict("refused", type(error).__name__, str(error))
    except BaseException as error:  # whatever it is: that is the question
        return Verdict("traceback", f"{type(error).__name__} {origin(error)}", traceback.format_exc())


def origin(error: BaseException) -> str:
    """The innermost function of the package in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "speech_lstm" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].name}"
