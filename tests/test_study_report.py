"""What a study finds: read from its storage, tested, drawn and written."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from speech_lstm.cli import main
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.study.figures import pareto
from speech_lstm.study.findings import Findings, published
from speech_lstm.study.importance import CELL, Forest, importance_of
from speech_lstm.study.progress import progress_of, progress_text
from speech_lstm.study.report import write_report
from speech_lstm.study.results import Results, results_of
from speech_lstm.study.sections import summary
from speech_lstm.trials.slots import SLOT, TARGET
from support.simulated_study import CLIPS, simulate

SPACE = {
    "hidden": {"low": 16, "high": 64, "log": True},
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
}


def definition(*cells: str) -> StudyDefinition:
    tables = {"study": {"title": "A simulated study", "seed": 3}, "cells": {cell: {} for cell in cells}}
    return StudyDefinition.from_tables("simulated", tables | {"space": SPACE})


def accuracy(cell: str, drawn: dict[str, Any]) -> float:
    """Best at a learning rate of 10⁻²·⁵ whatever the rest; one cell is far worse, the others are alike."""
    return 0.9 - 0.25 * (math.log10(drawn["learning_rate"]) + 2.5) ** 2 - 0.15 * (cell == "nfg")


def results(*cells: str, trials: int = 11, seeds: int = 0) -> Results:
    return results_of(simulate(None, definition(*cells), trials, seeds, accuracy))


@pytest.fixture(scope="module")
def findings() -> Findings:
    """Four cells, three of them alike, with three trials in the best tenth."""
    return Findings(results("peephole", "lstm", "cifg", "nfg", trials=25, seeds=3))


# --- what is read ------------------------------------------------------------------------------------------------


def test_best_is_by_the_validation_split(findings: Findings) -> None:
    study = findings.results
    for cell in study.cells:
        trials = study.trials(cell)
        assert [t.value for t in trials] == sorted((t.value for t in trials), reverse=True)
        assert study.best_tenth(cell) == trials[:3]
        assert len(study.repeats(cell)) == 3
        assert {t.drawn["learning_rate"] for t in study.repeats(cell)} == {study.best(cell).drawn["learning_rate"]}
        assert study.best(cell).right(study.truth).mean() == study.best(cell).accuracy


def test_what_is_different_is_found_and_what_is_alike_is_not(findings: Findings) -> None:
    assert {cell: test.verdict for cell, test in findings.tenths.items()} == {
        "lstm": "not significant",
        "cifg": "not significant",
        "nfg": "worse",
    }
    assert findings.models["nfg"].verdict == "worse"
    assert findings.models["lstm"].clips == CLIPS


def test_a_summary_in_plain_words(findings: Findings) -> None:
    text = " ".join(summary(findings).findings)
    assert (
        "Not significantly different from peephole in the best tenth of the trials (3 of each): lstm, cifg." in text
    )
    assert "Significantly worse than peephole in the best tenth of the trials (3 of each): nfg." in text
    assert "The setting that matters most is learning rate" in text


def test_too_few_trials_are_called_that() -> None:
    text = " ".join(summary(Findings(results("lstm", "gru", trials=3))).findings)
    assert "Too few trials to compare with lstm in the best tenth of the trials (1 of each): gru." in text
    assert "21 trials of each cell" in text
    assert "ignificantly" not in text


def test_progress_tells_what_is_left() -> None:
    study = simulate(None, definition("lstm", "gru"), 4, 0, accuracy)  # trainings of ten seconds
    study.set_user_attr(TARGET, {"trials": 13, "seeds": 2})
    assert "8 of 30 trainings done, 0 running, time left not yet known" in progress_text(study)
    for number in (4, 5):
        attributes = {SLOT: ["lstm", number, None]}
        study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs=attributes))
    # 20 are not begun and two are half done, two at a time
    text = progress_text(study)
    assert "8 of 30 trainings done, 2 running, about 2 min left" in text
    rows = [line.split() for line in text.splitlines()[1:3]]
    assert [row[:4] for row in rows] == [["lstm", "4", "of", "13"], ["gru", "4", "of", "13"]]


def test_seeds_of_a_best_that_was_outdone_do_not_count() -> None:
    study = simulate(None, definition("lstm", "gru"), 4, 2, accuracy)
    before = progress_of(study)
    assert before.done == before.total == 12
    best = max(study.get_trials(), key=lambda trial: trial.value * (trial.user_attrs[SLOT][0] == "lstm"))
    better = dict(best.user_attrs) | {SLOT: ["lstm", 4, None]}
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=better))
    study.set_user_attr(TARGET, {"trials": 5, "seeds": 2})
    text = progress_text(study)
    assert "11 of 14 trainings done" in text
    assert [line.split()[4] for line in text.splitlines()[1:3]] == ["0", "2"]


# --- which settings matter ---------------------------------------------------------------------------------------


def test_the_setting_that_matters_is_found(findings: Findings) -> None:
    importance = findings.importance
    assert importance is not None
    assert list(importance.pooled)[:2] == ["learning_rate", CELL]
    assert importance.pooled["hidden"] < 0.05
    assert 0.9 < sum(importance.pooled.values()) <= 1 + 1e-6
    assert importance.own == {}  # 25 trials of a cell are too few
    assert importance_of(results("lstm", "gru", trials=3)) is None


def test_marginal_curves_follow_the_formula(findings: Findings) -> None:
    forest = Forest(findings.results)
    curve = forest.curve("learning_rate")
    assert curve.values[[0, -1]] == pytest.approx([1e-4, 1e-1])
    assert abs(math.log10(curve.values[curve.mean.argmax()]) + 2.5) < 0.5
    assert curve.mean.max() - curve.mean[0] > 0.1
    flat = forest.curve("hidden")
    assert np.ptp(flat.mean) < 0.02
    assert (flat.deviation >= 0).all()
    assert forest.plane("learning_rate", "hidden").share < 0.05  # the formula adds them up


def test_an_interaction_is_found() -> None:
    """Accuracy that is high where both or none of two settings are: neither says anything alone."""
    study = definition("lstm")
    space = {"learning_rate": FloatDistribution(0, 1), "hidden": FloatDistribution(0, 1)}
    object.__setattr__(study, "space", space)
    formula = lambda _, drawn: 0.9 if (drawn["learning_rate"] > 0.5) == (drawn["hidden"] > 0.5) else 0.5  # noqa: E731
    forest = Forest(results_of(simulate(None, study, 120, 0, formula)))
    assert forest.plane("learning_rate", "hidden").share > 0.5


# --- published rankings ------------------------------------------------------------------------------------------


def test_papers_name_every_cell_once() -> None:
    for paper in published().values():
        names = [name for row in paper["rows"] for name in row["names"]]
        assert len(names) == len(set(names))
        assert {"paper", "source", "said"} < set(paper)


def test_the_papers_order_agrees_with_itself() -> None:
    rank = {row["names"][0]: row["rank"] for row in published()["greff"]["rows"]}
    study = simulate(None, definition(*rank), 1, 0, lambda cell, _: 0.95 - 0.15 * rank[cell])
    (greff,) = [one for one in Findings(results_of(study)).rankings if one.paper.startswith("Greff")]
    assert {cell: pair[0] for cell, pair in greff.ranks.items()} == rank
    assert greff.agreement.tau > 0.8  # ties of the paper have an order here
    reverse = simulate(None, definition(*rank), 1, 0, lambda cell, _: 0.3 + 0.15 * rank[cell])
    (greff,) = [one for one in Findings(results_of(reverse)).rankings if one.paper.startswith("Greff")]
    assert greff.agreement.tau < -0.8


def test_pareto_front_by_hand() -> None:
    costs, accuracy = np.array([1.0, 2, 3, 2, 4]), np.array([0.5, 0.7, 0.6, 0.7, 0.9])
    assert pareto(costs, accuracy).tolist() == [True, True, False, True, True]


# --- what is written ---------------------------------------------------------------------------------------------


def test_report_from_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    url, out = f"sqlite:///{tmp_path}/study.sqlite", tmp_path / "report"
    simulate(url, definition("lstm", "gru"), 16, 2, accuracy)
    (tmp_path / "simulated.toml").write_text("")
    with pytest.raises(SystemExit) as caught:
        main(["study", "report", str(tmp_path / "simulated.toml"), "--storage", url, "--out", str(out)])
    printed = capsys.readouterr()
    assert caught.value.code == 0
    assert "Too few trials to compare with lstm" in printed.out
    assert printed.err == ""  # Optuna reports nothing of its own
    figures = {"boxes", "importance", "marginals", "interaction", "pareto"}
    files = {f"{name}.{kind}" for name in figures for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == files | {"report.md", "report.html", "report.json"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == len(figures)
    rest = re.sub('src="data:[^"]+"', "", page)
    assert "src=" not in rest  # nothing from elsewhere
    assert "http" not in rest
    markdown = (out / "report.md").read_text(encoding="utf-8")
    assert markdown.startswith("# A simulated study\n")
    assert all(f"({name}.png)" in markdown for name in figures)
    numbers = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert len(numbers["trainings"]) == 2 * (16 + 2)
    assert numbers["best_tenth"]["gru"]["p"] is None


def test_a_study_without_trials_has_no_report(tmp_path: Path) -> None:
    study = simulate(None, definition("lstm"), 1, 0, accuracy)
    empty = results_of(study)
    object.__setattr__(empty, "trainings", ())
    with pytest.raises(Exception, match="no finished trial yet"):
        write_report(empty, tmp_path / "none")
    assert not (tmp_path / "none").exists()
