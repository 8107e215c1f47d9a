"""Cells from outside: the example of the documentation, plugins, installed packages, and models that need one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from speech_lstm.config import COMMANDS_8, FeatureConfig, NetworkConfig, read_config
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.recurrent.plugins import load_plugin
from speech_lstm.recurrent.registry import find_cell
from speech_lstm.recurrent.stack import Stack
from support.command_line import call, refusal

EXAMPLE = Path(__file__).parents[1] / "docs" / "own_cell.py"

CELL = """
from speech_lstm.recurrent.cell import Cell, register


@register
class Fading(Cell):
    name, title, paper = "fading", "a running average", "nobody 2020"
    equations = "h = ½ h⁻ + ½ (W x + b)"
    inputs = ("x",)

    def step(self, frame, state, weights):
        return (0.5 * state[0] + 0.5 * frame.x,)
"""


pytestmark = pytest.mark.usefixtures("forget_plugins")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def model_of(cell: str, path: Path) -> Path:
    """A model file of an untrained network of a cell that is known now."""
    features, config = FeatureConfig(hop_ms=20.0, coefficients=13), NetworkConfig(cell=cell, layers=1, hidden=8)
    save_model(path, Model(Network(features, config, 3), features, config, ("yes", "no", "_unknown_")))
    return path


# --- the example -------------------------------------------------------------------------------------------------


def test_the_example_is_short() -> None:
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 32


def test_the_gates_of_the_example() -> None:
    """Every gate that a tap sees is the equation's, and so is the output; both directions."""
    load_plugin(str(EXAMPLE))
    torch.manual_seed(0)
    stack = Stack(5, NetworkConfig(cell="mgu", layers=1, hidden=4)).double()
    layer = stack.layers[0]
    features = torch.randn(3, 7, 5, dtype=torch.float64)
    seen: dict[str, list[torch.Tensor]] = {"f": [], "z": [], "h": []}

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        seen[name].append(value.detach())
        return value

    output, _ = stack(features, taps=[tap])
    weights = {name: weight.detach() for name, weight in layer.named_parameters()}
    for direction in (0, 1):
        h = torch.zeros(3, 4, dtype=torch.float64)
        for t in range(7):
            x = features[:, t if direction == 0 else 6 - t]
            sums = x @ weights["input"][direction].T + weights["bias"][direction]
            f = torch.sigmoid(sums[:, :4] + h @ weights["gate"][direction].T)
            z = torch.tanh(sums[:, 4:] + (f * h) @ weights["candidate"][direction].T)
            h = (1 - f) * h + f * z
            for name, value in (("f", f), ("z", z), ("h", h)):
                assert torch.allclose(seen[name][t][direction], value, atol=1e-12, rtol=0)
            at = t if direction == 0 else 6 - t
            assert torch.allclose(output[:, at, 4 * direction : 4 * direction + 4], h, atol=1e-12, rtol=0)


