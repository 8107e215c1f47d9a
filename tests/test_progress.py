"""Progress: a bar in a terminal, lines in a file or a pipe."""

from __future__ import annotations

import io
import re

import pytest

from conftest import ROOT
from speech_lstm import progress
from speech_lstm.progress import Bar


class Terminal(io.StringIO):
    """A text that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(file: io.StringIO, **named: object) -> str:
    """What a bar writes while 4 things are done, with a line of the program between."""
    with Bar(desc="making", unit="clip", file=file, delay=0, mininterval=0, **named) as bar:
        for _ in range(4):
            bar.update(1)
            Bar.write("found one", file=file)
    return file.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    text = work(Terminal(), total=4)
    assert "\r" in text
    assert "100%|" in text


def test_short_work_leaves_nothing_in_a_file() -> None:
    assert work(io.StringIO(), total=4) == "found one\n" * 4


def test_long_work_leaves_lines_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PERIOD", 0.0)
    lines = work(io.StringIO(), total=4).splitlines()
    counts = [line for line in lines if line != "found one"]
    assert len(lines) - len(counts) == 4
    assert counts[0] == "making: 0 %, 0 of 4 clips, 00:00 passed, ? left"
    assert counts[-1].startswith("making: 100 %, 4 of 4 clips, 00:00 passed, 00:00 left")
    assert all(line.isprintable() for line in counts)
    assert work(io.StringIO()).splitlines()[-1] == "making: 4 clips, 00:00 passed"


def test_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, file = 0.0, io.StringIO()
    monkeypatch.setattr("speech_lstm.progress.time.monotonic", lambda: now)
    with Bar(total=600, unit="B", unit_scale=True, desc="epoch 1", file=file) as bar:
        for second in range(0, 600, 10):
            now = float(second)
            bar.n = second
            bar.set_postfix_str("loss 0.5")
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == [
        *(f"epoch 1: {10 * minute} %" for minute in range(1, 10)),
        "epoch 1: 98 %",
    ]
    assert re.search(r", 60\.0 of 600B, .* left, loss 0\.5\n", file.getvalue())


def test_a_bar_that_is_off_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PERIOD", 0.0)
    assert work(io.StringIO(), total=4, disable=True) == "found one\n" * 4


def test_every_bar_is_this_one() -> None:
    users = [path.name for path in (ROOT / "speech_lstm").rglob("*.py") if "import tqdm" in path.read_text("utf-8")]
    assert users == ["progress.py"]
