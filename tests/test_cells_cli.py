"""`speech-lstm cells`, and the hidden size that matches a number of parameters."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from speech_lstm.config import COMMANDS_8, FeatureConfig, NetworkConfig, read_config
from speech_lstm.errors import ConfigError
from speech_lstm.model.network import Network
from speech_lstm.model.sizing import TOLERANCE, match_parameters, parameter_count
from speech_lstm.recurrent.cell import CELLS, Cell
from speech_lstm.recurrent.cells.vanilla import Vanilla
from support.command_line import SLOW, answer, call, refusal

FEATURES, LABELS = FeatureConfig(), 12


@pytest.fixture
def by_eight(monkeypatch: pytest.MonkeyPatch) -> str:
    """A cell whose hidden size must be divisible by 8."""

    class ByEight(Vanilla):
        name = "by-eight"

        def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
            super().__init__(hidden, config, below)
            if hidden % 8:
                raise ConfigError(f"hidden is {hidden}; it must be a multiple of 8")

    monkeypatch.setitem(CELLS, "by-eight", ByEight)
    return "by-eight"


@pytest.fixture
def impossible(monkeypatch: pytest.MonkeyPatch) -> str:
    """A cell that refuses every network."""

    class Impossible(Vanilla):
        name = "impossible"
        paper = "nobody 1999"

        def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
            raise ConfigError("it never fits")

    monkeypatch.setitem(CELLS, "impossible", Impossible)
    return "impossible"


# --- the list ----------------------------------------------------------------------------------------------------

LIGHT = """
import sys
from speech_lstm.cli import main
try:
    main(["cells", "--help-all"])
finally:
    assert not [name for name in ("torch", "numpy", "rich", "safetensors") if name in sys.modules]
