"""The pages of the documentation: their links, and the names of files, modules and flags in them."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

from conftest import ROOT
from speech_lstm.commands.parser import build_parser
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.study.definition import StudyDefinition

PAGES = sorted(page for glob in ("*.md", "docs/**/*.md", "checkpoints/*.md") for page in ROOT.glob(glob))
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PATHS = r"\b(?:speech_lstm|scripts|tests|docs|checkpoints)/[\w./-]*\w\.(?:py|toml|png|onnx|md)\b"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def code(page: Path) -> list[str]:
    """The blocks of code of a page."""
    return re.findall(r"^ *```\w*\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert not missing


def test_the_list_of_pages_is_complete() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", prose(index))}
    reports = ROOT / "docs" / "studies"
    assert {page for page in PAGES if reports not in page.parents} <= listed | {index}


@pytest.mark.parametrize("name", NAMES)
def test_the_files_that_a_page_names_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not [path for path in set(re.findall(PATHS, text)) if not (ROOT / path).exists()]


def test_the_modules_and_classes_of_the_map_exist() -> None:
    """In the map of the code, a path such as `audio/mfcc.py` is one in the package."""
    names = re.findall(r"`([^`\n]+)`", prose(ROOT / "docs" / "architecture.md"))
    paths = [name for name in names if "/" in name]
    assert len(paths) > 30
    assert not [path for path in paths if not any((base / path).exists() for base in (ROOT, ROOT / "speech_lstm"))]
    package = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "speech_lstm").rglob("*.py"))
    classes = [name for name in names if re.fullmatch(r"([A-Z][a-z]+)+", name)]
    assert not [name for name in classes if f"\nclass {name}" not in package]


def drawn_arrows() -> set[tuple[str, str]]:
    """The arrows between rooms in the diagram of the map."""
    (diagram,) = re.findall(
        r"```mermaid\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.DOTALL
    )
    lines = [line.split(" --> ") for line in diagram.splitlines() if " --> " in line]
    return {pair for users, used in lines for pair in product(*(side.strip().split(" & ") for side in (users, used)))}


def imports_of_rooms() -> set[tuple[str, str]]:
    """Which room imports which, at the head of a module or in a function; the public face's `look_inside` aside, and
    `config`, which every room uses."""
    rooms = {path.parent.name for path in (ROOT / "speech_lstm").glob("*/__init__.py")} - {"config"}
    arrows = set()
    for room in rooms:
        for path in (ROOT / "speech_lstm" / room).rglob("*.py"):
            names = re.findall(r"^ *from speech_lstm\.(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            arrows |= {(room, name) for name in names if name in rooms - {room}}
    return arrows - {("recognition", "insight")}


def test_the_diagram_of_the_map_shows_the_imports() -> None:
    """Every arrow is an import, and every import is an arrow or follows from several."""
    drawn = drawn_arrows()
    assert drawn <= imports_of_rooms()
    reached = set(drawn)
    while further := {(a, d) for (a, b), (c, d) in product(reached, drawn) if b == c} - reached:
        reached |= further
    assert imports_of_rooms() <= reached


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_imports_exists(name: str) -> None:
    for block in code(ROOT / name):
        for module, names in re.findall(r"^from (speech_lstm[\w.]*) import (\w+(?:, \w+)*)", block, re.MULTILINE):
            for item in names.split(", "):
                assert hasattr(import_module(module), item), f"{module}.{item}"


def flags(parser: ArgumentParser) -> set[str]:
    """Every flag of a command, those of its actions included."""
    own = {text for action in parser._actions for text in action.option_strings}
    inner = [action.choices for action in parser._actions if isinstance(action, _SubParsersAction)]
    return own.union(*(flags(sub) for choices in inner for sub in choices.values()))


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The `speech-lstm` commands in the code of a page: name and flags."""
    for block in code(page):
        joined = block.replace("\\\n", " ")
        for name, rest in re.findall(r"(?:speech-lstm|-m speech_lstm) ([a-z][\w-]*)((?: [^|\n]*)?)", joined):
            yield name, re.findall(r"(?<=\s)--[a-z][\w-]*", rest.split("  #")[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_and_flags_of_a_page_exist(name: str) -> None:
    parser = build_parser()
    (subparsers,) = (action for action in parser._actions if isinstance(action, _SubParsersAction))
    for command, used in commands(ROOT / name):
        assert command in subparsers.choices
        assert set(used) <= flags(subparsers.choices[command]), command


@pytest.mark.parametrize(("page", "definition"), [("studies.md", StudyDefinition), ("search.md", SearchDefinition)])
def test_the_example_of_a_definition_can_be_read(
    page: str, definition: type[StudyDefinition | SearchDefinition], tmp_path: Path
) -> None:
    (example,) = (block for block in code(ROOT / "docs" / page) if block.startswith(("[study]", "[search]")))
    file = tmp_path / "example.toml"
    file.write_text(example, encoding="utf-8")
    assert definition.read(str(file)).name == "example"
