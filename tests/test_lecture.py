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
from run_lecture import CZECH, ENGLISH, PAGES, RUNS, figures, made, steps

LARGEST = 400_000  # bytes of a figure in the repository
SHORTER = {"train": ["--epochs", "1"], "gradients": ["--steps", "1"]}  # the last flag wins


def shape(line: str) -> str:
    """A line without its numbers, whose last digits differ between machines, and without its alignment."""
    return " ".join(re.sub(r"[-+−]?\d[\d.,]*(e[-+]\d+)?( s\b)?|\ball\b", "0", line).split())


def in_english(text: str) -> str:
    return text.replace(" --language cs", "").replace("lecture.cs/", "lecture/")


def test_the_lectures_have_the_same_commands_outputs_and_figures() -> None:
    assert len(steps(ENGLISH)) > 15
    czech = [(in_english(command), list(map(in_english, output))) for command, output in steps(CZECH)]
    assert czech == steps(ENGLISH)
    assert list(map(in_english, figures(CZECH))) == figures(ENGLISH)
    for command, _ in steps(CZECH):  # what draws, draws with Czech words
        assert ("lecture.cs/" in command) == ("--language cs" in command), command


def test_every_command_runs_and_every_figure_is_made_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("data", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")  # the documents show no line that a narrow terminal broke
    for command, output in steps(ENGLISH):
        program, *words = shlex.split(command)
        assert program == "speech-lstm"
        status, out, error = call(capsys, *words, *SHORTER.get(words[0], []))
        assert status == 0, f"{command}\n{error}"
        assert {shape(line) for line in output} <= {shape(line) for line in out.splitlines()}, command
    for figure in figures(ENGLISH):
        assert shows_something(made(RUNS, figure)), figure


@pytest.mark.parametrize("figure", [*figures(ENGLISH), *figures(CZECH)])
def test_the_figures_in_the_repository_are_whole_and_small(figure: str) -> None:
    assert shows_something(ENGLISH.parent / figure)
    assert (ENGLISH.parent / figure).stat().st_size < LARGEST


def test_no_figure_is_left_over() -> None:
    for page in PAGES:
        folder = page.parent / page.stem
        assert {f"{folder.name}/{path.name}" for path in folder.iterdir()} == set(figures(page))


def shows_something(path: Path) -> bool:
    if path.suffix == ".png":
        return bool(imread(path).std() > 0.05)
    return len(list(ElementTree.parse(path).iter())) > 50
