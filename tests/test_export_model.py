"""The exported files as recognition meets them: run without torch, refused in one line, written by the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ModelError
from speech_lstm.export import native
from speech_lstm.export.model import recording_model, stream_model
from speech_lstm.export.parity import answer_of
from speech_lstm.model.checkpoint import load_model, save_model
from speech_lstm.model.onnx_file import SEAL_SIZE, seal
from speech_lstm.recognition.onnx_model import OnnxModel, OnnxStream
from speech_lstm.recognition.recognizer import Recognizer, load
from support.command_line import SLOW, call, refusal
from support.exported_models import NOISE, model_of

WINDOWS = np.concatenate([NOISE, NOISE[::-1]], 1)
CARRIED = Path(__file__).parents[1] / "checkpoints" / "commands8.safetensors"
HOP = 2_000  # samples: five frames of the small model


@pytest.fixture(scope="module")
def content() -> bytes:
    return recording_model(model_of("lstm"))


@pytest.fixture(scope="module")
def folder(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole file, its frame-by-frame form of another network, and the model file of that."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "model.onnx").write_bytes(content)
    forwards = model_of("clockwork", bidirectional=False)
    (folder / "stream.onnx").write_bytes(stream_model(forwards))
    save_model(folder / "forwards.safetensors", forwards)
    return folder


def refused(path: Path, kind: type[OnnxModel] | type[OnnxStream] = OnnxModel) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(ModelError) as caught:
        kind(path) if kind is OnnxModel else OnnxStream(path, HOP)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# --- recognition -------------------------------------------------------------------------------------------------


def test_the_same_posteriors_as_torch(folder: Path) -> None:
    model = OnnxModel(folder / "model.onnx")
    assert model.labels == model_of("lstm").labels
    many = np.resize(WINDOWS, (130, CLIP_SAMPLES))  # more than fit into one batch
    want = Recognizer(model_of("lstm")).posteriors(many)
    np.testing.assert_allclose(model.posteriors(many), want, atol=1e-5)
    overlapping = np.lib.stride_tricks.sliding_window_view(WINDOWS.reshape(-1), CLIP_SAMPLES)[::40_000]
    np.testing.assert_allclose(model.posteriors(overlapping).sum(1), 1, atol=1e-5)
    assert model.posteriors(WINDOWS[:0]).shape == (0, 3)


def test_the_same_vectors_as_torch(folder: Path, tmp_path: Path) -> None:
    ours, want = load(folder / "model.onnx"), Recognizer(model_of("lstm"))
    vectors = want.vectors(WINDOWS)
    assert vectors.shape == (len(WINDOWS), 2 * 2 * 8)  # heads, directions, units
    np.testing.assert_allclose(ours.vectors(WINDOWS), vectors, atol=1e-5)
    assert ours.vectors(WINDOWS[:0]).shape == (0, vectors.shape[1])
    network = want.model.network
    np.testing.assert_allclose(network.head(torch.from_numpy(vectors)).numpy(), want.logits(WINDOWS), atol=1e-5)


def test_a_file_of_an_older_version_recognises_but_gives_no_vectors(content: bytes, tmp_path: Path) -> None:
    proto = onnx.load_from_string(content)
    del proto.graph.output[2]
    proto.graph.node.remove(next(node for node in proto.graph.node if node.output[0] == "vector"))
    del proto.metadata_props[-1]  # the old seal
    file = tmp_path / "old.onnx"
    file.write_bytes(seal(proto.SerializeToString()))
    assert load(file).posteriors(WINDOWS).shape == (len(WINDOWS), 3)
    with pytest.raises(ModelError, match="make it again with `speech-lstm export`"):
        load(file).vectors(WINDOWS)


def window_posteriors(model_file: Path, samples: np.ndarray, first: int = 0) -> np.ndarray:
    """By torch: what was held in the last second at the end of each window, of a network that began at `first`."""
    model = load_model(model_file)
    front_end, network = FrontEnd(model.features), model.network
    with torch.inference_mode():
        features = front_end(torch.from_numpy(samples[None, first * HOP :]))
        hidden = network.stack(network.normalise(features))[0]
        size, step = front_end.frames(CLIP_SAMPLES), HOP // model.features.hop
        windows = range(0, hidden.shape[1] - size + 1, step)
        logits = [network.head(network.pooling(hidden[:, start : start + size])) for start in windows]
    return torch.cat(logits).softmax(1).numpy()


def test_a_stream_in_blocks_of_any_number_of_windows(folder: Path) -> None:
    samples = WINDOWS[:2].reshape(-1)
    want = window_posteriors(folder / "forwards.safetensors", samples)
    for blocks in ([9], [1] * 9, [3, 1, 5]):
        stream, start, rows = OnnxStream(folder / "stream.onnx", HOP), 0, []
        for count in blocks:
            end = max(start, CLIP_SAMPLES - HOP) + count * HOP
            rows.append(stream(samples[start:end], np.ones(count, bool)))
            start = end
        np.testing.assert_allclose(np.concatenate(rows), want[:9], atol=1e-5)


def test_a_stream_begins_anew_after_windows_that_nobody_wanted(folder: Path) -> None:
    samples, file = WINDOWS[:2].reshape(-1), folder / "forwards.safetensors"
    stream = OnnxStream(folder / "stream.onnx", HOP)
    chosen = np.array([True, True, False, False, True, True])
    rows = stream(samples[: CLIP_SAMPLES + 5 * HOP], chosen)
    want = np.concatenate([window_posteriors(file, samples)[:2], window_posteriors(file, samples, 4)[:2]])
    np.testing.assert_allclose(rows, want, atol=1e-5)
    stream.reset()
    np.testing.assert_array_equal(stream(samples[: CLIP_SAMPLES + 5 * HOP], chosen), rows)


WITHOUT_TORCH = """
import sys
for name in ("torch", "torchaudio", "onnx", "librosa", "safetensors"):
    sys.modules[name] = None  # an import of it fails
