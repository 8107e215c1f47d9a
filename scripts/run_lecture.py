"""Run every command of the lecture in both languages and copy the figures that its pages show to docs.

    python scripts/run_lecture.py

The figures of docs/lecture.md are made in runs/lecture and copied to docs/lecture, those of docs/lecture.cs.md in
runs/lecture.cs and copied to docs/lecture.cs. Prints each command, and each line of its output on the page that it
does not print now: those lines, and what the text says about the figures, are then out of date.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ENGLISH, CZECH = ROOT / "docs" / "lecture.md", ROOT / "docs" / "lecture.cs.md"
RUNS = Path("runs")  # in the folder where the commands run


def main() -> None:
    once: dict[str, list[str]] = {}  # most commands are on both pages
    for page in PAGES:
        once |= dict(steps(page))
    for command, shown in once.items():
        print("$", command, flush=True)
        printed = output(command).splitlines()
        for line in shown:
            if line not in printed:
                print("not printed:", line)
    for page in PAGES:
        (page.parent / page.stem).mkdir(exist_ok=True)
        for figure in figures(page):
            shutil.copyfile(made(ROOT / RUNS, figure), page.parent / figure)


def steps(page: Path) -> list[tuple[str, list[str]]]:
    """The commands after `$ ` in the blocks of a page, each with the output below it, without `…`."""
    commands: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line not in ("", "…"):
                commands[-1][1].append(line)
    return commands


def output(command: str) -> str:
    """What a command prints, on a terminal so wide that no line is broken; raises CalledProcessError if it fails."""
    _, *words = shlex.split(command)
    call = [sys.executable, "-m", "speech_lstm", *words]
    environment = os.environ | {"COLUMNS": "1000"}
    return subprocess.run(call, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def figures(page: Path) -> list[str]:
    """The figures of its commands that a page shows, by their paths from the page."""
    return re.findall(rf"!\[[^]]+\]\(({page.stem}/[^)]+)\)", page.read_text("utf-8"))


def made(folder: Path, figure: str) -> Path:
    """The file in `folder` from which a figure of a page is copied; it is in the part of the page, or below."""
    part, name = Path(figure).parts
    (path,) = (folder / part).rglob(name)
    return path


if __name__ == "__main__":
    main()
