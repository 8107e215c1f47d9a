"""`speech-lstm gates` as a user meets it, on recordings and models that the repository carries or makes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.insight.gate_figure import gate_figure
from speech_lstm.insight.inside import look_inside
from speech_lstm.insight.summary import summarise
from speech_lstm.model.checkpoint import save_model
from speech_lstm.recurrent.cell import CELLS
from support.command_line import SLOW, call, refusal
from support.insight_models import CLIP, random_model


@pytest.fixture(scope="module")
def go(demo: Path) -> Path:
    return sorted((demo / "go").iterdir())[0]


@pytest.fixture
def model_of(tmp_path: Path) -> object:
    """Writes a small model file of a cell, of random weights."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.safetensors"
        save_model(path, random_model(name).model)
        return path

    return write


def test_the_table_and_every_kind_of_file(tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["look.png", "look.svg", "look.json", "look.npz"]
    files = [word for name in names for word in ("--out", tmp_path / name)]
    status, out, err = call(capsys, "gates", go, "--layer", 2, *files)
    assert (status, err) == (0, "")
    assert out.startswith("go ")
    for word in ("forget gate", "half-life", "drop when held at 0", "layer 2 of 2", *names):
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


def test_two_recordings_stand_side_by_side_on_the_same_scales() -> None:
    model = random_model("lstm")
    pair = [look_inside(model, scale * CLIP) for scale in (1.0, 0.05)]
    figure = gate_figure(["loud", "quiet"], [summarise(model, inside, inside.trace()) for inside in pair])
    scales: dict[str, set[tuple[float, float]]] = {}
    for axes in figure.axes:
        if axes.images and (title := axes.get_title(loc="left")):
            scales.setdefault(title, set()).add(axes.images[0].get_clim())
    assert {"f   forget gate", "c   memory, long term", "z   candidate"} <= set(scales)
    assert all(len(limits) == 1 for limits in scales.values())
    assert scales["f   forget gate"] == {(0.0, 1.0)}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_its_figure_and_its_table(name: str) -> None:
    model = random_model(name)
    inside = look_inside(model, CLIP)
    summary = summarise(model, inside, inside.trace(1, "backward"))
    titles = [axes.get_title(loc="left") for axes in gate_figure([name], [summary]).axes]
    for value in summary.trace.internals:
        assert any(title.split("   ")[0] == value for title in titles), value
    assert ("half-life of the memory" in summary.table()) == bool(summary.trace.cell.keeps)
    assert json.loads(json.dumps(summary.to_dict()))["cell"] == summary.trace.cell.name


def table_of(name: str) -> str:
    model = random_model(name)
    inside = look_inside(model, CLIP)
    return summarise(model, inside, inside.trace()).table()


def test_a_candidate_without_bounds_is_near_to_none() -> None:
    assert "(of a candidate: below −0.9 and above 0.9)" in table_of("lstm")
    table = table_of("mingru")
    row = next(line for line in table.splitlines() if line.startswith("n "))
    assert row.split()[-2:] == ["–", "–"]
    assert "of a candidate" not in table


def test_a_memory_that_never_fades_and_one_that_is_not_of_every_unit() -> None:
    assert "half-life of the memory: over 10 s in nine tenths of the units or more\n" in table_of("nfg")
    model = random_model("grid-tf")
    inside = look_inside(model, CLIP)
    summary = summarise(model, inside, inside.trace())  # 8 units of output; those of time, 4, have a memory
    assert summary.half_lives is not None
    np.testing.assert_array_equal(np.sort(summary.order("half-life")[:4]), range(4))
    (said,) = [
        text.get_text() for text in gate_figure(["a"], [summary], order="half-life").texts if "units" in str(text)
    ]
    assert said.endswith("panels of 4 rows in the order of the weights")


def test_a_cell_without_gates_has_no_column_for_them() -> None:
    table = table_of("rnn")
    assert "half-life" not in table
    assert "above" not in table


def test_the_answer_is_named_even_where_others_were_likelier_before() -> None:
    model = random_model("lstm")
    inside = look_inside(model, CLIP)
    labels = tuple("abcdefg")
    posteriors = np.full((len(inside.features), 7), 0.02, np.float32)
    posteriors[:6, :6] = 0.9 * np.eye(6)
    scores = dict(zip(labels, posteriors[-1].tolist(), strict=True))
    answer = replace(inside.answer, label="g", scores=scores)
    changed = replace(inside, labels=labels, posteriors=posteriors, answer=answer)
    summary = replace(summarise(model, inside, inside.trace()), inside=changed)
    figure = gate_figure(["a"], [summary])
    (axes,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith("the answer if")]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == ["g", "a", "b", "c"]


def test_a_file_may_have_any_name(tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tmp_path / "a$\\no{$\nb.wav"
    odd.write_bytes(go.read_bytes())
    files = [tmp_path / name for name in ("a.png", "a.svg", "a.json")]
    flags = [word for path in files for word in ("--out", path)]
    assert call(capsys, "gates", odd, odd, *flags, "--gates", "f", "--diagram", tmp_path / "b.svg")[0] == 0
    found = json.loads(files[2].read_text(encoding="utf-8"))
    assert [each["file"] for each in found] == [str(odd)] * 2


def test_only_the_gates_asked_for(tmp_path: Path, go: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, _ = call(capsys, "gates", go, "--gates", "f,c", "--order", "half-life", "--out", tmp_path / "two.svg")
    assert status == 0
    ids = (tmp_path / "two.svg").read_text(encoding="utf-8").count('<g id="axes_')
    assert ids == 9  # waveform, features, f, c, what was needed, the answer; three have a scale beside them


def test_the_equations_need_no_recording(capsys: pytest.CaptureFixture[str], model_of: object) -> None:
    status, out, _ = call(capsys, "gates", "--cell-equation")
    assert status == 0
    assert "c = f ⊙ c⁻ + i ⊙ z\n" in out
    assert "f  forget gate\n" in out
    status, out, _ = call(capsys, "gates", "--cell-equation", "--model", model_of("gru"))  # type: ignore[operator]
    assert "r  reset gate\n" in out


def test_a_stretch_of_a_long_recording_from_standard_input(demo: Path) -> None:
    words = [soundfile.read(sorted((demo / word).iterdir())[0], dtype="float32")[0] for word in ("yes", "stop")]
    gap = np.zeros(SAMPLE_RATE, np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate([gap, words[0], gap, words[1], gap]), SAMPLE_RATE, format="WAV")
    start = 1 + len(words[0]) / SAMPLE_RATE + 1
    run = subprocess.run(
        [sys.executable, "-m", "speech_lstm", "gates", "-", "--start", str(start)],
        input=buffer.getvalue(),
        capture_output=True,
        timeout=SLOW,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(b"stop ")
    assert f"49 frames from {start:.2f} s on\n".encode() in run.stdout


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--gates", "f,q"], "has no 'q' in layer 1; it has i, f, o, z, h, c"),
        (["--layer", "3"], "there is no layer 3; the network has layers 1 to 2"),
        (["--layer", "0"], "positive whole number"),
        (["--start", "7"], "there is nothing at 7 s"),
        (["--start", "nan"], "not a time in seconds"),
        (["--out", "look.gif"], "look.gif: the suffix selects what to write; choose one of .png"),
        (["--unit", "3"], "--unit and --at select what --diagram shows"),
        (["-", "-"], "standard input (-) can be read only once"),
        (["--diagram", "cell.png"], "cell.png: a diagram is always SVG"),
        (["--diagram", "cell.svg", "--unit", "128"], "there is no unit 128; layer 1 has units 0 to 127"),
        (["--order", "size"], "invalid choice"),
        (["--direction", "up"], "invalid choice"),
        (["--model", "none.safetensors"], "none.safetensors: no such file"),
        (["--out", "/proc/none/look.png"], "cannot be written"),
    ],
)
def test_bad_flags(go: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str) -> None:
    status, _, error = call(capsys, "gates", go, *flags)
    assert status == 2
    assert error.count("\n") == 1
    assert says in error


def test_bad_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no recording" in refusal(capsys, "gates")
    assert "no recording" in refusal(capsys, "gates", "--cell-equation", "--out", tmp_path / "look.png")
    assert "no such file" in refusal(capsys, "gates", tmp_path / "none.wav").lower()
    text = tmp_path / "text.wav"
    text.write_text("no recording", encoding="utf-8")
    assert str(text) in refusal(capsys, "gates", text)


def test_a_cell_that_keeps_nothing_by_a_gate_has_no_half_lives(
    go: Path, capsys: pytest.CaptureFixture[str], model_of: object
) -> None:
    path = model_of("rnn")  # type: ignore[operator]
    error = call(capsys, "gates", go, "--model", path, "--order", "half-life")[2]
    assert "cannot be ordered by half-life" in error
    assert error.count(os.linesep) == 1
    status, out, _ = call(capsys, "gates", go, "--model", path)
    assert status == 0
    assert "half-life of the memory" not in out
