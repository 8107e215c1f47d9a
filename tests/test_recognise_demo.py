"""The table of `make demo`."""

from __future__ import annotations

from types import ModuleType

import pytest

from conftest import ROOT
from speech_lstm.recognition.recognizer import load


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import recognise_demo

    return recognise_demo


def test_every_voice_is_in_the_table(script: ModuleType) -> None:
    """Nothing is picked: all recordings of the commands are there."""
    table = script.answers_of(load(), ROOT / "data" / "demo")
    assert len(table) == 20
    assert {len(answers) for answers in table.values()} == {8}


def test_right_answers_are_counted(script: ModuleType) -> None:
    lines = script.lines_of({"a": {"yes": "yes", "no": "_unknown_"}, "b": {"yes": "yes", "no": "no"}})
    rows = [line.split() for line in lines[:3]]
    assert rows == [["voice", "yes", "no"], ["a", "✓", "_unknown_"], ["b", "✓", "✓"]]
    assert lines[-1].startswith("3 of 4 right (75.0 %)")
