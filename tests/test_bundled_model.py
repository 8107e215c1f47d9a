"""The bundled models, in all forms, on the recordings in data/demo."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import speech_lstm
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.errors import ModelError
from speech_lstm.export.c.integers import integer_model
from speech_lstm.model.bundled import bundled_model, names
from speech_lstm.model.checkpoint import load_model
from speech_lstm.model.onnx_file import STREAM_SUFFIX
from speech_lstm.recognition.onnx_model import OnnxModel, OnnxStream
from speech_lstm.recognition.recognizer import Recognizer, load

DEMO = Path(__file__).parents[1] / "data" / "demo"
MOST_BYTES = {
    ("commands8", ".safetensors"): 3_000_000,
    ("commands8", ".onnx"): 800_000,
    ("commands15", ".safetensors"): 3_000_000,
    ("commands15", ".onnx"): 800_000,
    ("small", ".safetensors"): 650_000,
    ("small", ".onnx"): 210_000,
    ("small", ".stream.onnx"): 210_000,
}
MOST_WEIGHTS = 160_000  # bytes of small in 8 bits: what the smallest microcontrollers have room for
STOP = DEMO / "stop" / "7a254b5f_nohash_0.wav"


@pytest.fixture(scope="module", params=[form for form in MOST_BYTES if form[1] != ".stream.onnx"], ids="".join)
def model(request: pytest.FixtureRequest) -> Recognizer:
    name, suffix = request.param
    return load(bundled_model(suffix, name))


@pytest.mark.parametrize("name", names())
def test_the_labels(name: str) -> None:
    numbers = ("zero", "one", "two", "three", "four", "five", "eight") if name == "commands15" else ()
    for suffix in (".safetensors", ".onnx"):
        assert load(bundled_model(suffix, name)).labels == (*COMMANDS_8, *numbers, UNKNOWN, SILENCE)


def test_the_files_are_small() -> None:
    for (name, suffix), most in MOST_BYTES.items():
        assert bundled_model(suffix, name).stat().st_size <= most
    assert integer_model(load_model(bundled_model(".safetensors", "small"))).weight_bytes <= MOST_WEIGHTS


@pytest.mark.parametrize(("name", "least"), [("commands8", 0.6), ("commands15", 0.6), ("small", 0.4)])
def test_understands_synthetic_voices(name: str, least: float) -> None:
    """Speech of a kind that it was not made for: the card tells how well it understands people."""
    model = load(name)
    paths = [path for word in COMMANDS_8 for path in sorted((DEMO / word).glob("*.wav"))]
    answers = model.classify(paths)
    right = sum(answer.label == path.parent.name for answer, path in zip(answers, paths, strict=True))
    assert right / len(paths) >= least


def test_takes_background_noise_for_silence(model: Recognizer) -> None:
    for path in sorted((DEMO / "_background_noise_").glob("*.wav")):
        assert list(model.commands(path)) == [], path.name


def test_card_tells_what_the_file_is() -> None:
    card = bundled_model(".safetensors").with_suffix(".md").read_text()
    for fact in ("CC BY 4.0", "speech-lstm train", "95 %", "arXiv:1804.03209"):
        assert fact in card
    assert "CC BY-SA 4.0" in bundled_model(".md", "commands15").read_text()  # as the prompts that it was trained on


# --- the ONNX form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_the_forms_are_of_one_model(name: str) -> None:
    carried = load_model(bundled_model(".safetensors", name))
    assert OnnxModel(bundled_model(".onnx", name)).source == carried.digest, "run scripts/make_bundled_model.py"
    if not carried.config.bidirectional:
        stream = OnnxStream(bundled_model(STREAM_SUFFIX, name), SAMPLE_RATE // 10)
        assert stream.session.facts["source"] == carried.digest, "run scripts/make_bundled_model.py"


def test_the_small_model_reads_each_frame_once() -> None:
    """In 8 bits with the carried state it finds the commands that torch finds."""
    words = [read_recording(DEMO / word / STOP.name) for word in COMMANDS_8]
    pause = np.random.default_rng(0).normal(0, 0.002, SAMPLE_RATE).astype(np.float32)
    sound = np.concatenate([pause, *(part for word in words for part in (word, pause))])
    model = load("small")
    assert isinstance(model.stream().scorer, OnnxStream)
    ours, theirs = (
        [command.label for command in recognizer.commands(sound, SAMPLE_RATE)]
        for recognizer in (model, load(bundled_model(".safetensors", "small")))
    )
    assert ours == theirs
    assert len(ours) >= 4


@pytest.mark.parametrize("name", names())
def test_the_forms_answer_alike(name: str) -> None:
    paths = sorted(DEMO.rglob("*_nohash_*.wav"))[::3]
    ours, want = (load(bundled_model(suffix, name)).classify(paths) for suffix in (".onnx", ".safetensors"))
    same = [found.label == expected.label for found, expected in zip(ours, want, strict=True)]
    assert np.mean(same) >= 0.98
    errors = [
        abs(found.probability - expected.scores[found.label]) for found, expected in zip(ours, want, strict=True)
    ]
    assert np.mean(errors) < 0.02


def test_other_recordings_in_a_batch_change_no_answer() -> None:
    """In int8 a batch shares its scales."""
    model, paths = speech_lstm.load(), sorted((DEMO / "left").glob("*.wav"))
    alone = [model.classify(path).scores for path in paths]
    assert [answer.scores for answer in model.classify(paths)] == alone


def test_load_takes_the_onnx_form_and_looks_into_the_other() -> None:
    model = speech_lstm.load()
    assert isinstance(model.backend, OnnxModel)
    assert model.backend.path == bundled_model(".onnx")
    inside = model.look_inside(STOP)
    want = load(bundled_model(".safetensors")).classify(STOP)
    assert inside.answer.scores == pytest.approx(want.scores, abs=1e-5)
    assert not isinstance(load(device="cpu:0").backend, OnnxModel)  # a device by its number is torch's


def test_the_model_it_was_made_of_must_be_in_its_folder(tmp_path: Path, model_file: Path) -> None:
    onnx = tmp_path / "words.int8.onnx"
    shutil.copy(bundled_model(".onnx"), onnx)
    with pytest.raises(ModelError, match=r"words\.safetensors is not the model that it was made of"):
        load(onnx).look_inside(STOP)
    shutil.copy(model_file, tmp_path / "words.safetensors")
    with pytest.raises(ModelError, match=r"words\.safetensors is not the model that it was made of"):
        load(onnx).look_inside(STOP)
    shutil.copy(bundled_model(".safetensors"), tmp_path / "words.safetensors")
    assert load(onnx).look_inside(STOP).answer.label == "stop"


WITHOUT_TORCH = """
import sys
from speech_lstm.cli import main
try:
    main()
finally:
    heavy = "torch torchaudio scipy librosa matplotlib safetensors onnx".split()
    assert not [name for name in heavy if name in sys.modules]
    assert "onnxruntime" in sys.modules
"""


@pytest.mark.parametrize("words", ["classify - --jsonl", "listen --input - --plain", "listen --input - --jsonl"])
def test_recognition_imports_no_torch(words: str, tmp_path: Path) -> None:
    samples = np.concatenate([read_recording(STOP), np.zeros(SAMPLE_RATE, np.float32)])
    soundfile.write(tmp_path / "long.wav", samples, SAMPLE_RATE)
    command = [sys.executable, "-c", WITHOUT_TORCH, *words.split()]
    run = subprocess.run(command, input=(tmp_path / "long.wav").read_bytes(), capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert b"stop" in run.stdout
