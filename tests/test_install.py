"""The wheel as a user installs it: into a fresh environment, without an extra, so without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.model.onnx_file import SEAL_SIZE, seal

ROOT = Path(__file__).parents[1]
FORMS = (".safetensors", ".onnx", ".md")
MODELS = [ROOT / "checkpoints" / f"{name}{form}" for name in ("commands8", "commands15") for form in FORMS]
DEMO, SPEAKER = ROOT / "data" / "demo", "7a254b5f_nohash_0.wav"
MOST_BYTES = 230e6  # of everything that is installed, without bytecode
SLOW = 300  # seconds


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source archive and of the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SLOW)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; skips if no package index answers."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    # Without bytecode, which takes as long as everything else: Python compiles the few modules that the tests import.
    install = [*pip, "--python", folder / "venv", "install", "--no-compile", "--constraint", ROOT / "constraints.txt"]
    done = subprocess.run([*install, *built.glob("*.whl")], capture_output=True, text=True, timeout=SLOW)
    if done.returncode:
        probe = [*pip, "download", "--no-deps", "--retries", "1", "--dest", folder, "mdurl"]
        if subprocess.run(probe, capture_output=True, timeout=SLOW).returncode:
            pytest.skip("no network: a package index is needed to install into a fresh environment")
    assert done.returncode == 0, done.stderr
    return folder / "venv"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two words with pauses, 2.4 s."""
    path, pause = tmp_path_factory.mktemp("sound") / "long.wav", np.zeros(SAMPLE_RATE // 2, np.float32)
    words = [read_recording(DEMO / word / SPEAKER) for word in ("stop", "right")]
    soundfile.write(path, np.concatenate([pause, words[0], pause, words[1], pause]), SAMPLE_RATE)
    return path


def run(environment: Path, *words: object, program: str = "speech-lstm") -> subprocess.CompletedProcess[str]:
    """Run a program of the environment, far from the repository."""
    command = [str(environment / "bin" / program), *map(str, words)]
    return subprocess.run(
        command, cwd=environment, env={"LANG": "C.UTF-8"}, capture_output=True, text=True, timeout=SLOW
    )


def refusal(environment: Path, *words: object) -> str:
    """The one line with which a command is refused."""
    done = run(environment, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("speech-lstm: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


# --- what is built -----------------------------------------------------------------------------------------------


def test_both_archives_hold_the_models_and_their_cards(built: Path) -> None:
    files = [path for path in (ROOT / "checkpoints").iterdir() if path.is_file()]
    assert {path.name for path in MODELS} | {"small.stream.onnx", "small.md"} <= {path.name for path in files}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel, tarfile.open(next(built.glob("*.tar.gz"))) as source:
        name = source.getnames()[0].partition("/")[0]
        for model in files:
            inside = source.extractfile(f"{name}/checkpoints/{model.name}")
            assert inside is not None
            assert model.read_bytes() == inside.read() == wheel.read(f"speech_lstm/models/{model.name}")
        held = {path.partition("/")[0] for path in wheel.namelist()}
        assert held == {"speech_lstm", f"{name}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "speech_lstm").rglob("*") if path.is_file()}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        missing = {path for path in files - set(wheel.namelist()) if "__pycache__" not in path}
    assert "speech_lstm/report/template.html" in files
    assert not missing


# --- what is installed -------------------------------------------------------------------------------------------


def test_it_is_small_and_has_no_torch(environment: Path) -> None:
    packages = next(environment.glob("lib/*/site-packages"))
    assert not {"torch", "scipy", "onnx", "matplotlib", "sympy"} & {path.name for path in packages.iterdir()}
    assert sum(path.stat().st_size for path in packages.rglob("*")) < MOST_BYTES


def test_it_classifies(environment: Path) -> None:
    done = run(environment, "classify", DEMO / "stop" / SPEAKER, "--top", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  stop " in done.stdout


def test_it_lists_the_bundled_models(environment: Path) -> None:
    done = run(environment, "models", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (model,) = (item for item in json.loads(done.stdout) if item["default"])
    assert model["files"] == {path.name: path.stat().st_size for path in MODELS[1::-1]}
    assert model["card"]["metrics"]["accuracy"] > 95
    for item in json.loads(done.stdout):
        words = ("classify", DEMO / "stop" / SPEAKER, "--model", item["name"], "--words", "go,stop")
        assert "  stop " in run(environment, *words).stdout


def test_it_writes_the_page(environment: Path, tmp_path: Path) -> None:
    done = run(environment, "web", "--out", tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    manifest = json.loads((tmp_path / "site" / "manifest.json").read_text("utf-8"))
    for entry in manifest["models"] + manifest["sounds"]:
        assert (tmp_path / "site" / entry["file"]).stat().st_size > 1_000
    error = refusal(environment, "web", "--model", MODELS[0], "--out", tmp_path / "other")
    assert "pip install 'speech-lstm[export]'" in error


def test_it_finds_the_commands_of_a_long_recording(environment: Path, long: Path) -> None:
    done = run(environment, "classify", long, "--jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["stop", "right"]


def test_it_listens(environment: Path, long: Path) -> None:
    done = run(environment, "listen", "--input", long, "--jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["stop", "right"]


LIVE_VIEW = """
import sys
import numpy as np
from rich.console import Console
from speech_lstm.audio.inputs import find_input
from speech_lstm.live.view import LiveView
from speech_lstm.recognition.detector import Detector
import speech_lstm
model = speech_lstm.load()
detector, source = Detector(model), find_input(None, sys.argv[1], None)
console = Console(width=80, height=24, force_terminal=True, color_system="256")
view = LiveView(source, detector, model.detection, console)
samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
detector(samples)
view.update(samples)
"""


def test_it_draws_the_live_view(environment: Path, long: Path) -> None:
    done = run(environment, "-c", LIVE_VIEW, long, program="python")
    assert done.returncode == 0, done.stderr
    assert "_silence_" in done.stdout
    assert "▀" in done.stdout  # the spectrogram


LIBRARY = """
import sys, speech_lstm
model = speech_lstm.load()
answer = model.classify(sys.argv[1])
print(answer.label)
assert "<table" in model._repr_html_() and "<table" in answer._repr_html_()
for ask in (lambda: model.look_inside(sys.argv[1]), lambda: speech_lstm.load("a.safetensors")):
    try:
        ask()
    except speech_lstm.SpeechLSTMError as error:
        print(error)
"""


def test_the_library_classifies_and_names_the_extra(environment: Path) -> None:
    done = run(environment, "-c", LIBRARY, DEMO / "stop" / SPEAKER, program="python")
    missing = "the package torch is missing: pip install 'speech-lstm[train]'"
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", ["stop", missing, missing])


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (f"train --data {DEMO} --out run", "train"),
        (f"evaluate {MODELS[0]} --data {DEMO}", "train"),
        (f"calibrate {MODELS[0]} --data {DEMO}", "train"),
        (f"stream-test {MODELS[1]} {DEMO / 'stop' / SPEAKER}", "train"),
        (f"gates {DEMO / 'stop' / SPEAKER}", "train"),
        (f"gradients --data {DEMO}", "train"),
        ("cells", "train"),
        (f"classify {DEMO / 'stop' / SPEAKER} --model {MODELS[0]}", "train"),
        (f"export {MODELS[0]}", "export"),
        ("devices", "mic"),
        ("listen", "mic"),
        (f"listen --input {DEMO / 'stop' / SPEAKER} --mqtt mqtt://localhost/words", "mqtt"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(environment: Path, command: str, extra: str) -> None:
    assert refusal(environment, *command.split()).endswith(f" is missing: pip install 'speech-lstm[{extra}]'\n")
    assert not (environment / "run").exists()


def test_bad_model_files_are_refused(environment: Path, tmp_path: Path) -> None:
    content = MODELS[1].read_bytes()
    proto = onnx.load_from_string(content[:-SEAL_SIZE])
    next(item for item in proto.metadata_props if item.key == "version").value = "99"
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [out])
    foreign = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for bad, says in [
        (seal(proto.SerializeToString()), "format 99 is newer than this program reads"),
        (bytes(flipped), "damaged or changed after its export"),
        (content[: len(content) // 2], "damaged"),
        (foreign.SerializeToString(), "not a speech-lstm onnx model"),
        (MODELS[0].read_bytes(), "not an ONNX file"),
        (b"", "damaged"),
    ]:
        path = tmp_path / "bad.onnx"
        path.write_bytes(bad)
        line = refusal(environment, "classify", DEMO / "stop" / SPEAKER, "--model", path)
        assert says in line
        assert line.startswith(f"speech-lstm: {path}: ")
