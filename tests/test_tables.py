"""Numbers and cells as text, proportions, and names beside points."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Annotation
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from speech_lstm.report import labels, tables
from speech_lstm.report.plotting import empty_figure
from speech_lstm.report.proportion import Proportion, wilson
from speech_lstm.report.statistics import Comparison, mean_of

# --- tables ------------------------------------------------------------------------------------------------------


def test_numbers_as_text() -> None:
    assert (tables.percent(0.9749), tables.percent(None)) == ("97.5 %", "–")
    assert tables.span((0.956, 0.977)) == "95.6–97.7 %"
    assert [tables.quantity(count, "block") for count in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]
    assert (tables.signed(-0.5), tables.points(0.0123), tables.points(-0.01)) == ("−0.50", "+1.2", "−1.0")
    assert [tables.probability(p) for p in (None, 0.0004, 0.0396)] == ["–", "< 0.001", "0.040"]
    assert [tables.number(value) for value in (0.012345, 64, "gru")] == ["0.0123", "64", "gru"]


def test_cells_of_what_could_not_be_tested() -> None:
    assert tables.comparison_cells(Comparison(0.01, None, None, None, (1, 1), None)) == [
        "+1.0",
        "–",
        "–",
        "too few to say anything",
    ]
    assert tables.estimate_cells(None) == ["0", "–", "–"]
    assert tables.estimate_cells(mean_of([0.5])) == ["1", "50.0 %", "–"]
    assert tables.estimate_cells(mean_of([0.5, 0.5])) == ["2", "50.0 ± 0.0 %", "50.0 to 50.0 %"]


def test_a_search_space_as_rows() -> None:
    space = {
        "rate": FloatDistribution(1e-4, 0.1, log=True),
        "hidden": IntDistribution(16, 64),
        "pooling": CategoricalDistribution(["mean", "attention"]),
    }
    assert tables.space_rows({name: distribution_to_json(item) for name, item in space.items()}) == [
        ["rate", "0.0001 to 0.1, logarithmic"],
        ["hidden", "16 to 64"],
        ["pooling", "mean, attention"],
    ]


def test_columns_are_aligned() -> None:
    assert tables.align([["cell", "n"], ["lstm", "10"], ["gru", "9"]], "lr") == ["cell   n", "lstm  10", "gru    9"]


# --- proportions -------------------------------------------------------------------------------------------------


def test_wilson_interval_of_known_values() -> None:
    # 8 of 10 by hand, z² = 3.84146: the centre is (0.8 + 0.192073) / 1.384146 = 0.716740
    # and the half width 1.959964 / 1.384146 × √(0.016 + 0.009604) = 0.226577.
    assert wilson(8, 10) == pytest.approx((0.490163, 0.943317), abs=2e-6)


def test_wilson_interval_at_both_ends() -> None:
    # No hit of n: the upper end is z² / (n + z²); for n = 10 that is 3.84146 / 13.84146.
    assert wilson(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((1 - 0.277533, 1.0), abs=1e-6)
    (low, _), (_, high) = wilson(0, 7) or (1, 1), wilson(7, 7) or (0, 0)
    assert (low, high) == (0.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(0, 1))
def test_wilson_interval_contains_the_proportion_and_stays_within_0_and_1(of: int, part: float) -> None:
    hits = round(part * of)
    interval = wilson(hits, of)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= hits / of <= high <= 1
    assert wilson(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_an_empty_proportion() -> None:
    assert Proportion(0, 0).to_dict() == {"share": None, "interval": None, "hits": 0, "of": 0}


def test_importing_tables_and_proportions_needs_no_scipy() -> None:
    code = "import speech_lstm.report.proportion, speech_lstm.report.tables, sys; print('scipy' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[1])
    assert output == "False\n"


# --- names beside points -----------------------------------------------------------------------------------------


def test_names_overlap_neither_each_other_nor_a_point() -> None:
    figure, axes = empty_figure(6, 4)
    random = np.random.default_rng(1)
    x, y = random.uniform(size=(2, 20))
    axes.scatter(x, y)
    figure.draw_without_rendering()
    names = [f"cell-{index}" for index in range(20)]
    labels.place_labels(axes, x, y, names, np.arange(20) < 5)
    texts = [child for child in axes.get_children() if isinstance(child, Annotation)]
    assert {text.get_text() for text in texts} == set(names)
    assert [text.get_fontweight() == "bold" for text in sorted(texts, key=lambda t: int(t.get_text()[5:]))] == [
        index < 5 for index in range(20)
    ]
    points = axes.transData.transform(np.column_stack([x, y]))
    boxes = []
    for text in texts:
        left, bottom = axes.transData.transform(text.xy) + np.array(text.get_position()) * figure.dpi / 72
        boxes.append((left, bottom, text.get_window_extent().width))
    for index, (left, bottom, width) in enumerate(boxes):
        height = labels.HEIGHT * figure.dpi / 72
        for px, py in points:
            assert not (left < px < left + width and bottom < py < bottom + height)
        for other_left, other_bottom, other_width in boxes[index + 1 :]:
            across = left < other_left + 0.9 * other_width and other_left < left + 0.9 * width
            assert not (across and abs(bottom - other_bottom) < 0.9 * height)
