"""The model file: what was saved comes back bit for bit; anything else is refused in one line."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from speech_lstm.config import CLIP_SAMPLES, Config, DetectionConfig, FeatureConfig, NetworkConfig
from speech_lstm.errors import ModelError, SpeechLSTMError
from speech_lstm.model.checkpoint import KIND, Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.training.state import ENTRY, RunProgress, State
from support.full_disk import files_of_at_most, needs_limits

FEATURES = FeatureConfig(mels=12, coefficients=7)
CONFIG = NetworkConfig(layers=2, hidden=4, heads=2)
LABELS = ("yes", "no", "_unknown_")


def new_model(config: NetworkConfig = CONFIG) -> Model:
    torch.manual_seed(0)
    network = Network(FEATURES, config, len(LABELS))
    network(frames())  # so that the running statistics are not their initial values
    detection = DetectionConfig({"yes": 0.5})
    return Model(network.eval(), FEATURES, config, LABELS, detection, {"epoch": 3, "note": "naïve ✓"})


def frames() -> Tensor:
    return torch.randn(3, 9, 7, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, new_model())
    return path


def refused(path: Path) -> str:
    """The one line with which the file is refused."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def metadata_of(path: Path) -> dict[str, str]:
    (size,) = struct.unpack("<Q", path.read_bytes()[:8])
    return json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]


def rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], Any]) -> None:
    """Change the tensors and the metadata of a file."""
    tensors, metadata = load_file(path), metadata_of(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the model's own header."""

    def inside(tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        header = json.loads(metadata["header"])
        change(header)
        metadata["header"] = json.dumps(header)

    rewrite(path, inside)


# --- there and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config", [CONFIG, NetworkConfig(layers=1, hidden=3, bidirectional=False, normalise="layer", pooling="last")]
)
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, config: NetworkConfig) -> None:
    model = new_model(config)
    save_model(tmp_path / "new" / "m.safetensors", model)
    back = load_model(tmp_path / "new" / "m.safetensors")
    assert (back.labels, back.features, back.config) == (LABELS, FEATURES, config)
    assert (back.detection, back.training) == (model.detection, model.training)
    frozen = model.network.requires_grad_(False)  # torch adds up in another order where a weight is to be trained
    assert torch.equal(back.network(frames()), frozen(frames()))
    assert not back.network.training
    assert not any(parameter.requires_grad for parameter in back.network.parameters())


def test_a_loaded_model_outlives_its_file(saved: Path) -> None:
    model = load_model(saved)
    before = model.network(frames())
    saved.write_bytes(b"\xff" * saved.stat().st_size)  # in place, as `cp` does
    assert torch.equal(model.network(frames()), before)


def test_the_header_says_in_json_what_it_is(saved: Path) -> None:
    metadata = metadata_of(saved)
    assert metadata["kind"] == KIND
    assert metadata["version"] == "3"
    assert json.loads(metadata["header"])["labels"] == list(LABELS)


# --- what is refused ---------------------------------------------------------------------------------------------

TENSORS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (lambda t: t.pop("head.bias"), "1 weight(s) of the network are missing, such as 'head.bias'"),
    "extra": (lambda t: t.update({"evil\nline": torch.ones(2)}), "does not have, such as 'evil\\nline'"),
    "shape": (lambda t: t.update({"head.bias": torch.ones(4)}), "head.bias is [4] float32, but the header"),
    "dtype": (lambda t: t.update({"head.bias": torch.ones(3).half()}), "head.bias is [3] float16, but the header"),
    "nan": (lambda t: t["head.bias"].fill_(float("nan")), "head.bias holds values that are not numbers"),
    "infinite": (lambda t: t["normalise.mean"].fill_(float("inf")), "normalise.mean holds values that are not"),
    "none": (lambda t: t.clear(), "weight(s) of the network are missing"),
}


@pytest.mark.parametrize("fault", TENSORS)
def test_other_tensors_than_the_header_describes(saved: Path, fault: str) -> None:
    change, says = TENSORS[fault]
    rewrite(saved, lambda tensors, metadata: change(tensors))
    assert says in refused(saved)


HEADERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no labels": (lambda h: h.pop("labels"), "'labels'"),
    "no features": (lambda h: h.pop("features"), "'features'"),
    "no network": (lambda h: h.pop("network"), "'network'"),
    "no detection": (lambda h: h.pop("detection"), "'detection'"),
    "thresholds that are a list": (lambda h: h.update(detection={"thresholds": [0.5]}), "must be a table"),
    "a threshold for no label": (lambda h: h.update(detection={"thresholds": {"go": 0.5}}), "a threshold for 'go'"),
    "a threshold above one": (
        lambda h: h.update(detection={"thresholds": {"yes": 1.5}}),
        "'yes' is 1.5; it must",
    ),
    "a rate below nothing": (
        lambda h: h.update(detection={"false_accepts_per_hour": -1.0}),
        "false_accepts_per_hour is -1.0; it must",
    ),
    "no training": (lambda h: h.pop("training"), "'training'"),
    "empty labels": (lambda h: h.update(labels=[]), "labels are missing"),
    "text for labels": (lambda h: h.update(labels="yes"), "labels are not a list"),
    "numbers for labels": (lambda h: h.update(labels=[1, 2, 3]), "labels are not a list"),
    "labels twice": (lambda h: h.update(labels=["yes", "yes", "no"]), "not distinct"),
    "an empty label": (lambda h: h.update(labels=["yes", "", "no"]), "empty"),
    "a label of two lines": (lambda h: h.update(labels=["yes", "n\no", "x"]), "labels are not a list"),
    "more labels": (lambda h: h.update(labels=["yes", "b", "c", "d"]), "but the header describes a network with [4"),
    "an unknown setting": (lambda h: h["network"].update(gates=5), "unknown setting 'gates'"),
    "an unknown cell": (lambda h: h["network"].update(cell="lstn"), "its cell 'lstn'"),
    "an impossible setting": (lambda h: h["network"].update(hidden=-1), "hidden is -1"),
    "a setting of another type": (lambda h: h["features"].update(hop_ms="1"), "hop_ms is '1'; it must be a number"),
    "not a number": (lambda h: h["features"].update(hop_ms=float("nan")), "hop_ms is nan"),
    "an endless number": (lambda h: h["network"].update(forget_bias=10**400), "forget_bias is 1000"),
    "settings that are a list": (lambda h: h.update(network=["hidden"]), "header of the model is damaged"),
    "training that is a number": (lambda h: h.update(training=7), "header of the model is damaged"),
    "another network": (lambda h: h["network"].update(hidden=6), "but the header describes a network with"),
    "a giant network": (
        lambda h: h["network"].update(hidden=4096, layers=16),
        "weight(s) of the network are missing",
    ),
}


@pytest.mark.parametrize("fault", HEADERS)
def test_a_damaged_header(saved: Path, fault: str) -> None:
    change, says = HEADERS[fault]
    rewrite_header(saved, change)
    assert says in refused(saved)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("kind", None, "but not a speech-lstm model"),
        ("kind", "another", "but not a speech-lstm model"),
        ("version", None, "no format version"),
        ("version", "one", "no format version"),
        ("version", "2", "format 2 is older than this program reads"),
        ("version", "4", "format 4 is newer than this program reads (format 3)"),
        ("version", "9" * 5000, "no format version"),
        ("header", None, "header is damaged"),
        ("header", "{", "header is damaged"),
        ("header", "[]", "header is damaged"),
        ("header", "[" * 100_000, "header is damaged"),
    ],
)
def test_damaged_metadata(saved: Path, key: str, value: str | None, says: str) -> None:
    rewrite(saved, lambda t, metadata: metadata.pop(key) if value is None else metadata.update({key: value}))
    assert says in refused(saved)


