"""Study files: what is drawn from them, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_lstm.errors import ConfigError
from speech_lstm.model.sizing import parameter_count
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.trials.slots import Slot

LABELS = 10


def tables(**changes: Any) -> dict[str, Any]:
    """The tables of a small study."""
    base: dict[str, Any] = {
        "study": {"trials": 3},
        "cells": {"gru": {}, "slow": {"cell": "lstm", "forget_bias": 2.0}},
        "space": {
            "hidden": {"low": 4, "high": 8},
            "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
            "pooling": {"choices": ["mean", "last"]},
        },
        "network": {"layers": 1},
    }
    return base | changes


def small(**changes: Any) -> StudyDefinition:
    return StudyDefinition.from_tables("small", tables(**changes))


@pytest.mark.parametrize("name", ["quick", "greff", "jozefowicz", "lecture"])
def test_the_included_studies_can_be_run(name: str) -> None:
    assert name in StudyDefinition.shipped()
    definition = StudyDefinition.read(name)
    definition.check_networks({"trials": 1}, LABELS)
    assert definition.baseline in definition.cells


def test_greff_has_the_nine_cells_of_the_paper() -> None:
    cells = set(StudyDefinition.read("greff").cells)
    assert cells == {"peephole", "nig", "nfg", "nog", "niaf", "noaf", "cifg", "lstm", "fgr"}


def test_jozefowicz_compares_forget_biases_at_one_budget() -> None:
    definition = StudyDefinition.read("jozefowicz")
    configs = {cell: definition.config(cell, {}, 1, LABELS) for cell in definition.cells}
    biases = [configs[f"lstm-bias-{b}"].network.forget_bias for b in range(3)]
    assert biases == [0, 1, 2]
    for config in configs.values():
        count = parameter_count(config.features, config.network, LABELS)
        assert count == pytest.approx(definition.study.parameters, rel=0.1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["gru", "slow"]))
def test_drawn_settings_depend_on_seed_cell_and_number_alone(number: int, cell: str) -> None:
    definition = small()
    drawn = definition.draw(Slot(cell, number), {})
    assert drawn == small().draw(Slot(cell, number), {})
    assert 4 <= drawn["hidden"] <= 8
    assert 1e-3 <= drawn["learning_rate"] <= 1e-1
    assert drawn["pooling"] in ("mean", "last")
    others = [Slot(cell, number + 1), Slot("gru" if cell == "slow" else "slow", number)]
    assert all(definition.draw(slot, {})["learning_rate"] != drawn["learning_rate"] for slot in others)
    reseeded = small(study={"seed": 2}).draw(Slot(cell, number), {})
    assert reseeded["learning_rate"] != drawn["learning_rate"]


def test_a_logarithmic_range_is_drawn_in_logarithms() -> None:
    definition = small()
    drawn = [definition.draw(Slot("gru", i), {})["learning_rate"] for i in range(200)]
    assert 70 < sum(value < 1e-2 for value in drawn) < 130


def test_tpe_draws_near_the_best_trials() -> None:
    definition, random = small(study={"sampler": "tpe"}), small()
    space = definition.space
    slots = {}
    for i in range(40):
        drawn = random.draw(Slot("gru", i), {})
        value = 1 - abs(drawn["learning_rate"] - 0.05)
        slots[Slot("gru", i)] = optuna.trial.create_trial(params=drawn, distributions=space, value=value)
    rates = [definition.draw(Slot("gru", 40 + i), slots)["learning_rate"] for i in range(20)]
    assert sum(rate > 0.02 for rate in rates) > 14


def test_a_cells_own_settings_and_what_was_drawn() -> None:
    config = small().config("slow", {"hidden": 6, "learning_rate": 0.01, "pooling": "mean"}, 7, LABELS)
    assert (config.network.cell, config.network.forget_bias, config.network.hidden) == ("lstm", 2.0, 6)
    assert (config.training.learning_rate, config.training.seed, config.network.pooling) == (0.01, 7, "mean")


WRONG = {
    "unknown cell 'lstn'; did you mean 'lstm'": {"cells": {"lstn": {}}},
    "[cells] names no cell": {"cells": {}},
    "unknown setting 'hiden'": {"space": {"hiden": {"low": 1, "high": 2}}},
    "unknown setting 'colour'": {"cells": {"gru": {"colour": 1}}},
    "is an empty range": {"space": {"hidden": {"low": 8, "high": 8}}},
    "choices is empty": {"space": {"hidden": {"choices": []}}},
    "must begin above 0": {"space": {"noise": {"low": 0, "high": 1, "log": True}}},
    "must be { low, high, log } or { choices }": {"space": {"hidden": {"low": 8}}},
    "hidden is 2.5; it must be a whole number": {"space": {"hidden": {"low": 2.5, "high": 8}}},
    "noise is 3": {"space": {"noise": {"low": 0, "high": 3}}},
    "labels cannot differ between trainings": {"space": {"labels": {"choices": ["12", "35"]}}},
    "which is fixed for the cell gru": {"cells": {"gru": {"hidden": 5}}},
    "hidden is both drawn and chosen": {"study": {"parameters": 9000}},
    "baseline is 'rnn', which [cells] does not name": {"study": {"baseline": "rnn"}},
    "sampler is 'grid'": {"study": {"sampler": "grid"}},
    "unknown table [spaces]": {"spaces": {}},
}


@pytest.mark.parametrize("says", WRONG)
def test_invalid_studies(says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small(**WRONG[says])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cell_that_cannot_have_the_drawn_sizes() -> None:
    definition = small(cells={"clockwork": {}})  # whose four clocks must divide the hidden size
    with pytest.raises(ConfigError, match=r"cell clockwork, trial \d+"):
        definition.check_networks({"trials": 20}, LABELS)


def test_files_that_are_not_a_study(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[study")
    for name, says in {
        "grefff": "unknown study 'grefff'; give greff, ",
        str(tmp_path / "none.toml"): "none.toml: ",
        str(tmp_path / "broken.toml"): "not a TOML file",
    }.items():
        with pytest.raises(ConfigError, match=says):
            StudyDefinition.read(name)
