"""Counts, shares, intervals and mistakes of an evaluation, against sums by hand and against scikit-learn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (  # type: ignore[import-untyped]
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.errors import CorpusError, ModelError
from speech_lstm.report.proportion import wilson
from speech_lstm.training.evaluation import Evaluation, evaluate
from speech_lstm.training.report import evaluation_table, headline

LABELS = ("yes", "no", "stop", UNKNOWN, SILENCE)


def sure(answers: list[int], labels: int, probability: float = 0.9) -> np.ndarray:
    """Probabilities float32 [n, labels] that give these answers."""
    posteriors = np.full((len(answers), labels), (1 - probability) / (labels - 1), dtype=np.float32)
    posteriors[np.arange(len(answers)), answers] = probability
    return posteriors


def drawn(labels: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random truth and probabilities, right about half of the time."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, count)
    logits = random.normal(size=(count, labels)) + 1.5 * np.eye(labels)[truth]
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, posteriors.astype(np.float32)


def evaluated(labels: int, count: int, seed: int) -> Evaluation:
    truth, posteriors = drawn(labels, count, seed)
    return evaluate([f"word{k}" for k in range(labels)], [f"{k}.wav" for k in range(count)], truth, posteriors)


@pytest.fixture
def small() -> Evaluation:
    """Ten recordings whose results can be counted by eye."""
    truth = [0, 0, 0, 1, 1, 3, 3, 3, 4, 4]
    answers = [0, 0, 1, 1, 3, 3, 2, 2, 4, 0]
    words = ["yes", "yes", "yes", "no", "no", "cat", "stock", "stock", SILENCE, SILENCE]
    posteriors = sure(answers, len(LABELS))
    posteriors[6] = [0.002, 0.002, 0.99, 0.003, 0.003]  # the surest mistake
    names = [f"{word}/{row}.wav" for row, word in enumerate(words)]
    return evaluate(LABELS, names, np.array(truth), posteriors, words)


def test_counts_of_the_small_example(small: Evaluation) -> None:
    assert (small.count, small.correct, small.accuracy) == (10, 5, 0.5)
    assert small.confusion.tolist() == [
        [2, 1, 0, 0, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 2, 1, 0],
        [1, 0, 0, 0, 1],
    ]
    assert small.command_recall is not None
    assert (small.command_recall.hits, small.command_recall.of) == (3, 5)
    assert small.unknown_accepted is not None
    assert (small.unknown_accepted.hits, small.unknown_accepted.of) == (2, 3)
    assert small.silence_accepted is not None
    assert (small.silence_accepted.hits, small.silence_accepted.of) == (1, 2)
    assert small.silence_accepted.interval == wilson(1, 2)


def test_an_unknown_word_taken_for_silence_is_not_taken_for_a_command() -> None:
    result = evaluate(LABELS, ["a", "b"], np.array([3, 4]), sure([4, 3], 5), ["cat", SILENCE])
    assert result.unknown_accepted is not None
    assert result.unknown_accepted.hits == 0
    assert result.silence_accepted is not None
    assert result.silence_accepted.hits == 0
    assert result.words[0].accepted == 0
    assert result.command_recall is None


def test_unknown_words_one_by_one(small: Evaluation) -> None:
    stock, cat = small.words
    assert (stock.word, stock.clips, stock.accepted, stock.taken_for) == ("stock", 2, 2, {"stop": 2})
    assert (cat.word, cat.clips, cat.accepted, cat.taken_for) == ("cat", 1, 0, {})


def test_mistakes_come_the_most_confident_first(small: Evaluation) -> None:
    first = small.mistakes[0]
    assert (first.name, first.word, first.truth, first.answer) == ("stock/6.wav", "stock", UNKNOWN, "stop")
    assert first.probability == pytest.approx(0.99)
    assert len(small.mistakes) == 5
    many = evaluated(6, 300, 0)
    assert len(many.mistakes) == 20
    probabilities = [mistake.probability for mistake in many.mistakes]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_ratio_of_nothing_is_none_and_not_a_number(small: Evaluation) -> None:
    stop = small.by_label[2]  # no such recording, but two others were taken for it
    assert (stop.support, stop.predicted, stop.precision, stop.recall, stop.f1) == (0, 2, 0.0, None, 0.0)
    missed = evaluate(["yes", "no", "up"], ["a"], np.array([0]), sure([1], 3)).by_label
    assert (missed[0].precision, missed[0].recall, missed[0].f1) == (None, 0.0, 0.0)
    assert (missed[2].precision, missed[2].recall, missed[2].f1) == (None, None, None)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 12), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_invariants(labels: int, count: int, seed: int) -> None:
    result = evaluated(labels, count, seed)
    assert result.confusion.sum(axis=1).tolist() == [counts.support for counts in result.by_label]
    assert result.confusion.sum(axis=0).tolist() == [counts.predicted for counts in result.by_label]
    assert result.count == count
    assert result.accuracy == np.trace(result.confusion) / count
    low, high = result.interval
    assert 0 <= low <= result.accuracy <= high <= 1
    assert len(result.mistakes) == min(20, count - result.correct)
    recalls = sum(counts.support * (counts.recall or 0.0) for counts in result.by_label)
    assert recalls == pytest.approx(result.correct)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_the_order_of_the_recordings_changes_nothing(count: int, seed: int) -> None:
    truth, posteriors = drawn(len(LABELS), count, seed)
    random = np.random.default_rng(seed)
    words = [str(random.choice(["cat", "dog", "stock"])) for _ in range(count)]
    names = [f"{word}/{row}.wav" for row, word in enumerate(words)]
    order = random.permutation(count)
    forwards = evaluate(LABELS, names, truth, posteriors, words)
    shuffled = evaluate(LABELS, [names[k] for k in order], truth[order], posteriors[order], [words[k] for k in order])
    assert forwards.to_dict() == shuffled.to_dict()


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_scikit_learn(seed: int) -> None:
    labels, count = 7, 60
    truth, posteriors = drawn(labels, count, seed)
    truth[truth == labels - 1] = 0  # the last label has no recording
    names = [str(row) for row in range(count)]
    result = evaluate([f"word{k}" for k in range(labels)], names, truth, posteriors)
    every, answers = list(range(labels)), posteriors.argmax(axis=1)
    assert (result.confusion == confusion_matrix(truth, answers, labels=every)).all()
    expected = precision_recall_fscore_support(truth, answers, labels=every, zero_division=np.nan)
    for kind, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        ratios = [getattr(counts, kind) for counts in result.by_label]
        np.testing.assert_allclose([math.nan if value is None else value for value in ratios], column)
    double = posteriors.astype(np.float64)
    expected_loss = log_loss(truth, double / double.sum(axis=1, keepdims=True), labels=every)
    assert result.loss == pytest.approx(expected_loss, rel=1e-6)


def test_a_true_label_of_probability_0_costs_much_but_not_infinitely() -> None:
    posteriors = np.array([[0.0, 1.0]], dtype=np.float32)
    assert evaluate(["yes", "no"], ["a"], np.array([0]), posteriors).loss == pytest.approx(87.34, abs=0.01)


def test_json_round_trip(small: Evaluation) -> None:
    content = small.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["unknown_accepted"]["share"] == pytest.approx(2 / 3)
    assert content["scores"][2] == {
        "label": "stop",
        "support": 0,
        "predicted": 2,
        "correct": 0,
        "precision": 0.0,
        "recall": None,
        "f1": 0.0,
    }


def test_a_task_of_words_alone_has_no_unknown_words_and_no_silence() -> None:
    result = evaluated(35, 2000, 3)
    assert result.unknown_accepted is None
    assert result.silence_accepted is None
    assert result.words == ()
    assert result.command_recall is not None
    assert result.command_recall.share == result.accuracy
    text = evaluation_table(result)
    assert "most frequent confusions" in text
    assert "taken for a command" not in text


def test_the_headline() -> None:
    truth = np.zeros(1192, dtype=np.int64)
    answers = [0] * 1154 + [1] * 38
    result = evaluate(["yes", "no"], ["x.wav"] * 1192, truth, sure(answers, 2))
    assert headline(result) == "accuracy 96.8 % (95 % interval 95.7–97.7 %), 1,154 of 1,192 recordings"
    assert evaluation_table(result).startswith(headline(result) + "\n")


def test_the_table_of_the_small_example(small: Evaluation) -> None:
    lines = evaluation_table(small).split("\n")
    assert "yes                 3     66.7 %  66.7 %  66.7 %" in lines
    assert "stop                0      0.0 %       –   0.0 %" in lines
    assert any(line.startswith("unknown words taken for a command  66.7 %") for line in lines)
    assert "stock           2      2  stop 2" in lines
    assert "     99.0 %  _unknown_ (stock)  stop       stock/6.wav" in lines
    assert "mistakes" not in evaluation_table(small, mistakes=0)
    assert "stock" not in evaluation_table(small, words=0, mistakes=0)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=40, unique=True),
    st.text(max_size=300),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_the_table_fits_100_columns_whatever_the_names(labels: list[str], name: str, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = [*labels, UNKNOWN] if UNKNOWN not in labels else labels
    truth = random.integers(0, len(labels), count) * random.integers(0, 2)
    answers = random.integers(0, len(labels), count).tolist()
    words = [name] * count
    text = evaluation_table(evaluate(labels, words, truth, sure(answers, len(labels)), words))
    assert max(map(len, text.split("\n"))) <= 100
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_one_recording_and_one_label() -> None:
    result = evaluate(["yes"], ["a.wav"], np.array([0]), np.ones((1, 1), dtype=np.float32))
    assert (result.accuracy, result.loss, result.mistakes) == (1.0, 0.0, ())
    assert result.interval == pytest.approx((1 / (1 + 3.841459), 1.0), abs=1e-6)
    assert "1 of 1 recordings" in evaluation_table(result)


def test_no_recording_is_a_fault_of_the_corpus() -> None:
    with pytest.raises(CorpusError, match="no recording to score"):
        evaluate(["yes"], [], np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32))


def test_answers_that_are_not_numbers_are_a_fault_of_the_model() -> None:
    with pytest.raises(ModelError, match="NaN"):
        evaluate(["yes", "no"], ["a"], np.array([0]), np.full((1, 2), np.nan, dtype=np.float32))


@pytest.mark.parametrize(
    ("labels", "truth", "posteriors", "words"),
    [
        (["yes", "yes"], [0], [[0.5, 0.5]], None),
        (["yes", "no"], [2], [[0.5, 0.5]], None),
        (["yes", "no"], [-1], [[0.5, 0.5]], None),
        (["yes", "no"], [0.0], [[0.5, 0.5]], None),
        (["yes", "no"], [0, 1], [[0.5, 0.5]], None),
        (["yes", "no"], [0], [[1.0]], None),
        (["yes", "no"], [0], [[0.5, 0.5]], ["yes", "no"]),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    labels: list[str], truth: list[float], posteriors: list[list[float]], words: list[str] | None
) -> None:
    with pytest.raises(ValueError, match=r"must|do not match"):
        evaluate(labels, ["a.wav"], np.array(truth), np.array(posteriors, dtype=np.float32), words)


def test_the_confusion_matrix_cannot_be_changed_by_accident(small: Evaluation) -> None:
    with pytest.raises(ValueError, match="read-only"):
        small.confusion[0, 0] = 7
