"""Every command of the lecture runs as printed there, in both languages, and makes the figures that it shows.

Training is shorter here, so the output is compared without its numbers.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from conftest import ROOT
from support.command_line import call

sys.path.insert(0, str(ROOT / "scripts"))
from run_lecture import MADE, PAGE, figures, made, steps

CZECH = PAGE.with_name("lecture.cs.md")
LARGEST = 400_000  # bytes of a figure in the repository
SHORTER = {"train": ["--epochs", "1"], "gradients": ["--steps", "1"]}  # the last flag wins


def shape(line: str) -> str:
    """A line without its numbers, whose last digits differ between machines, and without its alignment."""
    return " ".join(re.sub(r"[-+−]?\d[\d.,]*(e[-+]\d+)?( s\b)?|\ball\b", "0", line).split())


def test_the_lectures_have_the_same_commands_outputs_and_figures() -> None:
    assert len(steps(PAGE)) > 15
    assert steps(PAGE) == steps(CZECH)
    assert figures(PAGE) == figures(CZECH)


def test_every_command_runs_and_every_figure_is_made_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("data", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")  # the documents show no line that a narrow terminal broke
    for command, output in steps(PAGE):
        program, *words = shlex.split(command)
        assert program == "speech-lstm"
        status, out, error = call(capsys, *words, *SHORTER.get(words[0], []))
        assert status == 0, f"{command}\n{error}"
        assert {shape(line) for line in output} <= {shape(line) for line in out.splitlines()}, command
    for figure in figures(PAGE):
        assert shows_something(made(MADE, figure)), figure


@pytest.mark.parametrize("figure", figures(PAGE))
def test_the_figures_in_the_repository_are_whole_and_small(figure: str) -> None:
    assert shows_something(PAGE.parent / figure)
    assert (PAGE.parent / figure).stat().st_size < LARGEST


def test_no_figure_is_left_over() -> None:
    assert {f"lecture/{path.name}" for path in (PAGE.parent / "lecture").iterdir()} == set(figures(PAGE))


def shows_something(path: Path) -> bool:
    if path.suffix == ".png":
        return bool(imread(path).std() > 0.05)
    return len(list(ElementTree.parse(path).iter())) > 50
