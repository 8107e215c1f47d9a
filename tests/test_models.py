"""The bundled models by their names, and `speech-lstm models`."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from speech_lstm import load
from speech_lstm.errors import ModelError
from speech_lstm.export.files import export
from speech_lstm.model import bundled
from speech_lstm.model.bundled import DEFAULT, bundled_model, find_model, names
from speech_lstm.model.checkpoint import load_model, save_model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recognition.inventory import describe, multiplications, read_card, table
from speech_lstm.recognition.onnx_model import OnnxModel, OnnxStream
from support.command_line import answer, call, refusal
from support.exported_models import model_of

CARDS = sorted((ROOT / "checkpoints").glob("*.md"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models with a copy of the default one by another name."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for suffix in (".md", ".onnx", ".safetensors"):
        shutil.copy(bundled_model(suffix), folder / f"words{suffix}")
    monkeypatch.setattr(bundled, "folder", lambda: folder)
    monkeypatch.setattr("speech_lstm.recognition.inventory.folder", lambda: folder)
    return folder


# --- names -------------------------------------------------------------------------------------------------------


def test_every_bundled_model_has_both_forms_and_a_card() -> None:
    assert DEFAULT in names()
    for name in names():
        model = load_model(find_model(name, ".safetensors"))
        assert OnnxModel(find_model(name, ".onnx")).source == model.digest
        assert read_card(bundled_model(".md", name)).metrics


def test_a_name_is_the_bundled_model(elsewhere: Path) -> None:
    """Also where a folder or a file has that name."""
    (elsewhere / DEFAULT).mkdir()
    assert load(DEFAULT).backend.path == load().backend.path == bundled_model(".onnx")  # type: ignore[union-attr]
    (elsewhere / DEFAULT).rmdir()
    (elsewhere / DEFAULT).write_text("no model")
    assert find_model(DEFAULT, ".safetensors") == bundled_model(".safetensors")


@pytest.mark.parametrize("path", [f"./{DEFAULT}", Path(DEFAULT), f"{DEFAULT}.onnx", f"{DEFAULT}/", "a/b", "b.onnx"])
def test_a_path_is_a_file(elsewhere: Path, path: str | Path) -> None:
    assert find_model(path, ".onnx") == Path(path)
    with pytest.raises(ModelError, match="no such file"):
        load(path)


def test_a_file_without_a_suffix_is_found(elsewhere: Path) -> None:
    for path in ("mine", f"./{DEFAULT}"):
        shutil.copy(bundled_model(".safetensors"), path)
        assert isinstance(load(path).backend, TorchModel)
    assert isinstance(load(DEFAULT).backend, OnnxModel)


@pytest.mark.parametrize("name", ["commands9", "x" * 300, "no such", "..."])
def test_a_name_of_nothing_lists_the_models(elsewhere: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"no such file, and no bundled model.*{DEFAULT}"):
        load(name)


def test_another_bundled_model_is_found(shelf: Path, demo: Path) -> None:
    assert names() == ("words",)
    assert load("words").backend.path == shelf / "words.onnx"  # type: ignore[union-attr]
    (shelf / "words.onnx").unlink()
    with pytest.raises(ModelError, match=r"words\.onnx is missing; reinstall"):
        load("words")


def test_a_model_of_one_direction_is_bundled_with_its_stream(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """scripts/make_bundled_model.py makes all forms of it, commands take it, and what it lacks is one line."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module("make_bundled_model")
    monkeypatch.setattr(script, "FOLDER", shelf)
    save_model(tmp_path / "m.safetensors", model_of("lstm", bidirectional=False))
    monkeypatch.setattr("sys.argv", ["make_bundled_model.py", "words", "--model", str(tmp_path / "m.safetensors")])
    script.main()
    assert {path.suffix for path in shelf.glob("words*")} == {".md", ".onnx", ".safetensors", ".pack"}
    assert isinstance(load("words").stream().scorer, OnnxStream)
    listed = describe("words")
    assert listed.files.keys() == {"words.onnx", "words.safetensors", "words.stream.onnx"}
    assert listed.listen < 2 * listed.classify
    recording = ROOT / "data" / "demo" / "stop" / "7a254b5f_nohash_0.wav"
    assert call(capsys, "listen", "--input", recording, "--plain", "--model", "words")[0] == 0
    assert call(capsys, "export", "words", "--c", tmp_path / "c")[0] == 0
    takes = ("--from", recording.parents[1], "--out", tmp_path / "own.onnx")
    assert f"teach {DEFAULT}, or make a bank" in refusal(capsys, "teach", "--model", "words", *takes)


def test_commands_take_a_name(capsys: pytest.CaptureFixture[str], demo: Path, elsewhere: Path) -> None:
    recording = demo / "stop" / "7a254b5f_nohash_0.wav"
    assert answer(capsys, "classify", recording, "--model", DEFAULT) == answer(capsys, "classify", recording)
    assert "i     input gate" in answer(capsys, "gates", recording, "--model", DEFAULT)
    assert call(capsys, "evaluate", DEFAULT, "--data", demo)[0] == 0
    assert call(capsys, "export", DEFAULT, "--int8")[0] == 0
    assert [path.name for path in elsewhere.iterdir()] == [f"{DEFAULT}.int8.onnx"]
    stream = ("make-stream", "--data", demo, "--minutes", 0.5, "--model", DEFAULT, "--out", "stream.wav")
    assert call(capsys, *stream)[0] == 0


