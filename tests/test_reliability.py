"""Temperature, calibration error and reliability diagram: by hand, on drawn recordings, in the files of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from safetensors.torch import load_file
from scipy.special import log_softmax, softmax

from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN, FeatureConfig, NetworkConfig
from speech_lstm.corpus.scored_set import ScoredSet, read_scored_set
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.report.plotting import save_figure
from speech_lstm.training.reliability import BINS, reliability
from speech_lstm.training.reliability_figures import FEW, reliability_figure
from speech_lstm.training.report import reliability_table
from speech_lstm.training.scoring import logits
from speech_lstm.training.temperature import PRIOR, fit_calibration, fit_prior, fit_temperature

LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(count: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [n, labels], and labels that are drawn by them: perfectly calibrated by construction."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(labels, 0.4), count)
    truth = (random.random((count, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(truth, labels - 1)


def sure(confidence: list[float]) -> np.ndarray:
    """Probabilities [n, 3] that answer label 0 with these confidences."""
    return np.array([[p, (1 - p) / 2, (1 - p) / 2] for p in confidence])


@pytest.fixture
def model() -> Model:
    """A network of random weights."""
    torch.manual_seed(1)
    features, config = FeatureConfig(hop_ms=20.0, mels=20, coefficients=13), NetworkConfig(layers=1, hidden=8)
    return Model(Network(features, config, len(LABELS)).eval(), features, config, LABELS)


# --- the temperature ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 5), SEEDS)
def test_a_known_temperature_is_found_again(temperature: float, seed: int) -> None:
    probabilities, truth = drawn(10_000, 6, seed)
    scaled = temperature * np.log(np.maximum(probabilities, 1e-12))
    assert fit_temperature(scaled, truth) == pytest.approx(temperature, rel=0.06)


def test_the_temperature_of_two_labels_by_hand() -> None:
    """All logits are (2, 0) and 7 of 9 recordings are right. With the one more whose label nobody knows, 7.5 of 10
    are: p = 3/4 = 1 / (1 + exp(−2 / T)), so that T = 2 / ln 3."""
    truth = np.array([0] * 7 + [1] * 2)
    assert fit_temperature(np.tile([2.0, 0.0], (9, 1)), truth) == pytest.approx(2 / np.log(3), rel=1e-4)


@pytest.mark.parametrize("count", [5, 20, 700])
def test_recordings_that_are_all_heard_rightly_ask_for_no_certainty(count: int) -> None:
    scaled = np.eye(4)[np.arange(count) % 4] * 3
    temperature = fit_temperature(scaled, np.arange(count) % 4)
    confidence = softmax(scaled / temperature, axis=1).max()
    assert confidence == pytest.approx((count + 0.25) / (count + 1), abs=1e-4)


@pytest.mark.parametrize("truth", [[0, 1, 2, 0, 1, 2], [2] * 6])
def test_a_network_that_knows_nothing_gets_the_highest_temperature(truth: list[int]) -> None:
    scores = np.tile([3.0, 1.0, -1.0], (6, 1))
    assert fit_temperature(scores, np.array(truth)) == pytest.approx(10, rel=1e-3)


def test_the_fit_is_the_least_loss_of_a_grid() -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 10, 800)
    scores = random.normal(size=(800, 10)) * 2 + 3 * np.eye(10)[truth]
    grid = np.geomspace(0.1, 10, 2001)
    losses = [-log_softmax(scores / t, axis=1)[np.arange(800), truth].mean() for t in grid]
    # The grid's loss is without the recording whose label nobody knows: of 801 it moves the place a little.
    assert fit_temperature(scores, truth) == pytest.approx(grid[np.argmin(losses)], rel=0.02)


@settings(deadline=None, max_examples=8)
@given(SEEDS)
def test_the_calibration_is_folded_into_the_model(seed: int) -> None:
    torch.manual_seed(seed % 1000)
    features, config = FeatureConfig(hop_ms=30.0, mels=10, coefficients=5), NetworkConfig(layers=1, hidden=4)
    plain = Model(Network(features, config, len(LABELS)).eval(), features, config, LABELS)
    random = np.random.default_rng(seed)
    windows = random.normal(scale=0.1, size=(6, 16_000)).astype(np.float32)
    before = Recognizer(plain).logits(windows)
    after = fit_calibration(LABELS, before, before.argmax(axis=1)).fold(plain)  # as if it had been right each time
    temperature = after.training["temperature"]
    assert not 0.99 < temperature < 1.01
    assert (Recognizer(plain).logits(windows) == before).all(), "the model that was given has changed"
    expected = before.astype(np.float64) / temperature
    expected[:, LABELS.index(UNKNOWN)] += after.training["unknown_bias"]
    np.testing.assert_allclose(Recognizer(after).posteriors(windows), softmax(expected, axis=1), atol=1e-6)
    applied = fit_calibration(LABELS, before, before.argmax(axis=1)).apply(before)
    np.testing.assert_allclose(applied, expected)


def test_temperatures_multiply_and_stand_in_the_file(model: Model, tmp_path: Path) -> None:
    probabilities, truth = drawn(3000, len(LABELS), 1)
    scores = np.log(np.maximum(probabilities, 1e-12))
    once = fit_calibration(LABELS, 3 * scores, truth).fold(model)
    twice = fit_calibration(LABELS, 2 * scores, truth).fold(once)
    assert once.training["temperature"] == pytest.approx(3, rel=0.1)
    assert twice.training["temperature"] == pytest.approx(6, rel=0.2)
    torch.testing.assert_close(twice.network.head.weight * twice.training["temperature"], model.network.head.weight)
    save_model(tmp_path / "m.safetensors", twice)
    assert load_model(tmp_path / "m.safetensors").training["temperature"] == twice.training["temperature"]


# --- the prior of _unknown_ ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.floats(-2, 1), SEEDS)
def test_a_prior_that_was_moved_is_moved_back(bias: float, seed: int) -> None:
    """To what it is for a label that occurs as often as all others together."""
    probabilities, truth = drawn(10_000, 6, seed)
    scores = np.log(np.maximum(probabilities, 1e-12))
    scores[:, 4] -= bias
    share = (truth == 4).mean()
    assert fit_prior(scores, truth, 4) == pytest.approx(bias + np.log((1 - share) / share), abs=0.25)


@pytest.mark.parametrize(("truth", "side"), [(0, -1), (2, 1)])
def test_a_label_that_never_or_always_occurs_is_moved_so_far_and_no_farther(truth: int, side: int) -> None:
    assert fit_prior(np.zeros((5000, 3)), np.full(5000, truth), 2) == pytest.approx(side * PRIOR, abs=1e-3)


def test_few_recordings_move_it_little() -> None:
    moved = [abs(fit_prior(np.zeros((count, 3)), np.zeros(count, int), 2)) for count in (1, 5, 50)]
    assert moved[0] < moved[1] < moved[2]
    assert moved[0] < 1.5


def test_a_model_without_unknown_has_no_prior_of_it(model: Model) -> None:
    labels = ("a", "b", *model.labels[2:8], "c", "d")
    scores, truth = np.random.default_rng(1).normal(size=(50, 10)), np.arange(50) % 10
    calibrated = fit_calibration(labels, scores, truth).fold(replace(model, labels=labels))
    assert calibrated.training["unknown_bias"] == 0


# --- the files of a run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validation(demo: Path) -> ScoredSet:
    return read_scored_set(demo, LABELS, "validation", progress=False)


@pytest.mark.parametrize("name", ["best", "last"])
def test_the_models_of_a_run_are_calibrated(run_folder: Path, validation: ScoredSet, name: str) -> None:
    saved = load_model(run_folder / f"{name}.safetensors")
    assert saved.training["temperature"] != 1
    scores = logits(saved, validation.waveforms, torch.device("cpu"))
    scores[:, LABELS.index(UNKNOWN)] -= saved.training["unknown_bias"]  # fitted after the temperature
    assert fit_temperature(scores, validation.truth) == pytest.approx(1, abs=0.01)


def test_a_run_goes_on_with_the_weights_that_it_has_trained(run_folder: Path) -> None:
    saved, state = load_file(run_folder / "last.safetensors"), load_file(run_folder / "state.safetensors")
    facts = load_model(run_folder / "last.safetensors").training
    temperature = facts["temperature"]
    for name, weight in saved.items():
        folded = temperature if name.startswith("head.") else 1
        if name == "head.bias":
            weight[LABELS.index(UNKNOWN)] -= facts["unknown_bias"]
        torch.testing.assert_close(weight * folded, state[f"average/{name}"])


# --- the calibration error ---------------------------------------------------------------------------------------


def test_the_error_by_hand() -> None:
    """Bins of 1/15: two answers of 0.95 (one right) and one of 1 in the last, one of 0.5 (right), one of 0.4 (wrong)
    in the bin that ends with 0.4. (|2 − 2.9| + |1 − 0.5| + |0 − 0.4|) / 5 = 0.36."""
    result = reliability(sure([0.95, 0.95, 1.0, 0.5, 0.4]), np.array([0, 1, 0, 0, 2]))
    assert result.error == pytest.approx(0.36)
    assert result.counts.tolist() == [0] * 5 + [1, 0, 1] + [0] * 6 + [3]
    assert result.hits.tolist() == [0] * 7 + [1] + [0] * 6 + [2]
    assert result.mean_confidence == pytest.approx(3.8 / 5)
    assert result.accuracy == 3 / 5


def test_the_brier_score_by_hand() -> None:
    # (0.2² + 0.1² + 0.1²) and, wrong, (0.8² + 0.9² + 0.1²): 0.06 and 1.46
    assert reliability(sure([0.8, 0.8]), np.array([0, 1])).brier == pytest.approx((0.06 + 1.46) / 2)


@settings(deadline=None, max_examples=8)
@given(st.integers(3, 12), SEEDS)
def test_calibrated_answers_have_hardly_an_error(labels: int, seed: int) -> None:
    probabilities, truth = drawn(5000, labels, seed)
    result = reliability(probabilities, truth)
    assert result.error < 0.04
    assert result.error < 2 * result.by_chance
    overconfident = reliability(softmax(3 * np.log(np.maximum(probabilities, 1e-12)), axis=1), truth)
    assert overconfident.error > result.error + 0.03
    assert overconfident.brier > result.brier


def test_chance_alone_is_exceeded_by_one_in_twenty() -> None:
    exceeded = 0
    for seed in range(200):
        result = reliability(*drawn(300, 4, seed))
        exceeded += result.error > result.by_chance
    assert 1 <= exceeded <= 22  # of 200, 10 are expected


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 12), SEEDS)
def test_every_answer_is_in_one_bin(count: int, labels: int, seed: int) -> None:
    probabilities, truth = drawn(count, labels, seed)
    result = reliability(probabilities.astype(np.float32), truth)
    assert result.counts.sum() == count
    assert result.hits.sum() == (probabilities.argmax(axis=1) == truth).sum()
    filled = result.counts > 0
    means = result.confidence[filled] / result.counts[filled]
    places = np.flatnonzero(filled)
    assert (means <= (places + 1) / BINS + 1e-6).all()
    assert (means >= places / BINS - 1e-6).all()
    assert 0 <= result.error <= 1
    assert 0 <= result.brier <= 2
    content = result.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert max(map(len, reliability_table(result).split("\n"))) <= 100


# --- the diagram -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 40, 3000])
def test_the_reliability_diagram_shows_every_bin(tmp_path: Path, count: int) -> None:
    result = reliability(*drawn(count, 5, 1))
    figure = reliability_figure(result)
    above, below = figure.axes
    heights = [patch.get_height() for patch in patches(above)]
    accuracies = [(100 * hits / of, of < FEW) for hits, of in zip(result.hits, result.counts, strict=True) if of]
    assert heights == pytest.approx([height for height, _ in sorted(accuracies, key=lambda bar: bar[1])])
    assert [text.get_text() for text in below.texts] == [f"{n:,}" if n else "" for n in result.counts]
    save_figure(figure, tmp_path / "calibration.png")
    picture = imread(tmp_path / "calibration.png")
    assert min(picture.shape[:2]) > 800
    assert picture[..., :3].std() > 0.05


def patches(axes: Any) -> list[Any]:
    """The bars, which stand on the axis."""
    return [patch for patch in axes.patches if patch.get_width() < 50]
