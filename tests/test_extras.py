"""The message for a missing package of an extra."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

import speech_lstm
from speech_lstm.errors import EXTRAS, MissingPackageError, require
from speech_lstm.model.bundled import bundled_model
from support.command_line import call, refusal

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def test_the_extras_are_those_of_the_project() -> None:
    """Each package that only an extra brings is known by the name that it is imported by."""
    brought = {
        re.split(r"[^\w-]", requirement)[0].lower(): extra
        for extra, requirements in PROJECT["optional-dependencies"].items()
        for requirement in requirements
        if extra not in ("dev", "docs") and not requirement.startswith("speech-lstm")
    }
    distributions = packages_distributions()
    known = {
        name.lower().replace("_", "-"): extra for package, extra in EXTRAS.items() for name in distributions[package]
    }
    assert known == brought


def test_a_package_that_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    require("torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingPackageError, match=r"^the package torch is missing: pip install 'speech-lstm\[train\]'$"
    ):
        require("torch")


def test_the_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    model, recording = speech_lstm.load(), Path(__file__).parents[1] / "data/demo/stop/7a254b5f_nohash_0.wav"
    monkeypatch.setitem(sys.modules, "torch", None)
    assert model.classify(recording).label == "stop"
    for ask in (lambda: model.look_inside(recording), lambda: speech_lstm.load(bundled_model(".safetensors"))):
        with pytest.raises(MissingPackageError, match=r"speech-lstm\[train\]"):
            ask()


def test_an_import_that_fails_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it fails: of a package that isn't looked for beforehand too."""
    for name in ("score", "report"):
        monkeypatch.delitem(sys.modules, f"speech_lstm.streams.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    message = refusal(capsys, "stream-test", bundled_model(".onnx"), "none.wav")
    assert message == "speech-lstm: the package scipy is missing: pip install 'speech-lstm[train]'\n"


def test_an_unknown_package_is_our_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "speech_lstm.corpus.archive", None)
    monkeypatch.setenv("SPEECH_LSTM_DEBUG", "1")
    status, _, message = call(capsys, "download")
    assert status == 1
    assert "internal error (ModuleNotFoundError: " in message
    assert "speech_lstm.corpus.archive" in message


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((Path(__file__).parents[1] / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
