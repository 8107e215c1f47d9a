"""Every command of the lecture runs as printed there, in both languages, and makes the figures that it shows.

Training is shorter here, so the output is compared without its numbers.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from conftest import ROOT
from support.command_line import call

LECTURES = ("lecture.md", "lecture.cs.md")
LARGEST = 400_000  # bytes of a figure in the repository
SHORTER = {"train": ["--epochs", "1"], "gradients": ["--steps", "1"]}  # the last flag wins


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def steps(name: str) -> list[tuple[str, list[str]]]:
    """The commands after `$ ` in the blocks of a document, each with the output below it, without `…`."""
    commands: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", text_of(name), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line not in ("", "…"):
                commands[-1][1].append(line)
    return commands


def shape(line: str) -> str:
    """A line without its numbers, whose last digits differ between machines, and without its alignment."""
    return " ".join(re.sub(r"[-+−]?\d[\d.,]*(e[-+]\d+)?( s\b)?|\ball\b", "0", line).split())


def figures(name: str) -> list[str]:
    """The figures of a document, by their paths from the root of the repository."""
    return [f"docs/{path}" for path in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text_of(name))]


def test_the_lectures_have_the_same_commands_outputs_and_figures() -> None:
    english, czech = LECTURES
    assert len(steps(english)) > 20
    assert steps(english) == steps(czech)
    assert figures(english) == figures(czech)


def test_every_command_runs_and_every_figure_is_made_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("data", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs" / "lecture").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")  # the documents show no line that a narrow terminal broke
    monkeypatch.setattr("speech_lstm.insight.page.BY_HAND", ())  # seconds of computing that test_page tests
    for command, output in steps(LECTURES[0]):
        program, *words = shlex.split(command)
        if program == "cp":
            shutil.copyfile(*words)
            continue
        assert program == "speech-lstm"
        status, out, error = call(capsys, *words, *SHORTER.get(words[0], []))
        assert status == 0, f"{command}\n{error}"
        assert {shape(line) for line in output} <= {shape(line) for line in out.splitlines()}, command
    for figure in figures(LECTURES[0]):
        assert shows_something(tmp_path / figure), figure


@pytest.mark.parametrize("figure", figures(LECTURES[0]))
def test_the_figures_in_the_repository_are_whole_and_small(figure: str) -> None:
    assert shows_something(ROOT / figure)
    assert (ROOT / figure).stat().st_size < LARGEST


def test_no_figure_is_left_over() -> None:
    files = {f"docs/lecture/{path.name}" for path in (ROOT / "docs" / "lecture").iterdir()}
    assert files == set(figures(LECTURES[0]))


def shows_something(path: Path) -> bool:
    if path.suffix == ".png":
        return bool(imread(path).std() > 0.05)
    return len(list(ElementTree.parse(path).iter())) > 50
