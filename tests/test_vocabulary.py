"""Some of a model's words as its only commands: `--words`, and `load(words=…)`."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.special import softmax

from speech_lstm import Recognizer, load
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.errors import ConfigError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.vocabulary import Vocabulary
from support.command_line import call, refusal
from support.exported_models import model_of

LABELS = ("yes", UNKNOWN, "no", SILENCE, "stop")
LOGITS = np.random.default_rng(1).normal(0, 30, (50, 5)).astype(np.float32)
VOICE = "7a254b5f_nohash_0.wav"
EIGHT = ", ".join(COMMANDS_8)
FORMS = (".onnx", ".safetensors")


@pytest.fixture(scope="module")
def words(demo: Path) -> np.ndarray:
    """Two words with their pauses."""
    gap = np.zeros(2 * SAMPLE_RATE // 5, np.float32)
    spoken = [read_recording(demo / word / VOICE) for word in ("stop", "yes")]
    return np.concatenate([gap, *(part for word in spoken for part in (word, gap))])


@pytest.fixture(scope="module")
def long(words: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "long.wav"
    soundfile.write(path, words, SAMPLE_RATE)
    path.with_suffix(".csv").write_text("word,start,end\nstop,0.4,1.0\nyes,1.4,2.0\n")
    return path


# --- rows --------------------------------------------------------------------------------------------------------


def test_the_others_count_as_unknown() -> None:
    vocabulary, rows = Vocabulary(LABELS, ["stop", "yes"]), softmax(LOGITS, axis=1)
    assert vocabulary.labels == ("yes", UNKNOWN, SILENCE, "stop")
    reduced = vocabulary.posteriors(rows)
    assert reduced.dtype == np.float32
    for label in ("yes", SILENCE, "stop"):
        assert (reduced[:, vocabulary.labels.index(label)] == rows[:, LABELS.index(label)]).all()
    assert reduced[:, 1] == pytest.approx(rows[:, 1] + rows[:, 2], abs=1e-6)
    assert reduced.sum(1) == pytest.approx(np.ones(50), abs=1e-5)
    assert softmax(vocabulary.logits(LOGITS), axis=1) == pytest.approx(reduced, abs=1e-5)
    assert (rows == softmax(LOGITS, axis=1)).all()  # the argument is unchanged


def test_a_model_without_unknown_gets_it() -> None:
    labels = ("a", "b", "c")
    vocabulary, logits = Vocabulary(labels, ("b",)), LOGITS[:, :3]
    assert vocabulary.labels == ("b", UNKNOWN)
    rows = softmax(logits, axis=1)
    assert vocabulary.posteriors(rows) == pytest.approx(np.stack([rows[:, 1], rows[:, 0] + rows[:, 2]], 1), abs=1e-6)
    assert softmax(vocabulary.logits(logits), axis=1) == pytest.approx(vocabulary.posteriors(rows), abs=1e-5)
    recognizer = Recognizer(model_of("lstm"), words=["no"])
    assert recognizer.labels == ("no", UNKNOWN)
    assert recognizer.posteriors(np.zeros((2, SAMPLE_RATE), np.float32)).sum(1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("given", [None, ("stop", "no", "yes")])
def test_all_words_change_nothing(given: Any) -> None:
    vocabulary = Vocabulary(LABELS, given)
    assert vocabulary.labels == LABELS
    assert vocabulary.posteriors(LOGITS) is LOGITS
    assert Vocabulary(("a", "b"), given and ("b", "a")).labels == ("a", "b")


def test_no_rows_give_no_rows() -> None:
    assert Vocabulary(LABELS, ["yes"]).posteriors(LOGITS[:0]).shape == (0, 3)


@pytest.mark.parametrize("given", [("yes", "lights"), "lights", "yes,no", (UNKNOWN,), (), 3, (None,), ("x" * 500,)])
def test_words_that_the_model_has_not(given: Any) -> None:
    with pytest.raises(ConfigError, match="yes, no, stop") as caught:
        Vocabulary(LABELS, given)
    assert len(str(caught.value)) < 200


# --- recognisers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_recordings_and_streams_have_these_commands_only(form: str, words: np.ndarray, demo: Path) -> None:
    whole, some = load(bundled_model(form)), load(bundled_model(form), words=("yes", "left"))
    assert some.labels == ("yes", "left", UNKNOWN, SILENCE)
    stop, other = some.classify(demo / "stop" / VOICE), whole.classify(demo / "stop" / VOICE)
    assert (other.label, stop.label) == ("stop", UNKNOWN)
    assert sum(stop.scores.values()) == pytest.approx(1, abs=1e-5)
    assert stop.scores["yes"] == other.scores["yes"]
    assert some.classify(demo / "yes" / VOICE).probability == whole.classify(demo / "yes" / VOICE).probability
    found = list(some.commands(words, SAMPLE_RATE))
    assert found
    expected = [(c.label, c.start, c.probability) for c in whole.commands(words, SAMPLE_RATE) if c.label != "stop"]
    assert [(c.label, c.start, c.probability) for c in found] == expected
    assert Detector(some).scores.keys() == dict.fromkeys(some.labels).keys()


@pytest.mark.parametrize("form", FORMS)
def test_copies_have_the_same_words(form: str, demo: Path) -> None:
    some, recording = load(bundled_model(form), words=["left"]), demo / "left" / VOICE
    for copied in (copy.copy(some), copy.deepcopy(some), pickle.loads(pickle.dumps(some))):
        assert copied.labels == some.labels
        assert copied.classify(recording) == some.classify(recording)


def test_looking_inside_shows_the_whole_network(demo: Path) -> None:
    assert load(words=["left"]).look_inside(demo / "stop" / VOICE).answer.label == "stop"


# --- commands ----------------------------------------------------------------------------------------------------


def test_classify_and_listen(capsys: pytest.CaptureFixture[str], long: Path) -> None:
    for command in (("classify", long), ("listen", "--input", long)):
        status, out, _ = call(capsys, *command, "--jsonl", "--words", "left,yes")
        assert status == 0
        answers = [json.loads(line) for line in out.splitlines()]
        assert [answer["label"] for answer in answers] == ["yes"]
        assert answers[0]["scores"].keys() == {"yes", "left", UNKNOWN, SILENCE}


def test_a_stream_test_counts_the_others_as_unknown_words(
    capsys: pytest.CaptureFixture[str], long: Path, tmp_path: Path
) -> None:
    numbers = tmp_path / "numbers.json"
    assert call(capsys, "stream-test", "commands8", long, "--words", "left,yes", "--json", numbers)[0] == 0
    scores = json.loads(numbers.read_text())
    assert scores["thresholds"].keys() == {"yes", "left"}


def test_an_evaluation_counts_the_others_as_unknown_words(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    numbers = tmp_path / "numbers.json"
    line = ("evaluate", "commands8", "--data", demo, "--split", "training", "--words", "left,yes", "--json", numbers)
    assert call(capsys, *line)[0] == 0
    result = json.loads(numbers.read_text())
    assert result["labels"] == ["yes", "left", UNKNOWN, SILENCE]
    unknown = next(facts for facts in result["scores"] if facts["label"] == UNKNOWN)
    assert unknown["support"] > 0
    assert "'lights' is not a command" in refusal(
        capsys, "evaluate", "commands8", "--data", demo, "--words", "lights"
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "classify {} --words yes,lights",
            f"'lights' is not a command of the model; its commands are {EIGHT}",
        ),
        ("listen --input {} --words lights", "'lights' is not a command"),
        (
            "listen --input {} --on lights true",
            f"lights: not a command that is recognised; those are {EIGHT}",
        ),
        ("listen --input {} --words yes,no --on stop true", "recognised; those are yes, no"),
        ("stream-test commands8 {} --words lights", "'lights' is not a command"),
    ],
)
def test_other_words_are_refused(capsys: pytest.CaptureFixture[str], long: Path, line: str, says: str) -> None:
    assert says in refusal(capsys, *line.format(long).split())