def test_the_gradients_of_the_example() -> None:
    load_plugin(str(EXAMPLE))
    torch.manual_seed(0)
    stack = Stack(3, NetworkConfig(cell="mgu", layers=2, hidden=2, dropout=0.0)).double()
    names, weights = zip(*stack.named_parameters(), strict=True)
    features = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)

    def output(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(stack, dict(zip(names, values, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(output, (features, *weights))


def test_the_forget_bias_of_the_example() -> None:
    load_plugin(str(EXAMPLE))
    layer = Stack(3, NetworkConfig(cell="mgu", layers=1, hidden=2, forget_bias=1.5)).layers[0]
    assert layer.bias.tolist() == [[-1.5, -1.5, 0.0, 0.0]] * 2


def test_the_example_from_training_to_an_answer(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    """Trained, evaluated and used by the commands of the documentation."""
    out, plugin = tmp_path / "run", ("--plugin", EXAMPLE)
    flags = ["--cell", "mgu", "--layers", 1, "--dropout", 0, "--window-ms", 60, "--hop-ms", 60]
    flags += ["--labels", ",".join(COMMANDS_8), "--unknown", 30]
    flags += ["--epochs", 15, "--batch", 16, "--learning-rate", 0.02, "--average", 0.9]
    flags += ["--noise", 0, "--speed", 0, "--time-masks", 0, "--frequency-masks", 0, "--precision", "float32"]
    words = ("train", "--data", demo, "--out", out, *flags, "--match-parameters", 12_000, *plugin)
    status, text, _ = call(capsys, *words)
    assert status == 0
    assert f"--plugin {EXAMPLE}" in text.splitlines()[-1]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["parameters"] == pytest.approx(12_000, rel=0.05)
    assert summary["best_validation_accuracy"] > 0.35  # chance is 0.1
    assert read_config(out / "config.toml").network.cell == "mgu"
    first = (out / "config.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(f"--plugin {EXAMPLE}")

    model = out / "last.safetensors"
    status, text, _ = call(capsys, "evaluate", model, "--data", demo, "--split", "training", *plugin)
    accuracy = re.match(r"accuracy ([\d.]+) %", text)
    assert status == 0
    assert accuracy is not None
    assert float(accuracy[1]) > 80
    answers = [call(capsys, "classify", demo / word, "--model", model, *plugin) for word in ("yes", "stop")]
    assert [status for status, _, _ in answers] == [0, 0]
    for word, (_, text, _) in zip(("yes", "stop"), answers, strict=True):
        assert text.count(f"s  {word} ") > 0.5 * len(text.splitlines())
    assert call(capsys, *words, "--resume")[0] == 0

    CELLS.pop("mgu")  # as in a process without a plugin
    for command in (
        ("evaluate", model, "--data", demo),
        ("classify", demo / "yes", "--model", model),
    ):
        line = refusal(capsys, *command)
        assert line.startswith(f"speech-lstm: {model}: its cell 'mgu'")
        assert "--plugin FILE.py" in line
    assert "--plugin FILE.py" in refusal(capsys, "train", "--data", demo, "--out", out, *flags, "--resume")


def test_the_example_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, err = call(capsys, "cells", "--plugin", EXAMPLE, "--json")
    assert (status, err) == (0, "")
    (facts,) = (item for item in json.loads(text) if item["name"] == "mgu")
    assert facts["gates"] == ["f", "z"]
    labels, size, hidden = 12, 40, 128
    layers = sum(2 * 2 * hidden * (inputs + hidden + 1) for inputs in (size, 2 * hidden))
    assert facts["parameters"] == 2 * size + layers + 4 * (2 * hidden + 1) + labels * (4 * 2 * hidden + 1)


# --- plugins -----------------------------------------------------------------------------------------------------


def test_in_python_an_import_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Path) -> None:
    import speech_lstm

    load_plugin(str(EXAMPLE))
    path = model_of("mgu", tmp_path / "m.safetensors")
    CELLS.pop("mgu")
    with pytest.raises(ModelError, match="in Python, import it first"):
        speech_lstm.load(path)
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    __import__("own_cell")
    assert speech_lstm.load(path).classify(min((demo / "yes").glob("*.wav"))).label in ("yes", "no", "_unknown_")


def test_a_module_as_a_plugin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "fading_cells" / "__init__.py", "from fading_cells.cells import Fading")
    written(tmp_path / "fading_cells" / "cells.py", CELL)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):  # a module that was imported before is as good
        status, text, _ = call(capsys, "cells", "fading", "--plugin", "fading_cells")
        assert status == 0
        assert text.startswith("fading: a running average\n")


def test_a_plugin_can_be_given_twice_and_many(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = written(tmp_path / "one.py", CELL)
    flags = ("--plugin", one, "--plugin", EXAMPLE, "--plugin", one)
    status, text, _ = call(capsys, "cells", *flags, "--json")
    assert status == 0
    assert {"fading", "mgu"} <= {item["name"] for item in json.loads(text)}


def test_the_name_of_a_plugin_hides_no_module(tmp_path: Path) -> None:
    load_plugin(str(written(tmp_path / "json.py", CELL)))
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "it registers no cell; put @register before the class"),
        ("x = 1 +", "it fails with SyntaxError: invalid syntax"),
        ("import sys\n\nsys.exit(3)", "it fails with SystemExit: 3 ("),
        ("def f():\n    raise ValueError('a\\nb')\n\n\nf()", "it fails with ValueError: a b ("),
        ("import not_installed", "it fails with ModuleNotFoundError: No module named 'not_installed' ("),
        (CELL.replace("fading", "lstm"), "there are two cells of the name 'lstm'; rename one"),
        (CELL.replace("fading", "lstm").replace("Fading", "LSTM"), "there are two cells of the name 'lstm'"),
    ],
)
def test_plugins_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path / "plugin.py", text)
    line = refusal(capsys, "cells", "--plugin", path)
    assert line.startswith(f"speech-lstm: plugin {path}: ")
    assert says in line