"""


def test_help_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr
    for flag in ("--json", "--match-parameters N", "--plugin FILE.py|MODULE", "--hidden ", "--kind ", "--clocks "):
        assert flag in run.stdout
    assert "--cell " not in run.stdout


def test_every_cell_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads(answer(capsys, "cells", "--json"))
    assert {item["name"] for item in cells} == set(CELLS)
    for item in cells:
        cell = CELLS[item["name"]]
        assert (item["title"], item["paper"], item["equations"]) == (cell.title, cell.paper, cell.equations)
        assert (item["gates"], item["state"]) == (list(cell.gates), list(cell.state))
        assert (item["parameters"] is None) == bool(item["reason"])
        if item["parameters"] is not None:
            network = Network(FEATURES, NetworkConfig(cell=cell.name), LABELS)
            assert item["parameters"] == sum(weight.numel() for weight in network.parameters())
            assert item["sizes"] == [128, 128]


def test_the_settings_count(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--sizes", "24,16", "--bidirectional", "false", "--kind", "log-mel", "--mels", 32)
    cells = {item["name"]: item for item in json.loads(answer(capsys, "cells", "--json", *flags))}
    features = FeatureConfig(kind="log-mel", mels=32)
    want = parameter_count(features, NetworkConfig(sizes="24,16", bidirectional=False), LABELS)
    assert (cells["lstm"]["parameters"], cells["lstm"]["sizes"]) == (want, [24, 16])


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("flags", [(), ("--match-parameters", 60_000)])
def test_the_table_keeps_to_the_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, flags: tuple[object, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = answer(capsys, "cells", *flags).splitlines()
    assert max(map(len, lines)) <= width
    named = [line for line in lines[2:-2] if line[:1] not in ("", " ")][1:]  # not the head
    assert {line.split()[0] for line in named} == set(CELLS)
    text = " ".join(" ".join(lines).split())
    for cell in CELLS.values():
        assert cell.paper in text
        assert " ".join(cell.equations.split()) in text


def test_in_a_pipe_no_line_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = [line.strip() for line in answer(capsys, "cells").splitlines()]
    assert {cell.equations for cell in CELLS.values()} <= set(lines)


def test_a_cell_that_can_not_be_is_listed_with_the_reason(
    capsys: pytest.CaptureFixture[str], impossible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for flags in ((), ("--match-parameters", 60_000)):
        out = answer(capsys, "cells", *flags)
        assert "no network: it never fits" in out
        (line,) = (line for line in out.splitlines() if line.startswith(impossible))
        assert "–" in line
        cells = {item["name"]: item for item in json.loads(answer(capsys, "cells", "--json", *flags))}
        assert cells[impossible]["parameters"] is cells[impossible]["sizes"] is None
        assert cells[impossible]["reason"] == "it never fits"
    assert refusal(capsys, "cells", impossible).endswith("it never fits\n")


def test_one_cell_whole(capsys: pytest.CaptureFixture[str]) -> None:
    out = answer(capsys, "cells", "peephole", "--hidden", 8)
    cell = CELLS["peephole"]
    for equation in cell.equations.split("; "):
        assert any(line.endswith(f"  {equation}") for line in out.splitlines())
    entry = json.loads(answer(capsys, "cells", "peephole", "--hidden", 8, "--json"))
    assert sum(math.prod(shape) for shape in entry["weights"].values()) == entry["parameters"]
    assert f"{entry['parameters']:,}" in out
    assert entry["weights"]["stack.layers.1.peepholes"] == [2, 24]
    assert any(line.split() == ["stack.layers.1.peepholes", "2", "×", "24", "48"] for line in out.splitlines())


def test_every_cell_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for item in json.loads(answer(capsys, "cells", "--json")):
        if item["parameters"] is not None:
            assert f"{item['parameters']:,}" in answer(capsys, "cells", item["name"])


def test_an_unknown_cell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (
        ("cells", "peepole"),
        ("train", "--cell", "peepole", "--data", tmp_path, "--out", tmp_path / "run"),
    ):
        line = refusal(capsys, *words)  # before the recordings are read, of which there are none
        assert "did you mean 'peephole'? known are " in line
        assert "--plugin FILE.py" in line
    assert not (tmp_path / "run").exists()


# --- the budget --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["lstm", "rnn", "peephole"])
def test_the_nearest_of_all_sizes(cell: str) -> None:
    config = NetworkConfig(cell=cell, layers=1, bidirectional=False)
    counts = {h: parameter_count(FEATURES, replace(config, hidden=h), LABELS) for h in range(1, 250)}
    for budget in (3_000, 20_000):
        best = min(counts, key=lambda hidden, budget=budget: abs(counts[hidden] - budget))
        assert counts[249] > 2 * budget
        assert match_parameters(FEATURES, config, LABELS, budget) == replace(config, hidden=best)


def test_an_exact_match_is_found() -> None:
    for hidden in (1, 2, 63, 128, 129, 4096):
        config = NetworkConfig(hidden=hidden)
        budget = parameter_count(FEATURES, config, LABELS)
        assert match_parameters(FEATURES, NetworkConfig(), LABELS, budget).hidden == hidden


def test_every_cell_can_be_brought_to_the_same_size(capsys: pytest.CaptureFixture[str]) -> None:
    for item in json.loads(answer(capsys, "cells", "--match-parameters", 150_000, "--json")):
        if item["parameters"] is not None:
            assert abs(item["parameters"] - 150_000) <= TOLERANCE * 150_000
            config = NetworkConfig(cell=item["name"], hidden=item["sizes"][0])
            assert parameter_count(FEATURES, config, LABELS) == item["parameters"]


def test_sizes_that_can_not_be_are_passed_over(by_eight: str, impossible: str) -> None:
    config = NetworkConfig(cell=by_eight)
    counts = {h: parameter_count(FEATURES, replace(config, hidden=h), LABELS) for h in range(8, 217, 8)}
    for hidden in (16, 40, 104, 208):
        for budget in (counts[hidden], round(0.97 * counts[hidden]), round(1.03 * counts[hidden])):
            best = min(counts, key=lambda size, budget=budget: abs(counts[size] - budget))
            assert match_parameters(FEATURES, config, LABELS, budget).hidden == best
    with pytest.raises(ConfigError, match="it never fits"):
        match_parameters(FEATURES, NetworkConfig(cell=impossible), LABELS, 100_000)


@pytest.mark.parametrize(("budget", "nearest"), [(100, "1"), (10**10, "4096")])
def test_a_budget_that_no_size_meets(capsys: pytest.CaptureFixture[str], budget: int, nearest: str) -> None:
    line = refusal(capsys, "cells", "lstm", "--match-parameters", budget)
    assert f"about {budget:,} parameters" in line
    assert f"the nearest, {nearest}, gives" in line


@pytest.mark.parametrize("command", [["cells"], ["cells", "lstm"], ["train", "--data", "none", "--out", "none"]])
def test_sizes_and_a_budget(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert "not both" in refusal(capsys, *command, "--hidden", 8, "--match-parameters", 60_000)
    status, _, err = call(capsys, *command, "--match-parameters", 0)
    assert (status, err.count("\n")) == (2, 1)


NO_SYMPY = """
import sys
from speech_lstm.cli import main
try:
    main(["cells", "lstm", "--match-parameters", "99999"])
finally:
    assert "sympy" not in sys.modules  # two seconds
"""


def test_matching_imports_no_symbolic_shapes() -> None:
    run = subprocess.run([sys.executable, "-c", NO_SYMPY], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr


def test_training_with_a_budget(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    """The run's file has the matched size, and the same flags resume it."""
    settings = {
        "features": {"window_ms": 60.0, "hop_ms": 60.0, "coefficients": 13},
        "network": {"layers": 1},
        "corpus": {"labels": ",".join(COMMANDS_8)},
        "training": {"epochs": 1, "batch": 32},
    }
    file, out = tmp_path / "settings.toml", tmp_path / "run"
    file.write_text(tomli_w.dumps(settings), encoding="utf-8")
    words: tuple[Any, ...] = ("train", "--config", file, "--data", demo, "--out", out, "--match-parameters", 9_000)
    assert call(capsys, *words)[0] == 0
    config = read_config(out / "config.toml")
    count = json.loads((out / "summary.json").read_text(encoding="utf-8"))["parameters"]
    assert count == parameter_count(config.features, config.network, 10)
    assert abs(count - 9_000) <= 0.05 * 9_000
    assert config.network.hidden != NetworkConfig().hidden
    assert call(capsys, *words, "--resume")[0] == 0
    assert "sizes is '3,4'" in refusal(capsys, *words, "--sizes", "3,4")


def test_the_catalogue_names_what_a_cell_is() -> None:
    for cell in CELLS.values():
        assert issubclass(cell, Cell)
        for text in (cell.name, cell.title, cell.paper, cell.equations):
            assert text == text.strip() != ""
            assert "\n" not in text