def test_training_starts_from_a_bundled_model_and_is_taught_by_it(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    network = load_model(bundled_model(".safetensors")).config
    flags = [
        "--hop-ms",
        "20",
        "--layers",
        str(network.layers),
        "--hidden",
        str(network.hidden),
        "--labels",
        "yes,no",
        "--epochs",
        "1",
        "--batch",
        "16",
        "--learning-rate",
        "0",
        "--average",
        "0",
    ]
    out = tmp_path / "run"
    words = ("train", "--data", demo, "--out", out, *flags, "--start", DEFAULT, "--teachers", DEFAULT)
    assert call(capsys, *words)[0] == 0
    ours, bundled = (load_model(path).network for path in (out / "last.safetensors", bundled_model(".safetensors")))
    assert ours.stack.state_dict().keys() == bundled.stack.state_dict().keys()
    for name, weight in bundled.stack.state_dict().items():
        assert (ours.stack.state_dict()[name] == weight).all()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("classify {} --model commands9", "commands9: no such file, and no bundled model"),
        ("classify {} --model=", "'' is not the path of a model"),
        ("listen --input {} --model commands9", "the bundled models are"),
        ("evaluate commands9 --data {}", "the bundled models are"),
        ("stream-test commands9 {}", "the bundled models are"),
        ("export commands9", "the bundled models are"),
        ("gates {} --model commands9", "the bundled models are"),
        ("calibrate commands9 --data {}", "the bundled models are"),
        ("calibrate commands8 --data {}", "is a bundled model, which is not changed; pass --out FILE"),
        ("make-stream --data {} --out a.wav --model commands9", "the bundled models are"),
    ],
)
def test_commands_refuse_a_name_of_nothing(
    capsys: pytest.CaptureFixture[str], demo: Path, words: str, says: str
) -> None:
    assert says in refusal(capsys, *words.format(demo / "stop" / "7a254b5f_nohash_0.wav").split())


@pytest.mark.parametrize("flag", ["--start", "--teachers"])
def test_training_refuses_a_name_of_nothing(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path, flag: str
) -> None:
    out = tmp_path / "run"
    words = ("train", "--data", demo, "--out", out, "--labels", "yes,no", "--batch", 16, flag, "commands9")
    status, _, error = call(capsys, *words)
    assert (status, error.count("\n")) == (2, 1)
    assert "no bundled model; the bundled models are" in error
    assert not out.exists()


# --- the list ----------------------------------------------------------------------------------------------------


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(capsys, "models")
    assert re.match(r"model +size +accuracy +not matched +false/h +classify +listen\n", text)
    assert f"\n{DEFAULT} (the default)\n  labels    yes, no, up, " in text
    first = next(facts for facts in json.loads(answer(capsys, "models", "--json")) if facts["name"] == DEFAULT)
    model = load_model(bundled_model(".safetensors"))
    assert (first["name"], tuple(first["labels"]), first["default"]) == (DEFAULT, model.labels, True)
    assert first["files"] == {
        path.name: path.stat().st_size for path in map(bundled_model, (".onnx", ".safetensors"))
    }
    accuracy = re.search(r"^\| accuracy \| ([\d.]+) % \|", bundled_model(".md").read_text(), re.MULTILINE)
    assert accuracy
    assert (first["card"]["license"], first["card"]["metrics"]["accuracy"]) == ("cc-by-4.0", float(accuracy[1]))


def test_the_list_is_broken_into_lines_for_a_terminal() -> None:
    assert max(map(len, table([describe(DEFAULT)], 72).splitlines())) <= 72


def test_the_multiplications_are_those_of_the_layers() -> None:
    """Each weight of the layers is used once in a frame; the front end and the pooling take a quarter more."""
    model = load_model(bundled_model(".safetensors"))
    weights = sum(w.numel() for name, w in model.network.stack.named_parameters() if w.dim() == 3)
    frames = 49
    classify, listen = multiplications(OnnxModel(bundled_model(".onnx")))
    assert frames * weights < classify < 1.34 * frames * weights
    assert listen == 10 * classify


@pytest.mark.parametrize("cell", ["lstm", "peephole"])
def test_a_stream_frame_by_frame_costs_less(cell: str, tmp_path: Path) -> None:
    export(model_of(cell, bidirectional=False), tmp_path / "a.onnx", streaming=True)
    classify, listen = multiplications(OnnxModel(tmp_path / "a.onnx"))
    assert 0.9 * classify < listen < 2 * classify
    (tmp_path / "a.stream.onnx").unlink()
    assert multiplications(OnnxModel(tmp_path / "a.onnx")) == (classify, 10 * classify)


# --- cards -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_the_front_matter_has_the_figures_of_the_card(path: Path) -> None:
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["model-index"][0]["name"] == path.stem
    assert {"license", "language", "tags", "datasets", "pipeline_tag"} <= facts.keys()
    card = read_card(path)
    for name, value in (card.metrics | card.stream).items():
        unit = "" if " an hour" in name else " %"
        assert re.search(rf"^\| {name} \| {value:.1f}{unit} \|", body, re.MULTILINE), name


ONE_RESULT = """license: x
language: en
model-index:
  - results:
      - dataset: {name: words}
        metrics: [{name: accuracy, value: 96.0}]
      - dataset: {name: a stream}
        metrics: [{name: commands not matched, value: 10.0}]
"""


@pytest.mark.parametrize(
    "front", ["", "- [\n", "license: x\n", "model-index: 3\n", "model-index: [results: []]\n", "\0", ONE_RESULT]
)
def test_a_damaged_card_is_one_line(capsys: pytest.CaptureFixture[str], shelf: Path, front: str) -> None:
    (shelf / "words.md").write_text(f"---\n{front}---\n# a card")
    line = refusal(capsys, "models")
    assert "words.md: its front matter is damaged" in line
    assert load("words").labels  # it is not read to recognise


def test_a_missing_form_is_one_line(capsys: pytest.CaptureFixture[str], shelf: Path) -> None:
    (shelf / "words.onnx").unlink()
    assert "words.onnx is missing" in refusal(capsys, "models")
