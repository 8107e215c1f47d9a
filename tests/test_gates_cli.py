"""`speech-lstm gates` on recordings and models that the repository contains or makes; its figures and tables."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.insight.gate_figure import gate_figure, panels_of
from speech_lstm.insight.inside import look_inside
from speech_lstm.insight.summary import summarise
from speech_lstm.model.checkpoint import save_model
from speech_lstm.recurrent.cell import CELLS
from support.command_line import answer, call, refusal
from support.insight_models import CLIP, example, summary_of

ModelOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def go(demo: Path) -> Path:
    return sorted((demo / "go").iterdir())[0]


@pytest.fixture(scope="module")
def model_of(tmp_path_factory: pytest.TempPathFactory) -> ModelOf:
    """The file of a small model of a cell, with random weights."""
    folder = tmp_path_factory.mktemp("models")

    def write(name: str) -> Path:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            save_model(path, example(name)[0].model)
        return path

    return write


def test_the_table_and_every_kind_of_file(tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["look.png", "look.svg", "look.json", "look.npz"]
    files = [word for name in names for word in ("--out", tmp_path / name)]
    out = answer(capsys, "gates", go, "--layer", 2, "--gates", "f,h", *files)
    assert out.startswith("go ")
    for word in ("forget gate", "half-life", "drop when held at 0", "layer 2 of 3", *names):
        assert word in out
    assert imread(tmp_path / "look.png").std() > 0.05
    (numbers,) = json.loads((tmp_path / "look.json").read_text(encoding="utf-8"))
    arrays = np.load(tmp_path / "look.npz", allow_pickle=False)
    f = arrays["layer2.forward.f"]
    gate = next(gate for gate in numbers["gates"] if gate["name"] == "f")
    assert gate["mean"] == pytest.approx(f.mean(), abs=1e-6)
    assert gate["near_high"] == pytest.approx((f > 0.9).mean())
    assert len(numbers["units"]["half_life_ms"]) == f.shape[1]
    assert len(numbers["frames"]["gradient"]) == len(f)
    assert numbers["answer"] == arrays["labels"][arrays["posteriors"][-1].argmax()] == "go"


def test_two_recordings_side_by_side_have_the_same_scales() -> None:
    model, loud = example("lstm")
    pair = (loud, look_inside(model, 0.05 * CLIP))
    figure = gate_figure(["loud", "quiet"], [summarise(model, inside, inside.trace()) for inside in pair])
    scales: dict[str, set[tuple[float, float]]] = {}
    for axes in figure.axes:
        if axes.images and (title := axes.get_title(loc="left")):
            scales.setdefault(title, set()).add(axes.images[0].get_clim())
    assert {"f   forget gate", "c   memory, long term", "z   candidate"} <= set(scales)
    assert all(len(limits) == 1 for limits in scales.values())
    assert scales["f   forget gate"] == {(0.0, 1.0)}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_its_heat_maps_and_its_table(name: str) -> None:
    summary = summary_of(name, 1, "backward")
    trace = summary.trace
    features, *panels = panels_of([summary], (), "index")
    np.testing.assert_array_equal(features.values[0], summary.inside.normalised)
    names = [panel.title.split("   ")[0] for panel in panels]
    assert set(trace.internals) <= set(names) <= set(trace.values)
    for key, panel in zip(names, panels, strict=True):
        np.testing.assert_array_equal(panel.values[0], trace[key])
        assert (panel.limits == (0, 1)) == (key in trace.gates)
    assert ("half-life of the memory" in summary.table()) == bool(trace.cell.keeps)
    assert json.loads(json.dumps(summary.to_dict()))["cell"] == trace.cell.name


@pytest.mark.parametrize("name", ["rnn", "peephole", "grid-tf"])  # no gates, one width, two widths
def test_a_figure_draws_its_heat_maps_from_top_to_bottom(name: str) -> None:
    summary = summary_of(name)
    panels = panels_of([summary], (), "active")
    drawn = [axes for axes in gate_figure(["a"], [summary]).axes if axes.images and axes.get_ylabel()]
    assert [axes.get_title(loc="left") for axes in drawn] == [panel.title for panel in panels]
    for axes, panel in zip(drawn, panels, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), panel.values[0].T)


def test_a_candidate_without_bounds_has_no_shares_near_them() -> None:
    assert "(of a candidate: below −0.9 and above 0.9)" in summary_of("lstm").table()
    table = summary_of("mingru").table()
    row = next(line for line in table.splitlines() if line.startswith("n "))
    assert row.split()[-2:] == ["–", "–"]
    assert "of a candidate" not in table


def test_a_memory_that_never_fades_and_one_that_not_every_unit_has() -> None:
    assert "half-life of the memory: over 10 s in nine tenths of the units or more\n" in summary_of("nfg").table()
    summary = summary_of("grid-tf")  # 8 units of output, of which the 4 of time have a memory
    assert summary.half_lives is not None
    np.testing.assert_array_equal(np.sort(summary.order("half-life")[:4]), range(4))
    figure = gate_figure(["a"], [summary], order="half-life")
    (line,) = [text.get_text() for text in figure.texts if "units" in str(text)]
    assert line.endswith("panels of 4 rows in the order of the weights")


def test_a_cell_without_gates_has_no_column_for_them() -> None:
    table = summary_of("rnn").table()
    assert "half-life" not in table
    assert "above" not in table


def test_the_answer_is_named_even_where_others_were_likelier_before() -> None:
    summary, inside = summary_of("lstm"), example("lstm")[1]
    labels = tuple("abcdefg")
    posteriors = np.full((len(inside.features), 7), 0.02, np.float32)
    posteriors[:6, :6] = 0.9 * np.eye(6)
    scores = dict(zip(labels, posteriors[-1].tolist(), strict=True))
    prediction = replace(inside.answer, label="g", scores=scores)
    changed = replace(inside, labels=labels, posteriors=posteriors, answer=prediction)
    figure = gate_figure(["a"], [replace(summary, inside=changed)], gates=("h",))
    (axes,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("the answer if")]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == ["g", "a", "b", "c"]


def test_a_file_may_have_any_name(
    tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str], model_of: ModelOf
) -> None:
    odd = tmp_path / "a$\\no{$\nb.wav"
    odd.write_bytes(go.read_bytes())
    files = ["--out", tmp_path / "a.svg", "--out", tmp_path / "a.json", "--diagram", tmp_path / "b.svg"]
    assert call(capsys, "gates", odd, odd, *files, "--gates", "f", "--model", model_of("lstm"))[0] == 0
    recordings = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [recording["file"] for recording in recordings] == [str(odd)] * 2


def test_only_the_chosen_gates(
    tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str], model_of: ModelOf
) -> None:
    flags = ("--gates", "f,c", "--order", "half-life", "--model", model_of("lstm"))
    answer(capsys, "gates", go, *flags, "--out", tmp_path / "two.svg")
    axes = (tmp_path / "two.svg").read_text(encoding="utf-8").count('<g id="axes_')
    assert axes == 9  # waveform, features, f, c, what the answer needed, the answer; three have a scale


def test_the_equations_need_no_recording(capsys: pytest.CaptureFixture[str], model_of: ModelOf) -> None:
    out = answer(capsys, "gates", "--cell-equation")
    assert "c = f ⊙ c⁻ + i ⊙ z\n" in out
    assert "f  forget gate\n" in out
    assert "r  reset gate\n" in answer(capsys, "gates", "--cell-equation", "--model", model_of("gru"))


def test_a_stretch_of_a_long_recording_from_standard_input(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [soundfile.read(sorted((demo / word).iterdir())[0], dtype="float32")[0] for word in ("yes", "stop")]
    gap = np.zeros(SAMPLE_RATE, np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate([gap, words[0], gap, words[1], gap]), SAMPLE_RATE, format="WAV")
    start = 1 + len(words[0]) / SAMPLE_RATE + 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(buffer.getvalue())))
    out = answer(capsys, "gates", "-", "--start", start)
    assert out.startswith("stop ")
    assert f"49 frames from {start:.2f} s on\n" in out


@pytest.mark.parametrize(
    ("flags", "fact"),
    [
        (["--gates", "f,q"], "has no 'q' in layer 1; it has i, f, o, z, h, c"),
        (["--layer", "3"], "there is no layer 3; the network has layers 1 to 2"),
        (["--layer", "0"], "positive whole number"),
        (["--start", "7"], "nothing at 7 s"),
        (["--start", "nan"], "not a time in seconds"),
        (["--out", "look.gif"], "look.gif: the suffix selects what to write; choose one of .png"),
        (["--unit", "3"], "--unit and --at select what --diagram shows"),
        (["-", "-"], "standard input (-) can be read only once"),
        (["--diagram", "cell.png"], "cell.png: a diagram is always SVG"),
        (["--diagram", "cell.svg", "--unit", "8"], "no unit 8; layer 1 has units 0 to 7"),
        (["--order", "size"], "invalid choice"),
        (["--direction", "up"], "invalid choice"),
        (["--model", "none.safetensors"], "none.safetensors: no such file"),
        (["--out", "/proc/none/look.png"], "cannot be written"),
    ],
)
def test_bad_flags(
    go: Path, capsys: pytest.CaptureFixture[str], model_of: ModelOf, flags: list[str], fact: str
) -> None:
    status, out, error = call(capsys, "gates", "--model", model_of("lstm"), go, *flags)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert fact in error


def test_bad_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no recording" in refusal(capsys, "gates")
    assert "no recording" in refusal(capsys, "gates", "--cell-equation", "--out", tmp_path / "look.png")
    assert "no such file" in refusal(capsys, "gates", tmp_path / "none.wav").lower()
    text = tmp_path / "text.wav"
    text.write_text("no recording", encoding="utf-8")
    assert str(text) in refusal(capsys, "gates", text)


def test_a_cell_without_a_gate_for_its_memory_has_no_half_lives(
    go: Path, capsys: pytest.CaptureFixture[str], model_of: ModelOf
) -> None:
    path = model_of("rnn")
    error = refusal(capsys, "gates", go, "--model", path, "--order", "half-life")
    assert "cannot be ordered by half-life" in error
    assert "half-life of the memory" not in answer(capsys, "gates", go, "--model", path)
