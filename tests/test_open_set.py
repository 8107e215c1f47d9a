"""Scores that tell commands from unknown words: against scikit-learn, by hand, and on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped]

from speech_lstm.config import SILENCE, UNKNOWN, FeatureConfig, NetworkConfig, read_config
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import Network
from speech_lstm.report.plotting import save_figure
from speech_lstm.training.open_set import OpenSet, RocArea, command_scores, open_set
from speech_lstm.training.reliability_figures import open_set_figure
from speech_lstm.training.report import assessment_table, open_set_lines, open_set_table
from speech_lstm.training.run import train
from speech_lstm.training.scoring import assess_model

LABELS = ("yes", "no", "go", UNKNOWN, SILENCE)
NAMES = ("posterior", f"not {UNKNOWN}", "margin", "entropy", "command energy", "energy")
SLOW = 120  # seconds; a loaded machine takes long to import torch


def drawn(commands: int, unknown: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [n, 5] and labels [n] of commands that are mostly known, and logits [m, 5] of unknown words."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, commands)
    ours = random.normal(size=(commands, 5)) + 3 * np.eye(5)[truth]
    return ours, truth, random.normal(size=(unknown, 5)) + 1.5 * np.eye(5)[3]


def compared(commands: int, unknown: int, seed: int) -> OpenSet:
    ours, truth, theirs = drawn(commands, unknown, seed)
    result = open_set(LABELS, ours, truth, theirs, "unknown words")
    assert result is not None
    return result


def test_the_scores_by_hand() -> None:
    """Logits are the logarithms of 4, 2, 1, 2, 1: they add up to 10."""
    (scores,) = ({k: float(v[0]) for k, v in command_scores(np.log([[4, 2, 1, 2, 1]]), LABELS).items()},)
    assert tuple(scores) == NAMES
    assert scores["posterior"] == pytest.approx(np.log(0.4))
    assert scores[f"not {UNKNOWN}"] == pytest.approx(-np.log(0.2))
    assert scores["margin"] == pytest.approx(np.log(2))
    p = np.array([4, 2, 1]) / 7
    assert scores["entropy"] == pytest.approx((p * np.log(p)).sum())
    assert scores["command energy"] == pytest.approx(np.log(7))
    assert scores["energy"] == pytest.approx(np.log(10))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 5), min_size=1, max_size=40), st.lists(st.integers(-5, 3), min_size=1, max_size=40))
def test_the_area_is_scikit_learns_with_equals_among_the_scores(ours: list[int], theirs: list[int]) -> None:
    commands, unknown = np.array(ours, float), np.array(theirs, float)
    truth, scores = np.repeat([1, 0], [len(ours), len(theirs)]), np.concatenate([commands, unknown])
    areas = RocArea(commands, unknown)
    whole = areas(np.ones(len(ours)), np.ones(len(theirs)))
    assert whole == pytest.approx(roc_auc_score(truth, scores))
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(areas.curve(), [false, true])
    # A recording that was drawn twice is as good as two of them.
    again = np.arange(len(ours)) % 3
    if again.any():
        twice = np.concatenate([np.repeat(commands, again), unknown])
        truth = np.repeat([1, 0], [again.sum(), len(theirs)])
        assert areas(again, np.ones(len(theirs))) == pytest.approx(roc_auc_score(truth, twice))


def test_the_numbers_of_a_comparison() -> None:
    ours, truth, theirs = drawn(400, 150, 1)
    result = compared(400, 150, 1)
    right = ours[:, :3].argmax(axis=1) == truth
    assert 0.8 < right.mean() < 1
    assert result.plain_commands.of == right.sum()
    assert result.plain_commands.hits == (ours[right].argmax(axis=1) < 3).sum()
    assert result.plain_unknown.hits == (theirs.argmax(axis=1) < 3).sum()
    known, unknown = command_scores(ours[right], LABELS), command_scores(theirs, LABELS)
    both = np.repeat([1, 0], [right.sum(), 150])
    for item in result.separations:
        scores = np.concatenate([known[item.name], unknown[item.name]])
        assert item.auc == pytest.approx(roc_auc_score(both, scores))
        assert item.interval[0] < item.auc < item.interval[1]
        threshold = max(t for t in known[item.name] if (known[item.name] >= t).mean() >= 0.95)
        assert item.at_recall.hits == (unknown[item.name] >= threshold).sum()
        threshold = np.sort(known[item.name])[-result.plain_commands.hits]
        assert item.at_plain.hits == (unknown[item.name] >= threshold).sum()
    base = result.separations[0]
    assert (base.name, base.gain) == ("posterior", (0.0, 0.0))
    assert base.to_dict()["false_accepts"]["of"] == 150


def test_a_score_that_is_clearly_better_is_told() -> None:
    """The logit of `_unknown_` tells all, that of the command and the noise on the others nothing."""
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 300)
    ours, theirs = 6 * np.eye(5)[truth], 6 * np.eye(5)[random.integers(0, 3, 300)]
    ours[:, 3], theirs[:, 3] = random.normal(-2, 1, 300), random.normal(1, 1, 300)
    ours[:, 4], theirs[:, 4] = random.normal(5, 3, 300), random.normal(5, 3, 300)
    result = open_set(LABELS, ours, truth, theirs, "unknown words")
    assert result is not None
    gains = {item.name: item.gain for item in result.separations}
    assert gains["margin"][0] > 0.1
    assert gains["command energy"][1] < 0.05


@settings(deadline=None, max_examples=5)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_few_recordings(commands: int, unknown: int, seed: int) -> None:
    ours, truth, theirs = drawn(commands, unknown, seed)
    ours[0] = 9 * np.eye(5)[truth[0]]  # one at least is named rightly
    result = open_set(LABELS, ours, truth, theirs, "unseen words")
    assert result is not None
    for text in (open_set_table(result), open_set_lines(result)):
        assert max(map(len, text.split("\n"))) <= 100
    assert f"; AUC {result.separations[0].auc:.3f}" in open_set_lines(result)
    assert all(f"\n{name} " in open_set_table(result) for name in NAMES)
    content = result.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert all(0 <= item.interval[0] <= item.interval[1] <= 1 for item in result.separations)


def test_nothing_to_compare() -> None:
    ours, truth, theirs = drawn(20, 5, 1)
    assert open_set(LABELS, ours, truth, theirs[:0], "unknown words") is None
    assert open_set(LABELS, ours, np.full(20, 4), theirs, "unknown words") is None
    assert open_set(("yes", "no", "go", "stop", "up"), ours, truth, theirs, "unknown words") is None


@pytest.mark.parametrize("unknown", [1, 300])
def test_the_curves_are_drawn(tmp_path: Path, unknown: int) -> None:
    sets = [compared(200, unknown, 1), replace(compared(100, 50, 2), words="unseen words")]
    for details, count in ((True, len(NAMES)), (False, 1)):
        figure = open_set_figure(sets, details)
        for axes, result in zip(figure.axes, sets, strict=True):
            assert len(axes.lines) == count
            legend = [text.get_text() for text in axes.get_legend().get_texts()]
            first = "posterior (probability of the likeliest command), AUC"
            assert legend[0] == f"{first} {result.separations[0].auc:.3f}"
            assert result.words in axes.get_xlabel()
    save_figure(figure, tmp_path / "open_set.png")
    assert (tmp_path / "open_set.png").stat().st_size > 20_000


def test_evaluate_tells_it_all(run_folder: Path, demo: Path, tmp_path: Path) -> None:
    config = read_config(run_folder / "config.toml")
    corpus, training = replace(config.corpus, hold_out="bed,cat"), replace(config.training, epochs=3)
    train(replace(config, corpus=corpus, training=training), demo, tmp_path / "run", progress=False)
    command = [sys.executable, "-m", "speech_lstm", "evaluate", str(tmp_path / "run" / "last.safetensors")]
    flags = ["--data", str(demo), "--json", str(tmp_path / "scores.json"), "--plots", str(tmp_path / "plots")]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=SLOW)
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert [item["words"] for item in scores["open_set"]] == ["unknown words", "unseen words"]
    assert scores["open_set"][1]["unknown"] == sum(len(list((demo / w).glob("*.wav"))) for w in ("bed", "cat"))
    assert tuple(scores["open_set"][0]["scores"]) == NAMES
    assert scores["calibration"]["recordings"] == scores["count"]
    assert scores["calibration"]["accuracy"] == scores["accuracy"]
    assert f"expected calibration error {100 * scores['calibration']['error']:.1f} %" in done.stdout
    assert "recordings of unseen words\nthe plain answer accepts " in done.stdout
    assert done.stdout.count("\na threshold that accepts 95 % of commands accepts ") == 2
    assert "command energy" not in done.stdout
    names = {"confusion.png", "labels.png", "calibration.png", "open_set.png"}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == names


def test_a_task_of_all_words_has_calibration_and_no_open_set(demo: Path) -> None:
    labels = tuple(sorted(folder.name for folder in demo.iterdir() if folder.is_dir() and folder.name[0] not in "._"))
    features, config = FeatureConfig(hop_ms=30.0, mels=10, coefficients=5), NetworkConfig(layers=1, hidden=4)
    model = Model(Network(features, config, len(labels)).eval(), features, config, labels)
    assessment = assess_model(model, demo, "testing", torch.device("cpu"), progress=False)
    assert assessment.open_sets == ()
    assert assessment.to_dict()["open_set"] == []
    assert "calibration: mean confidence" in assessment_table(assessment)
    assert "open set" not in assessment_table(assessment)
