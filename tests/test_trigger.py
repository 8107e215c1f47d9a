"""The decision alone: rows of posteriors that a test writes down become the commands that it expects."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_lstm.config import SILENCE, THRESHOLD, UNKNOWN, DetectionConfig
from speech_lstm.recognition.trigger import AGAIN_SECONDS, HOP_SECONDS, Trigger

LABELS = ("yes", "no", UNKNOWN, SILENCE)
Rows = NDArray[np.float32]


def rows(*parts: tuple[str, int] | tuple[str, int, float]) -> Rows:
    """Rows in which a label, for so many rows, has this posterior (0.9), and the others share the rest."""
    written = []
    for label, count, *height in parts:
        high = height[0] if height else 0.9
        row = np.full(len(LABELS), (1 - high) / (len(LABELS) - 1), np.float32)
        row[LABELS.index(label)] = high
        written += [row] * count
    return np.array(written, np.float32).reshape(-1, len(LABELS))


def times(count: int) -> NDArray[np.float64]:
    return 1 + HOP_SECONDS * np.arange(count)


def fired(posteriors: Rows, detection: DetectionConfig | None = None, threshold: float | None = None) -> list[str]:
    trigger = Trigger(LABELS, detection or DetectionConfig(), threshold)
    return [firing.label for firing in trigger(times(len(posteriors)), posteriors)]


QUIET = (SILENCE, 12)


def test_a_word_fires_once_and_at_once() -> None:
    posteriors = rows(QUIET, ("yes", 8), QUIET)
    (firing,) = Trigger(LABELS, DetectionConfig())(times(len(posteriors)), posteriors)
    assert firing.label == "yes"
    assert firing.time == pytest.approx(1 + HOP_SECONDS * 14)  # the third row of the word: three are averaged
    assert firing.probability == pytest.approx(0.9)
    assert firing.scores == pytest.approx(posteriors[14])


def test_the_same_word_said_again_fires_again() -> None:
    assert fired(rows(QUIET, ("yes", 8), (SILENCE, 4), ("yes", 8), QUIET)) == ["yes", "yes"]


def test_a_posterior_that_stays_is_the_word_again_when_the_first_has_left_the_window() -> None:
    again = round(AGAIN_SECONDS / HOP_SECONDS)
    assert fired(rows(QUIET, ("yes", 2 + again), QUIET)) == ["yes"]
    assert fired(rows(QUIET, ("yes", 3 + again), QUIET)) == ["yes", "yes"]


def test_another_word_right_after_fires_too() -> None:
    assert fired(rows(QUIET, ("yes", 5), ("no", 5), QUIET)) == ["yes", "no"]


def test_a_dip_above_the_release_is_no_new_word() -> None:
    assert fired(rows(QUIET, ("yes", 3), ("yes", 3, 0.5), ("yes", 3), QUIET)) == ["yes"]


def test_a_word_does_not_fire_within_its_refractory_time() -> None:
    assert fired(rows(QUIET, ("yes", 3), (SILENCE, 1, 1.0), ("yes", 2, 1.0)), threshold=0.6) == ["yes"]


def test_of_one_utterance_only_the_likelier_of_two_words_fires() -> None:
    both = np.tile(np.array([0.45, 0.5, 0.05, 0.0], np.float32), (3, 1))
    assert fired(np.concatenate([rows(QUIET), both, rows(QUIET)]), threshold=0.4) == ["no"]


def test_one_row_is_smoothed_away() -> None:
    assert fired(rows(QUIET, ("yes", 1, 1.0), QUIET, ("no", 2), QUIET)) == []


@pytest.mark.parametrize("label", [UNKNOWN, SILENCE])
@pytest.mark.parametrize("threshold", [0.01, 0.5])
def test_unknown_and_silence_never_fire(label: str, threshold: float) -> None:
    assert fired(rows((label, 50, 1.0)), DetectionConfig({label: 0.1}), threshold) == []


def test_each_word_has_its_threshold_and_an_argument_overrides_all() -> None:
    posteriors = rows(QUIET, ("yes", 5, 0.6), QUIET, ("no", 5, 0.6), QUIET)
    assert fired(posteriors) == []
    assert THRESHOLD > 0.6
    assert fired(posteriors, DetectionConfig({"no": 0.55})) == ["no"]
    assert fired(posteriors, DetectionConfig({"no": 0.55}), threshold=0.5) == ["yes", "no"]
    assert fired(posteriors, DetectionConfig({"no": 0.55}), threshold=0.65) == []


def test_another_hop_has_the_same_times_in_seconds() -> None:
    coarse, fine = rows(QUIET, ("yes", 8), QUIET), np.repeat(rows(QUIET, ("yes", 8), QUIET), 2, axis=0)
    (one,) = Trigger(LABELS, DetectionConfig(), hop_seconds=0.1)(times(len(coarse)), coarse)
    (other,) = Trigger(LABELS, DetectionConfig(), hop_seconds=0.05)(0.05 * np.arange(len(fine)) + 1, fine)
    assert other.time == pytest.approx(one.time, abs=0.1)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 200), max_size=30),
    threshold=st.floats(0, 1),
)
def test_how_many_rows_come_at_a_time_changes_nothing(seed: int, cuts: list[int], threshold: float) -> None:
    random = np.random.default_rng(seed)
    posteriors = np.repeat(random.dirichlet([0.1] * len(LABELS), 50), 4, axis=0).astype(np.float32)
    when = times(len(posteriors))
    whole, parted = (Trigger(LABELS, DetectionConfig(), threshold) for _ in range(2))
    want = whole(when, posteriors)
    places = sorted(cuts)
    pieces = zip(np.split(when, places), np.split(posteriors, places), strict=True)
    found = [firing for piece in pieces for firing in parted(*piece)]
    assert [firing[:3] for firing in found] == [firing[:3] for firing in want]
    assert (parted.scores == whole.scores).all()
    whole.reset()
    assert [firing[:3] for firing in whole(when, posteriors)] == [firing[:3] for firing in want]


@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0.05, 1))
@settings(max_examples=50, deadline=None)
def test_what_fires_is_above_its_threshold_and_not_too_soon(seed: int, threshold: float) -> None:
    posteriors = np.repeat(np.random.default_rng(seed).dirichlet([0.1] * 4, 60), 3, axis=0).astype(np.float32)
    found = Trigger(LABELS, DetectionConfig(), threshold)(times(len(posteriors)), posteriors)
    for firing in found:
        assert firing.probability >= np.float32(threshold)
        assert firing.label in ("yes", "no")
    for label in ("yes", "no"):
        own = [firing.time for firing in found if firing.label == label]
        assert (np.diff(own) > 0.5 - 1e-6).all()
    assert (np.diff([firing.time for firing in found]) > 0.3 - 1e-6).all()


ALONE = DetectionConfig(isolation=9.0)


def fired_alone(posteriors: Rows, isolations: list[float], detection: DetectionConfig = ALONE) -> list[float]:
    """The times at which words fire that are to stand alone."""
    trigger = Trigger(LABELS, detection)
    return [firing.time for firing in trigger(times(len(posteriors)), posteriors, np.array(isolations, np.float32))]


def test_a_word_waits_for_the_pause_after_it() -> None:
    posteriors = rows(QUIET, ("yes", 4), QUIET)  # passes in rows 14 and 15 of 28
    at_once = [0.0] * 14 + [20.0] * 14
    assert fired_alone(posteriors, at_once) == [pytest.approx(2.4)]
    assert fired_alone(posteriors, [0.0] * 17 + [20.0] * 11) == [pytest.approx(2.7)]
    assert fired_alone(posteriors, [0.0] * 18 + [20.0] * 10) == [pytest.approx(2.8)]
    assert fired_alone(posteriors, [0.0] * 19 + [20.0] * 9) == []  # later than 0.3 s
    assert fired_alone(posteriors, [20.0] * 14 + [8.9] * 14) == []
    assert fired_alone(posteriors, [0.0] * 28, DetectionConfig()) == [pytest.approx(2.4)]


def test_a_word_that_waited_fires_once_with_its_highest_probability() -> None:
    posteriors = rows(QUIET, ("yes", 3, 0.8), ("yes", 1, 1.0), QUIET)
    trigger = Trigger(LABELS, ALONE)
    (firing,) = trigger(times(len(posteriors)), posteriors, np.array([0.0] * 17 + [20.0] * 11, np.float32))
    assert firing.probability == pytest.approx(0.867, abs=0.001)
    assert trigger.scores == pytest.approx(posteriors[-1])


def test_a_sure_word_needs_no_pauses() -> None:
    posteriors, none = rows(QUIET, ("yes", 4, 0.9), QUIET), [0.0] * 28
    assert fired_alone(posteriors, none, DetectionConfig(isolation=9.0, sure=0.89)) == [pytest.approx(2.4)]
    assert fired_alone(posteriors, none, DetectionConfig(isolation=9.0, sure=0.91)) == []
    at_a_higher_threshold = DetectionConfig({"yes": 0.95}, isolation=9.0, sure=0.89)
    assert fired_alone(posteriors, none, at_a_higher_threshold) == []
    assert fired_alone(rows(QUIET, ("yes", 4, 1.0), QUIET), none) == []  # without `sure`


@pytest.mark.parametrize(("smoothing", "count"), [(0.1, 1), (0.3, 3), (0.6, 6)])
def test_the_smoothing_time_is_a_number_of_rows(smoothing: float, count: int) -> None:
    posteriors = rows(QUIET, ("yes", 8, 1.0), QUIET)
    (time,) = [
        f.time for f in Trigger(LABELS, DetectionConfig({"yes": 0.95}, smoothing=smoothing))(times(32), posteriors)
    ]
    assert time == pytest.approx(1 + HOP_SECONDS * (11 + count))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 200), max_size=30),
    threshold=st.floats(0, 1),
    isolation=st.sampled_from([0.0, 6.0, 12.0]),
    sure=st.sampled_from([0.6, 0.9, 1.0]),
    smoothing=st.sampled_from([0.1, 0.3, 0.7]),
)
def test_how_many_rows_with_pauses_come_at_a_time_changes_nothing(
    seed: int, cuts: list[int], threshold: float, isolation: float, sure: float, smoothing: float
) -> None:
    random = np.random.default_rng(seed)
    posteriors = np.repeat(random.dirichlet([0.1] * len(LABELS), 50), 4, axis=0).astype(np.float32)
    isolations = np.repeat(random.uniform(0, 20, 100), 2).astype(np.float32)
    when, detection = times(len(posteriors)), DetectionConfig(smoothing=smoothing, isolation=isolation, sure=sure)
    whole, parted = (Trigger(LABELS, detection, threshold) for _ in range(2))
    want = whole(when, posteriors, isolations)
    places = sorted(cuts)
    pieces = zip(*(np.split(array, places) for array in (when, posteriors, isolations)), strict=True)
    found = [firing for piece in pieces for firing in parted(*piece)]
    assert [firing[:3] for firing in found] == [firing[:3] for firing in want]
    rows_of = {round(time, 6): value for time, value in zip(when.tolist(), isolations.tolist(), strict=True)}
    among = [firing for firing in found if rows_of[round(firing.time, 6)] < isolation]
    assert sure < 1 or not among
    assert all(firing.probability >= np.float32(sure) for firing in among)
    assert all(firing.probability >= np.float32(threshold) for firing in found)
    assert (np.diff([firing.time for firing in found]) > 0.3 - 1e-6).all()


def test_only_rows_above_a_threshold_are_considered_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour with a word every two seconds is decided quickly enough for one threshold after another."""
    hour = np.tile(rows(QUIET, ("yes", 8)), (1800, 1))
    trigger, considered = Trigger(LABELS, DetectionConfig()), []
    consider = trigger.consider
    monkeypatch.setattr(trigger, "consider", lambda *row: considered.append(row[0]) or consider(*row))
    assert len(trigger(times(len(hour)), hour)) == 1800
    assert len(considered) <= 8 * 1800 < len(hour) / 2


def test_neither_the_decision_nor_the_detector_needs_torch() -> None:
    modules = ("trigger", "activity", "posteriors", "detector")
    code = "; ".join(f"import speech_lstm.recognition.{name}" for name in modules)
    code += "; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
