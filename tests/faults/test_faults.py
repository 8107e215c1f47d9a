"""Every n-th write, fsync, rename, opening and large allocation of a command fails once, or from then on.

As SQLite tests itself. After each fault the error is one line, the files that were there before are whole, no
temporary file is left, and the same command succeeds. The suite takes a few calls of each kind,
SPEECH_LSTM_FAULTS=20 takes twenty and SPEECH_LSTM_FAULTS=all every one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.append(str(ROOT / "scripts"))
from faults.commands import CALLS, COMMANDS, Command, Given, files_of, is_whole
from faults.injection import NONE, Fault, ForkServer, Run

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="a C compiler (the package gcc) and Linux are needed",
)
POINTS = os.environ.get("SPEECH_LSTM_FAULTS")  # of each kind of call: a number, or all
CASES = [(command, call) for command in COMMANDS for call in command.calls]


class Bench:
    """Runs commands with faults in a folder, and looks at what they leave."""

    def __init__(self, server: ForkServer, given: Given, work: Path) -> None:
        self.server, self.given, self.work = server, given, work
        self.good = cache(self.good)  # type: ignore[method-assign]

    def run(self, command: Command, fault: Fault = NONE) -> Run:
        return self.server.run(command.call(self.work, self.given), self.work, fault, command.keys)

    def good(self, command: Command) -> tuple[Run, frozenset[str]]:
        """The command without a fault, and the names of the files that it leaves."""
        command.prepare(self.work, self.given)
        run = self.run(command)
        assert run.status == 0, run.err
        return run, frozenset(files_of(self.work))

    def complaints(self, command: Command, fault: Fault) -> list[str]:
        """What is wrong after a fault."""
        _, names = self.good(command)
        command.prepare(self.work, self.given)
        before = files_of(self.work)
        run = self.run(command, fault)
        found = [] if crashed_elsewhere(run) else said(run, fault)
        after = files_of(self.work)
        if not crashed_elsewhere(run):
            found += [
                f"{name} is left"
                for name in after
                if name not in names | before.keys() and not name.endswith(command.extra)
            ]
        found += [f"{name} is lost" for name in before.keys() - after.keys()]
        whole = {name: after[name] == before.get(name) or is_whole(self.work / name) for name in names & after.keys()}
        found += [f"{name} is not whole" for name, good in whole.items() if not good]
        again = self.run(command)
        if again.status:
            found.append(f"the next run fails: {again.err[-300:]}")
        return found


def crashed_elsewhere(run: Run) -> bool:
    """Whether the process ended inside libsoxr, which uses memory that it has not got. That is as good as a kill -9:
    what is left is removed by the next run."""
    return (
        run.status == -signal.SIGSEGV and re.search(r'most recent call first\):\s*File "\S*soxr', run.err) is not None
    )


def said(run: Run, fault: Fault) -> list[str]:
    """What is wrong with the status and the message of a command that met a fault."""
    lines = [line for line in run.err.replace("\r", "\n").split("\n") if line.strip()]
    if run.counts[fault.call] < fault.n:
        return [f"there are only {run.counts[fault.call]} calls"]
    if "Traceback" in run.err:
        return [f"a traceback: {lines[-1]}"]
    if run.status == 0:  # a cache that could not be written, a smaller allocation
        return []
    if run.status != 2 or not lines or not lines[-1].startswith("speech-lstm: ") or not lines[-1].isprintable():
        return [f"status {run.status}: {lines[-1:]}"]
    return []


def faults_of(call: str, count: int, points: int) -> list[Fault]:
    """The faults that are tried of the `count` calls of a kind: spread from the first to the last, in turn once and
    for good. Where all are tried, each call fails in both ways."""
    if POINTS == "all":
        return [fault(call, n) for n in range(1, count + 1) for fault in (once, lasting)]
    points = int(POINTS or points)
    chosen = sorted({1 + int(count * (i + 0.5) / points) for i in range(points)} & set(range(1, count + 1)))
    turn = CALLS.index(call)
    return [(once, lasting)[(turn + i) % 2](call, n) for i, n in enumerate(chosen)]


def once(call: str, n: int) -> Fault:
    return Fault(call, n, errno.ENOMEM if call == "allocate" else errno.EIO)


def lasting(call: str, n: int) -> Fault:
    return Fault(call, n, errno.ENOMEM if call == "allocate" else errno.ENOSPC, stays=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "given").mkdir()
    given = Given(folder / "given")
    with ForkServer(folder) as server:
        yield Bench(server, given, folder / "work")


@pytest.mark.parametrize(("command", "call"), CASES, ids=[f"{command.name}-{call}" for command, call in CASES])
def test_a_command_survives_a_call_that_fails(bench: Bench, command: Command, call: str) -> None:
    run, _ = bench.good(command)
    assert run.counts[call] > 0
    found = []
    for fault in faults_of(call, run.counts[call], command.points):
        found += [f"{fault}: {complaint}" for complaint in bench.complaints(command, fault)]
    assert not found, "\n".join(found)
