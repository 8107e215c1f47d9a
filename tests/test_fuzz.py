"""scripts/fuzz.py: what it calls a fault, how it makes one short, and some inputs of each kind."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from conftest import ROOT

sys.path.append(str(ROOT / "scripts"))

from fuzzing import worker
from fuzzing.kind import Verdict
from fuzzing.kinds import CLASSES, kind_of
from fuzzing.session import Session, kept_case, shorter
from fuzzing.worker import Worker

from support.faulty_kind import FaultyKind
from support.warm_processes import start_server


@pytest.fixture(scope="module", autouse=True)
def server() -> None:
    start_server()


@pytest.fixture(scope="module")
def faulty() -> Iterator[Worker]:
    with Worker(FaultyKind(), limit=30.0) as started:
        yield started


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"", Verdict("answered")),
        (b"refused", Verdict("refused", "RecordingError")),
        (b"bug", Verdict("traceback", "ValueError faulty_kind.py:run")),
        (b"wrong", Verdict("wrong", "NaN")),
        (b"line", Verdict("message", "RecordingError: not one printable line")),
        (b"printed", Verdict("message", "printed: \x1b[31m")),
        (b"crash", Verdict("crash", "status -6")),
        (b"after a crash", Verdict("crash", "status -6")),
        (b"after that", Verdict("answered")),
    ],
)
def test_what_comes_of_a_case(faulty: Worker, content: bytes, verdict: Verdict) -> None:
    assert faulty.judge(content).same(verdict)


def test_a_case_that_does_not_end_or_grows_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with Worker(FaultyKind(), limit=0.3) as short:
        assert short.judge(b"hang").outcome == "hang"
        assert short.judge(b"").outcome == "answered"
    monkeypatch.setattr(worker, "MOST_MEMORY", 1200)
    with Worker(FaultyKind(), limit=30.0) as small:
        assert small.judge(b"large").outcome == "memory"


def test_a_fault_is_made_short() -> None:
    content = bytes(range(256)) + b"wrong" + bytes(1000)
    assert shorter(FaultyKind(), content, lambda case: b"wrong" in case) == b"wrong"


def test_finds_are_kept_and_read_again(tmp_path: Path) -> None:
    session = Session("audio", FaultyKind(), seed=3)
    for content in (b"short", bytes(100_000)):
        path = session.write(0, content, tmp_path)
        assert path.stat().st_size < 8_192
        assert kept_case(FaultyKind(), path) == content
    path = session.write(5, Random(1).randbytes(20_000), tmp_path)
    assert set(json.loads(path.read_text())) == {"seed", "number", "sha256"}
    assert kept_case(FaultyKind(), path) == session.case(5)


@pytest.mark.parametrize(
    ("name", "cases"),
    [("audio", 300), ("model", 300), ("onnx", 100), ("archive", 100), ("state", 15), ("stream", 40)],
)
def test_no_input_is_a_fault(name: str, cases: int) -> None:
    """The first inputs of a seed: seconds of each kind."""
    session = Session(name, kind_of(name), seed=0)
    session.run(minutes=None, cases=cases, keep=None)
    assert session.counts.total() == cases
    assert not session.finds, "\n".join(f"{find.number}: {find.verdict}" for find in session.finds)


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fuzz = importlib.import_module("fuzz")
    words = ["audio", "--cases", "3", "--seed", "1", "--json", str(tmp_path / "a.json"), "--keep", str(tmp_path)]
    assert fuzz.main(words) in (0, 1)
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["tried"] == 3 == sum(facts[outcome] for outcome in fuzz.MEANINGS)
    assert "audio, seed 1: 3 inputs" in capsys.readouterr().out


def test_the_same_seed_draws_the_same_cases() -> None:
    for name in sorted(CLASSES.keys() - {"state"}):
        one, other = Session(name, kind_of(name), 4), Session(name, kind_of(name), 4)
        assert [one.case(i) for i in range(8)] == [other.case(i) for i in range(8)]
        assert one.case(1) != one.case(2)