def test_where_a_plugin_fails_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "plugin.py", "import math\n\nmath.sqrt(-1)\n")
    for _ in range(2):  # no half-loaded module remains
        with pytest.raises(ConfigError, match=re.escape(f"({path}, line 3)")):
            load_plugin(str(path))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere.py", "there is no such file"),
        ("./nowhere", "there is no such file"),
        ("x" * 5000 + ".py", "there is no such file"),
        ("nowhere", "there is no such module"),
        ("json.nowhere", "there is no such module"),
        ("json", "it registers no cell"),
        ("", "it fails with ValueError"),
    ],
)
def test_plugins_that_are_nowhere(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path, source: str, says: str
) -> None:
    for command in (
        ("cells",),
        ("train", "--data", demo, "--out", tmp_path / "run"),
        ("evaluate", tmp_path / "m", "--data", demo),
        ("classify", demo / "yes"),
    ):
        assert says in refusal(capsys, *command, "--plugin", source)


# --- models ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fading_cells", "fading_cells.py", "./fading_cells.py", "fading_cells:Fading"])
def test_a_model_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A model file cannot run code by giving its cell the name of a module."""
    load_plugin(str(written(tmp_path / "cell.py", CELL)))
    path = model_of("fading", tmp_path / "m.safetensors")
    CELLS.pop("fading")
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].replace(b'\\"fading\\"', f'\\"{name}\\"'.encode())
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    marker = tmp_path / "it ran"
    written(tmp_path / "fading_cells.py", f"open({str(marker)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=f"its cell '{name}'"):
        load_model(path)
    assert not marker.exists()


# --- installed packages ------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder like site-packages with a package whose entry point names a module of cells."""
    site = tmp_path / "site"
    written(site / "fading_cells.py", CELL)
    info = site / "fading_cells-1.0.dist-info"
    written(info / "METADATA", "Metadata-Version: 2.1\nName: fading-cells\nVersion: 1.0\n")
    written(info / "entry_points.txt", "[speech_lstm.cells]\nfading = fading_cells\n")
    return site


def test_a_cell_of_an_installed_package(
    capsys: pytest.CaptureFixture[str],
    installed: Path,
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training and classifying need no flag."""
    monkeypatch.syspath_prepend(installed)
    flags = ["--layers", 1, "--hidden", 8, "--hop-ms", 20, "--epochs", 1, "--labels", "yes,no", "--batch", 16]
    train = ("train", "--cell", "fading", "--data", demo, "--out", tmp_path / "run", *flags)
    classify = ("classify", demo / "yes", "--model", tmp_path / "run" / "last.safetensors")
    for words in (train, classify):
        CELLS.pop("fading", None)  # as in a process of its own
        sys.modules.pop("fading_cells", None)
        status, text, err = call(capsys, *words)
        assert status == 0, err
        assert "--plugin" not in text
    assert "--plugin" not in (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")


def test_a_model_file_imports_no_other_entry_point(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cell is unknown: packages of other cells are not imported for it."""
    load_plugin(str(written(tmp_path / "cell.py", CELL)))
    path = model_of("fading", tmp_path / "m.safetensors")
    CELLS.pop("fading")
    marker = tmp_path / "it ran"
    written(installed / "fading_cells.py", f"open({str(marker)!r}, 'w')")
    (points,) = installed.rglob("entry_points.txt")
    monkeypatch.syspath_prepend(installed)
    points.write_text("[speech_lstm.cells]\nother = fading_cells\n")
    with pytest.raises(ModelError, match="its cell 'fading'"):
        load_model(path)
    assert not marker.exists()
    points.write_text("[speech_lstm.cells]\nfading = fading_cells\n")
    with pytest.raises(ModelError, match="its cell 'fading'"):
        load_model(path)
    assert marker.exists()


def test_an_installed_cell_is_listed(
    capsys: pytest.CaptureFixture[str], installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    status, text, err = call(capsys, "cells")
    assert (status, err) == (0, "")
    assert any(line.startswith("fading ") for line in text.splitlines())


def test_an_installed_package_that_is_broken(
    capsys: pytest.CaptureFixture[str], installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other cells work; an unknown cell is refused with the reason."""
    written(installed / "fading_cells.py", "raise RuntimeError('out of order')")
    monkeypatch.syspath_prepend(installed)
    says = "the cells of fading-cells (fading_cells) cannot be loaded: it fails with RuntimeError: out of order ("
    status, text, err = call(capsys, "cells")
    assert status == 0
    assert err.startswith(f"note: {says}")
    assert "\nlstm " in text
    assert says in refusal(capsys, "cells", "fading")
    assert find_cell("lstm") is CELLS["lstm"]