from pathlib import Path
import numpy as np
import speech_lstm
from speech_lstm.recognition.onnx_model import OnnxStream
folder, windows = Path(sys.argv[1]), np.load(sys.argv[2])
model = speech_lstm.load(folder / "model.onnx")
posteriors = model.posteriors(windows)
list(model.commands(windows.reshape(-1), 16_000))
model.classify(windows[0], 16_000)
OnnxStream(folder / "stream.onnx", 2000)(windows[0], np.ones(1, bool))
np.save(sys.argv[2], posteriors)
"""


def test_neither_torch_nor_onnx_is_needed(folder: Path, tmp_path: Path) -> None:
    array = tmp_path / "windows.npy"
    np.save(array, WINDOWS)
    words = [sys.executable, "-c", WITHOUT_TORCH, str(folder), str(array)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr
    logits = answer_of(model_of("lstm"))(WINDOWS)
    np.testing.assert_array_equal(np.load(array).argmax(1), logits.argmax(1))


def test_a_recogniser_of_the_onnx_form_answers_as_that_of_torch(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "carried.onnx"
    file.write_bytes(recording_model(load_model(CARRIED)))
    ours, want = load(file), load(CARRIED)
    recordings = sorted(demo.rglob("*_0.wav"))[::20]
    for actual, expected in zip(ours.classify(recordings), want.classify(recordings), strict=True):
        assert (actual.label, actual.start, actual.end) == (expected.label, expected.start, expected.end)
        assert actual.scores == pytest.approx(expected.scores, abs=1e-4)
    stream = np.concatenate([fit_clip(read_recording(path)) for path in sorted((demo / "stop").iterdir())[:6]])
    actual, expected = list(ours.commands(stream, 16_000)), list(want.commands(stream, 16_000))
    assert [(word.label, word.start, word.end) for word in actual] == [
        (word.label, word.start, word.end) for word in expected
    ]
    assert actual
    with pytest.raises(ModelError, match="cannot be looked into"):
        ours.look_inside(recordings[0])


def test_a_network_of_one_direction_hears_a_stream_frame_by_frame(folder: Path, tmp_path: Path) -> None:
    """In either form, where the frame-by-frame form lies beside the other; else window by window."""
    forwards = load_model(folder / "forwards.safetensors")
    file, samples = tmp_path / "forwards.onnx", WINDOWS[:2].reshape(-1)
    file.write_bytes(recording_model(forwards))

    def rows() -> np.ndarray:
        return load(file).stream(HOP / 16_000, gated=False)(samples).posteriors

    alone = rows()
    file.with_suffix(".stream.onnx").write_bytes((folder / "stream.onnx").read_bytes())
    want = Recognizer(forwards).stream(HOP / 16_000, gated=False)(samples).posteriors
    np.testing.assert_allclose(rows(), want, atol=1e-5)
    assert np.abs(alone[1:] - want[1:]).max() > 1e-3
    other = model_of("rnn", bidirectional=False)
    file.with_suffix(".stream.onnx").write_bytes(stream_model(other))
    with pytest.raises(ModelError, match="another model"):
        rows()


# --- files that are refused --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_that_changed_is_noticed(folder: Path, place: float, bit: int) -> None:
    damaged = bytearray((folder / "model.onnx").read_bytes())
    damaged[int(place * len(damaged))] ^= 1 << bit
    path = folder / "damaged.onnx"
    path.write_bytes(damaged)
    refused(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99, 0.9999])
def test_a_file_that_was_cut_off(content: bytes, share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(share * len(content))])
    refused(path)
    path.write_bytes(content[:-SEAL_SIZE])
    assert "damaged or changed" in refused(path)


def test_files_of_another_kind(folder: Path, tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.onnx")
    assert "is a directory" in refused(tmp_path)
    assert "not an ONNX file" in refused(folder / "forwards.safetensors")
    assert "frame by frame" in refused(folder / "stream.onnx")
    assert "whole recordings" in refused(folder / "model.onnx", OnnxStream)
    foreign = tmp_path / "foreign.onnx"
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), foreign)
    assert "not a speech-lstm onnx model" in refused(foreign)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("kind", "another", "not a speech-lstm onnx model"),
        ("version", "2", "newer than this program"),
        ("version", "0", "older than this program"),
        ("version", "x", "no format version"),
        ("labels", "[]", "damaged"),
        ("labels", "[", "damaged"),
        ("detection", '{"thresholds": {"stop": 0.5}}', "damaged"),
        ("network", '{"cell": 3}', "damaged"),
    ],
)
def test_headers_that_are_refused(content: bytes, key: str, value: str, says: str, tmp_path: Path) -> None:
    proto, path = onnx.load_from_string(content[:-SEAL_SIZE]), tmp_path / "model.onnx"
    for item in proto.metadata_props:
        if item.key == key:
            item.value = value
    path.write_bytes(seal(proto.SerializeToString()))
    assert says in refused(path)


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_writes_both_files_and_a_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.onnx"
    status, text, _ = call(capsys, "export", folder / "forwards.safetensors", "--out", out, "--streaming")
    assert status == 0
    lines = text.splitlines()
    assert lines[0].startswith(f"{out}  0.")
    assert lines[4].startswith(f"{out.with_suffix('.stream.onnx')}  0.")
    assert text.count("largest difference of logits") == 2
    assert "215 recordings and noise" in text
    assert "torch" in lines[2]
    assert OnnxModel(out).labels == OnnxStream(out.with_suffix(".stream.onnx"), HOP).labels


def test_int8_on_a_corpus(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.int8.onnx"
    words = ("export", CARRIED, "--int8", "--out", out, "--data", demo)
    monkeypatch.setattr("speech_lstm.export.parity.LOST_POINTS", 5)  # one recording in 20: there are few
    status, text, _ = call(capsys, *words)
    assert status == 0
    assert "recordings of the testing split" in text
    out.unlink()
    monkeypatch.setattr(native, "SAFE_LEVELS", 1)
    status, text, err = call(capsys, *words)
    assert (status, text, err.count("speech-lstm: ")) == (1, "", 1)
    assert "loses more than" in err
    assert not list(tmp_path.iterdir())


def test_commands_take_either_form(folder: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = next((demo / "stop").iterdir())
    status, text, _ = call(capsys, "classify", recording, "--model", folder / "model.onnx")
    assert status == 0
    assert text.startswith(str(recording))
    assert "cannot be looked into" in refusal(capsys, "gates", recording, "--model", folder / "model.onnx")


def test_the_name_of_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, name in (((), "forwards.onnx"), (("--int8",), "forwards.int8.onnx")):
        status, text, _ = call(capsys, "export", folder / "forwards.safetensors", *words)
        assert status == 0
        assert text.startswith(f"{folder / name}  ")
        assert ("was not measured" in text) == bool(words)
        OnnxModel(folder / name)


def test_bad_input(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refusal(capsys, "export", tmp_path / "none.safetensors")
    assert "model.onnx: an ONNX file can only recognise" in refusal(capsys, "export", folder / "model.onnx")
    (tmp_path / "f.onnx").mkdir()
    assert "folder" in refusal(capsys, "export", folder / "forwards.safetensors", "--out", tmp_path / "f.onnx")
    assert "must end in .onnx" in refusal(capsys, "export", folder / "forwards.safetensors", "--out", tmp_path / "a")
    away = tmp_path / "none" / "a.onnx"
    assert "there is no folder" in refusal(capsys, "export", folder / "forwards.safetensors", "--out", away)
    assert not away.parent.exists()
    both = tmp_path / "both.safetensors"
    save_model(both, model_of("rnn"))
    assert "--bidirectional false" in refusal(capsys, "export", both, "--streaming")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.safetensors", "f.onnx"]


def test_the_bundled_model_is_small_enough() -> None:
    assert len(recording_model(load_model(CARRIED), int8=True)) < 800_000
