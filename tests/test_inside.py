"""The values inside are those that the network computes, and what an answer depends on agrees with naive trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.audio.clips import find_clip, fit_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ConfigError, RecordingError
from speech_lstm.insight import influence
from speech_lstm.insight.inside import Inside, LayerTrace, look_inside
from speech_lstm.insight.summary import summarise
from speech_lstm.model.bundled import bundled_model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recognition.recognizer import load
from speech_lstm.recurrent.cell import CELLS
from support.insight_models import CLIP, LABELS, example, random_model

EVERY_CELL = pytest.mark.parametrize("name", CELLS)


# --- what is recorded --------------------------------------------------------------------------------------------


@EVERY_CELL
def test_the_recorded_values_are_those_of_the_kernels(name: str) -> None:
    model, inside = example(name)
    network = model.network
    features = model.front_end(torch.from_numpy(CLIP)[None])
    hidden = network.stack(network.normalise(features))[0][0].numpy()  # by the kernels
    outputs = [inside.trace(2, direction)[inside.trace(2).state[0]] for direction in ("forward", "backward")]
    np.testing.assert_allclose(np.concatenate(outputs, 1), hidden, rtol=1e-5, atol=1e-5)
    for layer, track in enumerate(inside.tracks, 1):  # every part of the state, as the kernels leave it at the end
        _, state = network.stack.climb(layer - 1, track)
        for direction, (way, last) in enumerate((("forward", -1), ("backward", 0))):
            trace = inside.trace(layer, way)
            for part, value in zip(trace.state, state, strict=True):
                np.testing.assert_allclose(trace[part][last], value[direction, 0].numpy(), rtol=1e-5, atol=1e-5)
    scores = network(features).softmax(1)[0].numpy()
    np.testing.assert_allclose(list(inside.answer.scores.values()), scores, atol=1e-5)


@EVERY_CELL
def test_every_value_has_a_row_for_each_frame_and_every_gate_is_from_0_to_1(name: str) -> None:
    _, inside = example(name)
    frames = len(inside.features)
    assert [(trace.layer, trace.direction) for trace in inside.traces] == [
        (1, "forward"),
        (1, "backward"),
        (2, "forward"),
        (2, "backward"),
    ]
    for trace in inside.traces:
        assert {gate.partition(".")[0] for gate in trace.cell.gates} == set(trace.internals)
        for key, values in trace.values.items():
            assert values.shape[0] == frames
            assert values.dtype == np.float32
            assert np.isfinite(values).all(), key
        for gate in trace.gates:
            assert trace[gate].min() >= 0
            assert trace[gate].max() <= 1
        if trace.retention is not None:
            lives = trace.half_lives(0.025)
            assert lives is not None
            assert (lives >= 0).all()
    assert inside.posteriors.shape == (frames, len(LABELS))
    assert len(inside.times) == frames


def test_the_gates_of_an_lstm_give_its_memory_in_both_directions() -> None:
    _, inside = example("lstm")
    for direction, step in (("forward", 1), ("backward", -1)):
        trace = inside.trace(2, direction)
        i, f, o, z, h, c = (trace[name][::step] for name in "ifozhc")
        np.testing.assert_allclose(c[1:], f[1:] * c[:-1] + i[1:] * z[1:], atol=1e-6)
        np.testing.assert_allclose(c[0], i[0] * z[0], atol=1e-6)  # what comes first starts from nothing
        np.testing.assert_allclose(h, o * np.tanh(c), atol=1e-6)


def test_the_answer_at_a_frame_is_that_of_the_recording_up_to_it() -> None:
    model, inside = example("gru")
    features = torch.from_numpy(inside.features)[None]
    for frame in (0, 3, len(inside.features) - 1):
        alone = model.network(features[:, : frame + 1]).softmax(1)[0].numpy()
        np.testing.assert_allclose(inside.posteriors[frame], alone, atol=1e-5)
    np.testing.assert_allclose(inside.posteriors[-1], list(inside.answer.scores.values()), atol=1e-5)


@pytest.mark.parametrize("changes", [{"bidirectional": False}, {"tied": True}, {"pooling": "last"}])
def test_other_networks_can_be_looked_into(changes: dict[str, object]) -> None:
    model = random_model("peephole", **changes)
    inside = look_inside(model, CLIP)
    scores = model.network(model.front_end(torch.from_numpy(CLIP)[None])).softmax(1)[0].numpy()
    np.testing.assert_allclose(list(inside.answer.scores.values()), scores, atol=1e-5)
    assert summarise(model, inside, inside.trace(2)).drops.shape == (8,)


def test_a_missing_name_is_refused_with_those_that_exist() -> None:
    _, inside = example("gru")
    with pytest.raises(ConfigError, match="no 'f' in layer 1; it has r, z, n, h"):
        inside.trace()["f"]
    with pytest.raises(ConfigError, match="no layer 3; the network has layers 1 to 2"):
        inside.trace(3)
    one_way = look_inside(random_model("gru", bidirectional=False), CLIP)
    with pytest.raises(ConfigError, match="does not read backward; it reads forward"):
        one_way.trace(1, "backward")
    plain = random_model("rnn")
    inside = look_inside(plain, CLIP)
    with pytest.raises(ConfigError, match="cannot be ordered by half-life"):
        summarise(plain, inside, inside.trace()).order("half-life")


def test_half_lives_of_known_gates() -> None:
    trace = example("lstm")[1].trace()
    forget = np.array([[0.5, 1.0, 0.0, 0.25], [0.5, 1.0, 0.0, 1.0]], np.float32)
    lives = replace(trace, values={**trace.values, "f": forget}).half_lives(0.02)
    assert lives is not None
    assert lives[0] == pytest.approx(0.02)
    assert lives[1] > 1e6  # it never forgets
    assert lives[2] < 0.001
    assert lives[3] == pytest.approx(0.02)  # a quarter once and all of it once: half a frame


# --- what the answer depends on ----------------------------------------------------------------------------------


def by_hand(
    model: TorchModel, inside: Inside, trace: LayerTrace, names: set[str], unit: int | None, to: float
) -> Tensor:
    """The answer with a unit's (None: every unit's) values of these names replaced, one recording at a time."""
    direction = ("forward", "backward").index(trace.direction)

    def tap(name: str, value: Tensor) -> Tensor:
        if name in names:
            value = value.clone()
            value[direction, :, slice(None) if unit is None else unit] = to
        return value

    network = model.network
    features = torch.from_numpy(inside.features)[None]
    taps = [tap if layer == trace.layer - 1 else None for layer in range(inside.depth)]
    hidden, _ = network.stack(network.normalise(features), taps=taps)
    return network.head(network.pooling(hidden)).softmax(1)[0].numpy()


@EVERY_CELL
def test_a_unit_held_at_0(name: str) -> None:
    model, inside = example(name)
    trace = inside.trace(1, "backward")
    drops = influence.ablation(model, inside, trace)
    width = trace[trace.state[0]].shape[1]
    assert drops.shape == (width,)
    names = {part for part in trace.state if trace[part].shape[1] == width}
    best = inside.labels.index(inside.answer.label)
    for unit in (0, width - 1):
        alone = by_hand(model, inside, trace, names, unit, 0.0)[best]
        assert drops[unit] == pytest.approx(inside.answer.probability - alone, abs=1e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "depth-gated", "minlstm"])
def test_a_gate_set_by_hand(name: str) -> None:
    model, inside = example(name)
    trace = inside.trace(2, "forward")
    gate = trace.gates[0]
    for to in (0.0, 1.0):
        answers = influence.intervention(model, inside, trace, gate, to)
        assert answers.shape == (9, len(LABELS))
        for row, unit in ((0, 0), (7, 7), (8, None)):
            alone = by_hand(model, inside, trace, {gate}, unit, to)
            np.testing.assert_allclose(answers[row], alone, atol=1e-5)


def test_a_gate_in_bands_set_by_hand() -> None:
    model, inside = example("grid-tf")
    trace = inside.trace(1)
    answers = influence.intervention(model, inside, trace, "i_time", 1.0)  # 2 bands of 2 units
    assert trace["i_time"].shape[1] == 4
    for unit in range(4):
        alone = by_hand(model, inside, trace, {f"i_time.{unit // 2}"}, unit % 2, 1.0)
        np.testing.assert_allclose(answers[unit], alone, atol=1e-5)
    everything = by_hand(model, inside, trace, {"i_time.0", "i_time.1"}, None, 1.0)
    np.testing.assert_allclose(answers[4], everything, atol=1e-5)


def test_a_tenth_of_a_second_around_the_frame_is_hidden() -> None:
    model, inside = example("lstm")
    lost = influence.occlusion(model, inside)  # frames every 25 ms: one and the nearest on either side
    frame, best = 5, inside.labels.index(inside.answer.label)
    features = torch.from_numpy(inside.features.copy())[None]
    features[:, frame - 1 : frame + 2] = torch.from_numpy(inside.features).mean(0)
    alone = model.network(features).softmax(1)[0, best].item()
    assert lost[frame] == pytest.approx(inside.answer.probability - alone, abs=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    model, inside = example("lstm")
    network = model.network.double()
    read, best = torch.from_numpy(inside.normalised).double()[None], inside.labels.index(inside.answer.label)

    def score(values: Tensor) -> float:
        hidden, _ = network.stack(values)
        return network.head(network.pooling(hidden)).log_softmax(1)[0, best].item()

    frame, step = 4, 1e-5
    slopes = []
    for number in range(read.shape[2]):
        change = torch.zeros_like(read)
        change[0, frame, number] = step
        slopes.append((score(read + change) - score(read - change)) / (2 * step))
    model.network.float()
    assert influence.saliency(model, inside)[frame] == pytest.approx(np.linalg.norm(slopes), rel=1e-3)


# --- one second of a recording -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5_000), st.integers(1, 900), st.integers(0, 99))
def test_the_clip_does_not_depend_on_the_blocks(length: int, block: int, seed: int) -> None:
    waveform = np.random.default_rng(seed).normal(size=length).astype(np.float32)
    blocks = [waveform[at : at + block] for at in range(0, length, block)]
    clip, start = find_clip(blocks, samples=1_000)
    whole, place = find_clip([waveform], samples=1_000)
    assert len(clip) == 1_000
    np.testing.assert_array_equal(clip, whole)
    np.testing.assert_array_equal(clip, fit_clip(waveform, 1_000))
    assert start == place


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5_000), st.integers(1, 900), st.floats(0, 1))
def test_the_clip_at_a_time_is_that_part_of_the_recording(length: int, block: int, share: float) -> None:
    waveform = 1 + np.arange(length, dtype=np.float32)
    sample = int(share * (length - 1))
    blocks = [waveform[at : at + block] for at in range(0, length, block)]
    clip, start = find_clip(blocks, sample / SAMPLE_RATE, 1_000)
    part = waveform[sample : sample + 1_000]
    np.testing.assert_array_equal(clip[: len(part)], part)
    assert not clip[len(part) :].any()
    assert start == pytest.approx(sample / SAMPLE_RATE)


def test_there_is_nothing_after_the_end() -> None:
    with pytest.raises(RecordingError, match=r"nothing at 2 s; the recording is 0.38 s long"):
        find_clip([CLIP], 2.0)


def test_the_bundled_model_gives_the_answer_of_classify(demo: Path) -> None:
    model, path = load(bundled_model(".safetensors")), sorted((demo / "go").iterdir())[0]
    inside = model.look_inside(path)
    prediction = model.classify(path)
    assert inside.answer.label == prediction.label == "go"
    assert inside.answer.probability == pytest.approx(prediction.probability, abs=1e-5)
    np.testing.assert_array_equal(inside.waveform, fit_clip(read_recording(path)))
    assert set(inside.arrays()) >= {"waveform", "features", "posteriors", "layer1.forward.f", "layer2.backward.c"}
    long = np.concatenate([np.zeros(5 * SAMPLE_RATE, np.float32), read_recording(path), np.zeros(SAMPLE_RATE)])
    inside = model.look_inside(long, SAMPLE_RATE)
    assert 4 <= inside.start <= 6
    assert inside.times[0] == pytest.approx(inside.start + 0.015)  # the middle of a window of 30 ms
    np.testing.assert_array_equal(inside.arrays()["times"], inside.times)
    assert len(inside.waveform) == CLIP_SAMPLES
