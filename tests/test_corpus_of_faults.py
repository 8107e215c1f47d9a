"""The inputs that once failed do so no more: tests/corpus_of_faults/, which scripts/fuzz.py writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.append(str(ROOT / "scripts"))

from fuzzing.kinds import CLASSES, kind_of
from fuzzing.session import CORPUS, kept_case
from fuzzing.worker import Worker

from support.warm_processes import start_server

FILES = sorted(path for path in CORPUS.iterdir() if path.name.partition("-")[0] in CLASSES)


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, Worker]]:
    """A process for each kind of input."""
    start_server()
    started: dict[str, Worker] = {}
    yield started
    for worker in started.values():
        worker.__exit__(None, None, None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_fault_stays_mended(workers: dict[str, Worker], path: Path) -> None:
    name = path.name.partition("-")[0]
    kind = kind_of(name)
    if (content := kept_case(kind, path)) is None:
        pytest.skip("its seed draws another input by now")
    if name not in workers:
        workers[name] = Worker(kind, limit=60.0).__enter__()
    verdict = workers[name].judge(content)
    assert not verdict.is_fault, f"{verdict.outcome}: {verdict.detail}\n{verdict.text}"