def test_a_file_without_metadata(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    assert "a safetensors file, but not a speech-lstm model" in refused(tmp_path / "other.safetensors")


def test_what_is_no_model_file_at_all(tmp_path: Path) -> None:
    path = tmp_path / "model"
    assert "no such file" in refused(path)
    path.mkdir()
    assert "not a file" in refused(path)
    assert "not a file" in refused(Path(os.devnull))
    assert "not a directory" in refused(Path(__file__, "model")).lower()
    assert "too long" in refused(tmp_path / ("n" * 300))


@pytest.mark.parametrize(
    "content", [b"", b"RIFF" * 30, b"\0" * 100, b"\xff" * 8, b"{}" * 100, pickle.dumps([1] * 99)]
)
def test_content_that_is_no_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert "not a speech-lstm model" in refused(path)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "model.pt"
    torch.save({"weights": Trap()}, path)
    refused(path)
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_or_lengthened_file(saved: Path, data: st.DataObject) -> None:
    content = saved.read_bytes()
    size = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) + 1, len(content) + 99))
    path = saved.with_name("cut.safetensors")
    path.write_bytes(content[:size].ljust(size, b"\0"))
    refused(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_of_the_header_is_refused_or_harmless(saved: Path, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    (size,) = struct.unpack("<Q", content[:8])
    content[data.draw(st.integers(0, 7 + size))] = data.draw(st.integers(0, 255))
    path = saved.with_name("changed.safetensors")
    path.write_bytes(content)
    with suppress(ModelError):
        load_model(path)  # anything else would come through


def test_huge_claims_take_no_memory(saved: Path) -> None:
    """A header that claims terabytes, alone and in the tensors' table."""
    content = saved.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    table = json.loads(content[8 : 8 + size])
    table["head.bias"]["shape"] = [1 << 40]
    table["head.bias"]["data_offsets"][1] = table["head.bias"]["data_offsets"][0] + (1 << 42)
    claims = json.dumps(table).encode()
    path = saved.with_name("claims.safetensors")
    tracemalloc.start()
    for start in (struct.pack("<Q", 1 << 62) + content[8 : 8 + size], struct.pack("<Q", len(claims)) + claims):
        path.write_bytes(start + content[8 + size :])
        refused(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files and resource limits")
@pytest.mark.parametrize(("size_of_extra", "says"), [(1 << 31, "'extra'"), (1 << 43, "giant.safetensors: ")])
def test_a_giant_sparse_file_is_refused_in_little_memory(saved: Path, size_of_extra: int, says: str) -> None:
    """The file really has the gigabytes that its header names for one tensor too many."""
    content = saved.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    table = json.loads(content[8 : 8 + size])
    end = len(content) - 8 - size
    table["extra"] = {"dtype": "F32", "shape": [size_of_extra // 4], "data_offsets": [end, end + size_of_extra]}
    header = json.dumps(table).encode()
    path = saved.with_name("giant.safetensors")
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + content[8 + size :])
        try:
            file.truncate(8 + len(header) + end + size_of_extra)
        except OSError:
            pytest.skip("the file system has no such large files")
    before = resident()
    assert says in refused(path)
    assert resident() - before < 100e6
    path.unlink()


def resident() -> int:
    """The largest resident memory of this process so far, bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_any_flipped_bit_of_a_weight_is_noticed(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    (size,) = struct.unpack("<Q", content[:8])
    for place in range(8 + size, len(content), 37):
        content[place] ^= 1
        saved.write_bytes(content)
        assert "it was damaged or changed" in refused(saved)
        content[place] ^= 1
    saved.write_bytes(content)
    load_model(saved)


def test_a_change_of_the_header_is_noticed(saved: Path) -> None:
    rewrite_header(saved, lambda header: header["training"].update(epoch=4))
    assert "it was damaged or changed" in refused(saved)


def test_a_file_of_before_the_digest_is_read(saved: Path) -> None:
    rewrite(saved, lambda tensors, metadata: metadata.pop("sha256"))
    assert load_model(saved).labels == LABELS


@pytest.mark.parametrize(
    "change",
    [
        lambda t, m: t.update({"x" * 100_000: torch.ones(2)}),
        lambda t, m: m.update(header=m["header"].replace('"labels"', '"' + "\x1b[31m" * 10_000 + '"')),
        lambda t, m: m.update(header=m["header"].replace('"lstm"', '"' + "x" * 100_000 + '"')),
        lambda t, m: m.update(header=m["header"].replace('"hidden"', '"' + "x" * 100_000 + '"')),
    ],
)
def test_a_message_is_one_printable_line(saved: Path, change: Callable[..., Any]) -> None:
    rewrite(saved, change)
    message = refused(saved)
    assert message.isprintable()
    assert len(message) < 1000


def test_an_answer_is_never_nan(saved: Path) -> None:
    """Weights that are finite, and too large to compute with."""

    def change(tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        metadata.pop("sha256")
        tensors["head.weight"].copy_(torch.tensor([[1e38], [-1e38], [1e38]]))  # one of them gives infinity
        tensors["head.bias"].fill_(float(torch.finfo(torch.float32).max))

    rewrite(saved, change)
    model = TorchModel(load_model(saved))
    windows = torch.randn(2, CLIP_SAMPLES, generator=torch.Generator().manual_seed(0)).numpy()
    with pytest.raises(ModelError, match="no probabilities"):
        model.posteriors(windows)
    scorer = model.scorer(model.features.hop)
    with pytest.raises(ModelError, match="no probabilities"):
        scorer(windows[0], np.ones(1, bool))


# --- models and training states ----------------------------------------------------------------------------------


def new_state(corpus: str = "a corpus") -> State:
    torch.manual_seed(0)
    network, average = (Network(FEATURES, CONFIG, 3) for _ in range(2))
    optimizer = torch.optim.AdamW(network.parameters())
    network(frames()).sum().backward()
    optimizer.step()
    return State(network, average, optimizer, RunProgress(step=1), Config(FEATURES, CONFIG).to_dict(), corpus)


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state, back = new_state(), new_state()
    measures = sorted(ENTRY - {"epoch"})
    state.progress.add({"epoch": 1} | {name: (0.1 + 0.2) / (i + 1) for i, name in enumerate(measures)})
    state.save(tmp_path / "state.safetensors")
    with torch.no_grad():
        for parameter in [*back.network.parameters(), *back.average.parameters()]:
            parameter.fill_(7)
    back.load(tmp_path / "state.safetensors")
    assert back.progress == state.progress
    for ours, theirs in ((back.network, state.network), (back.average, state.average)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    moments, want = (s.optimizer.state_dict()["state"] for s in (back, state))
    assert moments.keys() == want.keys()
    assert all(torch.equal(moments[i][name], want[i][name]) for i in want for name in want[i])


def test_a_state_is_no_model_and_a_model_no_state(saved: Path) -> None:
    state = new_state()
    state.save(saved.with_name("state.safetensors"))
    assert "but not a speech-lstm model" in refused(saved.with_name("state.safetensors"))
    assert "but not a speech-lstm training state" in state_refused(state, saved)


def state_refused(state: State, path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        state.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_state_of_other_settings_or_recordings(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    new_state().save(path)
    other = new_state()
    other.config["training"]["batch"] = 7
    assert "the run was started with batch = 128, not 7; resume with the same settings" in state_refused(other, path)
    assert "recordings have changed" in state_refused(new_state("another"), path)
    other = new_state()
    other.sound = "another"
    assert "the sound of recordings has changed" in state_refused(other, path)
    other.sound, other.teachers = "", "another"
    assert "the files of the teachers have changed" in state_refused(other, path)


def test_a_state_of_before_a_setting_has_its_default(tmp_path: Path) -> None:
    state, path = new_state(), tmp_path / "state.safetensors"
    value = state.config["training"].pop("teaching")
    state.save(path)
    state.config["training"]["teaching"] = value
    state.load(path)
    state.config["training"]["teaching"] = 0.1
    assert f"started with teaching = {value}, not 0.1" in state_refused(state, path)


def test_a_flipped_bit_of_a_state_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    new_state().save(path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert "it was damaged or changed" in state_refused(new_state(), path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t, m: t.pop("optimizer/0/exp_avg"), "such as 'optimizer/0/exp_avg'"),
        (lambda t, m: t.update({"optimizer/0/exp_avg": torch.ones(1)}), "optimizer/0/exp_avg is [1] float32"),
        (lambda t, m: t.update({"stray": torch.ones(1)}), "such as 'stray'"),
        (lambda t, m: t["average/head.bias"].fill_(float("nan")), "average/head.bias holds values that are not"),
        (lambda t, m: m.update(header='{"config": {}, "corpus": "a corpus", "progress": {}}'), "state is damaged"),
        (lambda t, m: m.update(header=m["header"].replace('"step"', '"stop"')), "state is damaged"),
        (lambda t, m: m.update(header=m["header"].replace('"corpus"', '"corps"', 1)), "state is damaged"),
    ],
)
def test_a_damaged_state_changes_nothing(tmp_path: Path, change: Callable[..., Any], says: str) -> None:
    path, state = tmp_path / "state.safetensors", new_state()
    state.save(path)
    rewrite(path, change)
    before = [parameter.clone() for parameter in state.network.parameters()]
    assert says in state_refused(state, path)
    assert all(torch.equal(a, b) for a, b in zip(before, state.network.parameters(), strict=True))


# --- saving that fails -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(SpeechLSTMError, match="permission denied"):
        save_model(tmp_path / "m.safetensors", new_model())


def test_a_path_through_a_file(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(SpeechLSTMError, match="choose a folder") as caught:
        save_model(saved / "m.safetensors", new_model())
    assert "\n" not in str(caught.value)
    assert saved.read_bytes() == before


@needs_limits
def test_no_room_leaves_the_old_file(saved: Path) -> None:
    before, model = saved.read_bytes(), load_model(saved)
    with pytest.raises(SpeechLSTMError) as caught, files_of_at_most(1000):
        save_model(saved, model)
    assert str(caught.value).startswith(f"{saved}: cannot be written: file too large")
    assert "\n" not in str(caught.value)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]  # noqa: PTH208
