"""The C of a model: the bytes of its answers are the same everywhere, and those that Python computes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ModelError
from speech_lstm.export.c import reference
from speech_lstm.export.c.files import export_c
from speech_lstm.export.c.integers import integer_model
from speech_lstm.export.parity import answer_of, demo_recordings
from speech_lstm.files import OutputError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.model.checkpoint import load_model, save_model
from speech_lstm.recognition.detector import Detector
from support.c_models import (
    GCC,
    TARGETS,
    Target,
    build,
    deciding,
    expected_lines,
    run,
    stream,
    write_sources,
)
from support.command_line import answer, refusal
from support.exported_models import model_of

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc: apt-get install gcc")
WAYS = {
    "lstm": {},
    "lstm, isolation": {"isolation": 9.0},
    "lstm, sure": {"isolation": 12.0, "sure": 0.9},
    "lstm, mean": {"pooling": "mean"},
    "lstm, last": {"pooling": "last", "sizes": "5,9"},
    "peephole": {"layers": 1},
    "gru": {},
    "rnn": {"layers": 3},
}


# --- the numbers -------------------------------------------------------------------------------------------------


def test_functions_are_right_to_four_digits() -> None:
    x = np.linspace(-20, 20, 5001)
    whole = np.round(x * 4096).astype(np.int64)
    x = whole / 4096
    assert np.abs(reference.sigmoid(whole) / 2**15 - 1 / (1 + np.exp(-x))).max() < 1e-4
    assert np.abs(reference.tanh(whole) / 2**15 - np.tanh(x)).max() < 4e-4
    up = whole[whole >= 0]
    assert np.abs(reference.exponential(up) / 2**15 - np.exp(-up / 4096)).max() < 2e-4
    powers = np.unique(np.geomspace(1, 2**62, 999).astype(np.uint64))
    logs = reference.log2_of(powers) / 1024 + 45
    assert np.abs(logs - np.log2(powers.astype(float))).max() < 1.1e-3


def test_features_are_those_of_the_front_end() -> None:
    model = model_of("lstm", bidirectional=False)
    integers, clips = integer_model(model), demo_recordings()[::20]
    frames = np.stack([reference.frames_of(integers, row) for row in reference.whole(clips)])
    ours = np.stack([reference.features(integers.front_end, rows) for rows in frames]) / 2**11
    network = model.network
    with torch.inference_mode():
        theirs = network.normalise(FrontEnd(model.features)(torch.from_numpy(clips))).numpy()
    assert np.abs(ours - theirs.clip(-16, 16)).max() < 0.01


@pytest.mark.parametrize("way", WAYS)
def test_answers_are_those_of_the_model(way: str) -> None:
    model = deciding(way.split(",")[0], **WAYS[way])
    clips = demo_recordings()[::4]
    theirs, ours = answer_of(model)(clips), reference.window_logits(integer_model(model), clips)
    assert np.abs(softmax(ours, 1) - softmax(theirs, 1)).mean() < 0.01
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.95  # random weights answer nearly the same to everything


# --- the C -------------------------------------------------------------------------------------------------------


@needs_gcc
@pytest.mark.parametrize("way", WAYS)
def test_the_c_computes_what_python_computes(tmp_path: Path, way: str) -> None:
    model = deciding(way.split(",")[0], **WAYS[way])
    expected = expected_lines(model)
    assert sum(line.startswith("command") for line in expected) >= 3
    program = build(GCC, write_sources(model, tmp_path), tmp_path / "program")
    assert run(GCC, program, stream()) == expected


@needs_gcc
def test_the_c_of_the_bundled_model(tmp_path: Path) -> None:
    model = load_model(bundled_model(".safetensors", "small"))
    expected = expected_lines(model)
    assert sum(line.startswith("command") for line in expected) >= 1
    program = build(GCC, write_sources(model, tmp_path), tmp_path / "program")
    assert run(GCC, program, stream()) == expected


@pytest.mark.parametrize("target", [target.param() for target in TARGETS])
def test_the_same_bytes_everywhere(tmp_path: Path, target: Target) -> None:
    model = deciding("lstm", isolation=6.0)
    program = build(target, write_sources(model, tmp_path), tmp_path / "program")
    assert run(target, program, stream()) == expected_lines(model)


@needs_gcc
def test_blocks_of_any_size_give_the_same_commands(tmp_path: Path) -> None:
    model = deciding("gru")
    commands = [line for line in expected_lines(model) if line.startswith("command")]
    program = build(GCC, write_sources(model, tmp_path), tmp_path / "program")
    for block in (1, 479, 1600, 50_000):
        lines = run(GCC, program, stream(), block)
        assert [line for line in lines if line.startswith("command")] == commands


@needs_gcc
def test_the_detector_finds_the_same_commands(tmp_path: Path) -> None:
    model = deciding("lstm")
    detector = Detector(reference.IntegerRecognizer(integer_model(model)))
    found = detector(stream() / np.float32(32768))
    program = build(GCC, write_sources(model, tmp_path), tmp_path / "program")
    lines = [line.split() for line in run(GCC, program, stream()) if line.startswith("command")]
    assert [model.labels[int(line[1])] for line in lines] == [command.label for command in found]


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake: apt-get install cmake")
@needs_gcc
def test_cmake_builds_the_example(tmp_path: Path) -> None:
    model = deciding("lstm")
    sources = write_sources(model, tmp_path / "words")
    for step in (["cmake", "-S", sources, "-B", tmp_path / "build"], ["cmake", "--build", tmp_path / "build"]):
        subprocess.run(step, check=True, stdout=subprocess.DEVNULL)
    lines = run(GCC, tmp_path / "build" / "speech_lstm_listen", stream())
    commands = [line.split() for line in expected_lines(model) if line.startswith("command")]
    assert len(lines) >= len(commands)
    for line, (_, label, _, place) in zip(lines, commands, strict=False):
        assert line.startswith(f"{int(place) / SAMPLE_RATE:.1f} s  {model.labels[int(label)]}  ")


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "m.safetensors", model_of("lstm", bidirectional=False))
    text = answer(capsys, "export", tmp_path / "m.safetensors", "--c", tmp_path / "words")
    assert "same answer as the model for" in text
    assert "products a second" in text
    assert (tmp_path / "words" / "src" / "speech_lstm.c").is_file()
    assert "not an empty folder" in refusal(capsys, "export", tmp_path / "m.safetensors", "--c", tmp_path / "words")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bidirectional": True}, "--bidirectional false"),
        ({"cell": "clockwork"}, "no cell 'clockwork'; train one of lstm, peephole, gru, rnn"),
        ({"normalise": "layer"}, "--normalise batch"),
        ({"normalise": "none"}, "--normalise batch"),
        ({"pooling": "query"}, "--pooling attention"),
        ({"tied": True}, "--tied false"),
    ],
)
def test_what_the_c_cannot_compute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], says: str
) -> None:
    settings = {"cell": "lstm", "bidirectional": False} | changes
    save_model(tmp_path / "m.safetensors", model_of(settings.pop("cell"), **settings))
    assert says in refusal(capsys, "export", tmp_path / "m.safetensors", "--c", tmp_path / "words")
    assert not (tmp_path / "words").exists()


def test_weights_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of("lstm", bidirectional=False)
    model.network.head.weight.data[0, 0] = 1e6
    save_model(tmp_path / "m.safetensors", model)
    text = refusal(capsys, "export", tmp_path / "m.safetensors", "--c", tmp_path / "words")
    assert "does not fit into 8 bits" in text
    rough = model_of("lstm", bidirectional=False)
    rough.network.head.weight.data.mul_(3)[:, 0] += (
        900  # the same for all labels; the others of a row are rounded away
    )
    with pytest.raises(ModelError, match="do not fit into 8 bits: same answer as the model for 0 of"):
        export_c(rough, tmp_path / "words")
    flat = model_of("lstm", bidirectional=False)
    flat.network.normalise.weight.data.zero_()
    with pytest.raises(ModelError, match="does not fit"):
        export_c(flat, tmp_path / "words")
    assert not (tmp_path / "words").exists()


def test_other_flags_do_not_go_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--int8"], ["--streaming"], ["--out", "m.onnx"]):
        assert "--c writes C alone" in refusal(capsys, "export", "commands8", "--c", tmp_path / "words", *flags)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file; choose a folder"):
        export_c(model_of("lstm", bidirectional=False), tmp_path / "file" / "words")
