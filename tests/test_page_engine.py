"""The page's engine, in headless Chromium, computes what torch computes: every cell, features, gates and answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from conftest import ROOT
from speech_lstm.audio.clips import find_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import FeatureConfig
from speech_lstm.errors import ConfigError
from speech_lstm.export.graph import LEVELS, quantise
from speech_lstm.export.model import recording_model
from speech_lstm.insight.contributions import contributions
from speech_lstm.insight.inside import Inside, look_inside
from speech_lstm.model.bundled import bundled_model, names
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.recurrent.plugins import load_plugin
from speech_lstm.web.pack import pack
from speech_lstm.web.program import compile_step
from speech_lstm.web.site import SUFFIX, page_files
from support.browser import BROWSER
from support.insight_models import CLIP, example, random_model
from support.pages import drive

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser: install the package chromium")
TOLERANCE = 1e-4
VOICE = "7a254b5f_nohash_0.wav"
SPOKEN = ("stop", "yes", "left")
SETTINGS: dict[str, dict[str, Any]] = {
    "tied": {"tied": True, "layers": 3},
    "query": {"pooling": "query"},
    "mean": {"pooling": "mean"},
    "last": {"pooling": "last"},
    "one direction": {"pooling": "last", "bidirectional": False},
    "layer norm": {"normalise": "layer"},
    "no norm": {"normalise": "none"},
}


def rounded(model: Model) -> Model:
    """A model with the weights of its layers and head as the page has them: 8 bits with a scale for each output."""
    for name, weight in model.network.named_parameters():
        matrix = weight.dim() == 3 or name in ("head.weight", "pooling.score.weight", "pooling.query.weight")
        if matrix:
            whole, scale = quantise(weight.numpy(), LEVELS, -1)
            weight.data = torch.from_numpy(whole * scale)
    return model


def clip_of(word: str) -> NDArray[np.float32]:
    return find_clip([read_recording(ROOT / "data" / "demo" / word / VOICE)])[0]


@pytest.fixture(scope="module")
def tasks() -> dict[tuple[str, str], tuple[bytes, NDArray[np.float32], Inside, TorchModel]]:
    """Packs and waveforms with what torch makes of them."""
    everything = {}
    for name in CELLS:
        model, inside = example(name)
        everything[name + SUFFIX, "noise"] = pack(model.model, name, "float32"), CLIP, inside, model
    for name, changes in SETTINGS.items():
        model = random_model("lstm", **changes)
        everything[f"{name}{SUFFIX}", "noise"] = (
            pack(model.model, name, "float32"),
            CLIP,
            look_inside(model, CLIP),
            model,
        )
    file = bundled_model(".safetensors")
    content, model = pack(load_model(file), "bundled"), TorchModel(rounded(load_model(file)))
    for word in SPOKEN:
        clip = clip_of(word)
        everything[f"bundled{SUFFIX}", word] = content, clip, look_inside(model, clip), model
    return everything


@pytest.fixture(scope="module")
def computed(tasks: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the page makes of them, in one visit."""
    content = page_files()
    for (name, sound), (packed, waveform, _, _) in tasks.items():
        content |= {name: packed, sound: waveform.astype("<f4").tobytes()}
    return drive(content, "engine.js", tmp_path_factory.mktemp("engine"), list(tasks))


def decoded(text: str, like: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(like.shape)


@needs_browser
def test_probabilities_features_and_all_values(tasks: Any, computed: Any) -> None:
    for (name, sound), (_, _, inside, _) in tasks.items():
        result = computed[f"{name} {sound}"]
        scores = [inside.answer.scores[label] for label in inside.labels]
        np.testing.assert_allclose(result["scores"], scores, rtol=0, atol=TOLERANCE, err_msg=name)
        np.testing.assert_allclose(
            decoded(result["normalised"], inside.normalised), inside.normalised, rtol=0, atol=1e-3, err_msg=name
        )
        for trace, page in zip(inside.traces, result["traces"], strict=True):
            assert set(page["values"]) == set(trace.values)
            for value, array in trace.values.items():
                np.testing.assert_allclose(
                    decoded(page["values"][value], array),
                    array,
                    rtol=TOLERANCE,
                    atol=TOLERANCE,
                    err_msg=f"{name} {value}",
                )


@needs_browser
def test_the_parts_of_every_gate(tasks: Any, computed: Any) -> None:
    for (name, sound), (_, _, inside, model) in tasks.items():
        for trace, page in zip(inside.traces, computed[f"{name} {sound}"]["traces"], strict=True):
            parts = contributions(model, inside, trace)
            assert {gate: set(terms) for gate, terms in page["parts"].items()} == {
                gate: set(terms) for gate, terms in parts.items()
            }, name
            for gate, terms in parts.items():
                for part, array in terms.items():
                    np.testing.assert_allclose(
                        decoded(page["parts"][gate][part], array), array, rtol=TOLERANCE, atol=TOLERANCE
                    )


@needs_browser
def test_the_page_and_the_exported_onnx_file_agree(tasks: Any, computed: Any) -> None:
    from onnxruntime import InferenceSession

    model = next(model for (name, _), (_, _, _, model) in tasks.items() if name == f"bundled{SUFFIX}")
    session = InferenceSession(recording_model(model.model))
    for word in SPOKEN:
        (probabilities,) = session.run(["probabilities"], {"waveforms": clip_of(word)[None]})
        np.testing.assert_allclose(
            computed[f"bundled{SUFFIX} {word}"]["scores"], probabilities[0], rtol=0, atol=TOLERANCE
        )


def test_the_packs_of_the_bundled_models_are_theirs() -> None:
    """`python scripts/make_bundled_model.py NAME` makes them again."""
    for name in names():
        header = header_of(bundled_model(SUFFIX, name).read_bytes())
        assert header["digest"] == load_model(bundled_model(".safetensors", name)).digest, name
        assert header["precision"] == "int8"


def header_of(content: bytes) -> Any:
    return json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])


def test_a_cell_of_a_plugin(forget_plugins: None) -> None:
    load_plugin(str(ROOT / "docs" / "own_cell.py"))
    header = header_of(pack(random_model("mgu").model, "own", "float32"))
    assert header["layers"][0]["cell"] == "mgu"
    assert set(header["layers"][0]["program"]["values"]) == {"f", "z", "h"}


def test_a_step_that_the_page_cannot_compute(tmp_path: Path, forget_plugins: None) -> None:
    plugin = tmp_path / "odd.py"
    plugin.write_text(
        "from speech_lstm.recurrent.cell import Matrix, register\n"
        "from speech_lstm.recurrent.cells.vanilla import Vanilla\n"
        "@register\n"
        "class Odd(Vanilla):\n"
        "    name = 'odd'\n"
        "    def step(self, frame, state, weights):\n"
        "        return ((frame.x + state[0]).erf(),)\n",
        encoding="utf-8",
    )
    load_plugin(str(plugin))
    with pytest.raises(ConfigError, match="'odd' uses Erf, which the page cannot compute"):
        compile_step(random_model("odd").network.stack.layer(0), 0)


def test_the_features_are_described_by_the_front_end() -> None:
    header = header_of(pack(example("grid-tf")[0].model, "bands", "float32"))
    assert header["features"]["kind"] == "log-mel"
    assert header["features"]["dct"] is None
    assert header["features"]["hop"] == FeatureConfig(hop_ms=25.0).hop
