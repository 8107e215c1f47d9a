"""The interface that other programs build on: docs/api.md lists it, and a type checker knows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import mypy.api
import pytest

import speech_lstm
from conftest import ROOT

PAGE = ROOT / "docs" / "api.md"
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)

PROGRAM = """
from collections.abc import Iterator
from typing import assert_type

import numpy as np

import speech_lstm
from speech_lstm import Prediction, Recognizer

model = speech_lstm.load(words=["yes", "no"])
assert_type(model, Recognizer)
assert_type(model.labels, tuple[str, ...])
assert_type(model.thresholds, dict[str, float])
assert_type(model.classify("yes.wav"), Prediction)
assert_type(model.classify(np.zeros(16_000), rate=16_000), Prediction)
assert_type(model.classify(["yes.wav", "no.wav"]), list[Prediction])
assert_type(model.commands("long.wav"), Iterator[Prediction])
assert_type(model.classify("yes.wav").scores, dict[str, float])
assert_type(model.look_inside("yes.wav").trace(layer=1).gates, tuple[str, ...])
"""


def definitions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The name and the declaration of each field, function and class of a source; of overloads the last."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id, ast.unparse(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(item) for item in node.decorator_list]
            returns = ast.unparse(node.returns) if node.returns else ""
            yield prefix + node.name, f"{decorators} ({ast.unparse(node.args)}) -> {returns}"
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, f"class({', '.join(map(ast.unparse, node.bases))})"
            yield from definitions(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize(("path", "stub"), BLOCKS)
def test_the_listed_signatures_are_those_of_the_code(path: str, stub: str) -> None:
    code = dict(definitions(ast.parse((ROOT / path).read_text("utf-8"))))
    listed = dict(definitions(ast.parse(stub)))
    assert listed
    assert listed == {name: code.get(name) for name in listed}


def test_every_public_name_is_listed() -> None:
    names = set(chain.from_iterable(dict(definitions(ast.parse(stub))) for _, stub in BLOCKS))
    assert set(speech_lstm.__all__) <= names
    assert all(hasattr(speech_lstm, name) for name in speech_lstm.__all__)


def check(path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """What mypy prints of a program, and its exit status; with the settings of the house, whose cache it uses."""
    path.write_text(program, "utf-8")
    monkeypatch.chdir(ROOT)
    output, fault, status = mypy.api.run([str(path)])
    assert not fault
    return output, status


def test_a_type_checker_knows_the_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ROOT / "speech_lstm" / "py.typed").exists()  # and test_install finds it in the wheel
    output, status = check(tmp_path / "program.py", PROGRAM, monkeypatch)
    assert status == 0, output


def test_a_type_checker_finds_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mistakes = ("speech_lstm.lod()", "speech_lstm.load(speed=2)", "speech_lstm.load().classify(3)")
    program = "import speech_lstm\n" + "\n".join(mistakes)
    output, status = check(tmp_path / "mistakes.py", program, monkeypatch)
    assert status == 1
    assert re.findall(r":(\d+): error: .*\[([\w-]+)\]", output) == [
        ("2", "attr-defined"), ("3", "call-arg"), ("4", "call-overload")
    ]  # fmt: skip
