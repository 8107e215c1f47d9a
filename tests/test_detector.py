"""The detector: audio in, commands with their times out, of recognisers followed by hand and of real ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN, DetectionConfig
from speech_lstm.model.checkpoint import save_model
from speech_lstm.recognition.detector import Detector, find_word
from speech_lstm.recognition.posteriors import Stream, WaveformScorer
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import Recognizer, load
from support.command_line import call

Samples = NDArray[np.float32]
BLOCK = SAMPLE_RATE // 10
GAP = np.zeros(SAMPLE_RATE // 2, np.float32)
VOICE = "7a254b5f"


class Scripted:
    """A recogniser whose posteriors of a window are given by a function of its samples."""

    def __init__(self, labels: tuple[str, ...], posterior: Callable[[Samples], list[float]]) -> None:
        self.labels, self.posterior = labels, posterior
        self.detection = DetectionConfig()

    def stream(self, hop_seconds: float = 0.1) -> Stream:
        return Stream(WaveformScorer(self.labels, round(hop_seconds * SAMPLE_RATE), self.posteriors))

    def posteriors(self, windows: Samples) -> Samples:
        rows = [self.posterior(np.array(window)) for window in windows]
        return np.array(rows, np.float32).reshape(-1, len(self.labels))


def pitch(window: Samples) -> list[float]:
    """Loud enough is a command, `high` or `low` by how many zero crossings the sound has."""
    energy = float(np.square(window).sum())
    command = min(0.98, energy / 3000)
    crossings = int((window[1:] * window[:-1] < 0).sum())
    return [0, command, 0, 1 - command] if crossings > 0.2 * energy else [command, 0, 0, 1 - command]


PITCH = Scripted(("low", "high", UNKNOWN, SILENCE), pitch)


def tone(hertz: float, seconds: float = 0.5) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.sin(2 * np.pi * hertz * time).astype(np.float32)


STREAM = np.concatenate([GAP, tone(400), GAP, GAP, tone(2000), GAP, GAP, tone(400, 0.4), GAP, GAP, tone(1500)])


def blocks(samples: Samples, size: int) -> Iterator[Samples]:
    return (samples[at : at + size] for at in range(0, len(samples), size))


def detect(detector: Detector, parts: Iterator[Samples] | list[Samples]) -> list[Prediction]:
    return [command for part in parts for command in detector(part)] + detector.finish()


def close(one: Prediction, other: Prediction) -> bool:
    """Whether two answers are the same but for rounding."""
    same = (one.label, one.start, one.end) == (other.label, other.start, other.end)
    return same and one.scores == pytest.approx(other.scores, abs=1e-5)


# --- blocks ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_the_block_size_changes_nothing(cuts: list[int]) -> None:
    want = detect(Detector(PITCH, 0.5), [STREAM])
    assert [command.label for command in want] == ["low", "high", "low", "high"]
    assert detect(Detector(PITCH, 0.5), np.split(STREAM, sorted(cuts))) == want


ALONE = Scripted(PITCH.labels, pitch)
ALONE.detection = DetectionConfig(isolation=9.0)
SENTENCE = np.concatenate(
    [GAP, tone(400), 0.5 * tone(2000, 0.3), tone(400, 0.3), GAP, GAP, tone(2000), GAP, GAP, tone(400)]
)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SENTENCE)), max_size=30))
def test_commands_that_stand_alone_depend_on_no_block_size(cuts: list[int]) -> None:
    """The last one is decided by the end of the stream."""
    want = detect(Detector(ALONE, 0.5), [SENTENCE])
    assert [(command.label, round(command.end, 1)) for command in want] == [("high", 3.1), ("low", 4.6)]
    assert detect(Detector(ALONE, 0.5), np.split(SENTENCE, sorted(cuts))) == want
    assert len(detect(Detector(ALONE, 0.5, continuous=True), [SENTENCE])) > 2


def test_the_end_of_a_stream_is_a_pause() -> None:
    detector = Detector(ALONE, 0.5)
    assert detector(np.concatenate([GAP, GAP, tone(400)])) == []
    assert [command.label for command in detector.finish()] == ["low"]


def test_a_recording_shorter_than_a_window_ends_too() -> None:
    detector = Detector(ALONE, 0.5)
    assert detector(tone(400, 0.3)) + detector.finish() == []


@pytest.fixture(scope="session")
def bundled() -> Recognizer:
    return load()


@pytest.fixture(scope="session")
def words(demo: Path) -> Samples:
    """A word of the bundled corpus after the other, in a little noise."""
    parts = [GAP]
    for word in ("yes", "stop", "left", "go", "right"):
        parts += [soundfile.read(demo / word / f"{VOICE}_nohash_0.wav", dtype="float32")[0], GAP]
    joined = np.concatenate(parts)
    return joined + np.random.default_rng(0).normal(0, 1e-3, len(joined)).astype(np.float32)


@pytest.fixture(scope="session")
def expected(bundled: Recognizer, words: Samples) -> list[Prediction]:
    return detect(Detector(bundled), [words])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.one_of(st.integers(1, 3000), st.integers(1000, 60_000)), min_size=1, max_size=12))
def test_the_block_size_changes_nothing_for_a_network(
    bundled: Recognizer, words: Samples, expected: list[Prediction], sizes: list[int]
) -> None:
    places = np.cumsum(np.resize(sizes, len(words) // min(sizes) if min(sizes) > 200 else 200))
    found = detect(Detector(bundled), np.split(words, places[places < len(words)]))
    assert len(found) == len(expected) >= 3
    assert all(map(close, found, expected))


def test_an_empty_block_and_an_empty_stream_are_nothing(bundled: Recognizer) -> None:
    detector = Detector(bundled)
    assert detector(np.zeros(0, np.float32)) == []
    assert detector.finish() == []
    assert detector.seconds == 0.0


# --- when, and how often -----------------------------------------------------------------------------------------


def test_a_command_is_reported_within_300_ms_of_its_end() -> None:
    detector = Detector(PITCH, 0.5)
    reported = [detector.seconds for block in blocks(STREAM, BLOCK) for _ in detector(block)]
    ends = np.array([1.0, 2.5, 3.9, 5.4])
    assert len(reported) == len(ends)
    assert (np.array(reported) <= ends + 0.3).all()


def test_real_words_are_reported_soon_after_they_ended(bundled: Recognizer, demo: Path) -> None:
    """The network and the words are the bundled ones; a word that is not sure waits for the pause after it."""
    late = []
    for word in COMMANDS_8:
        samples, _ = soundfile.read(demo / word / f"{VOICE}_nohash_0.wav", dtype="float32")
        _, end = find_word(samples)
        detector = Detector(bundled)
        for block in blocks(np.concatenate([GAP, GAP, samples, GAP, GAP]), 160):
            if any(command.label == word for command in detector(block)):
                late.append(detector.seconds - 1 - end / SAMPLE_RATE)
    assert len(late) >= 6
    assert max(late) <= 0.4


@pytest.mark.parametrize("gap", [0.3, 0.6, 1.0])
def test_the_same_word_said_again_is_found_again(gap: float) -> None:
    pause = np.zeros(round(gap * SAMPLE_RATE), np.float32)
    samples = np.concatenate([GAP, GAP, tone(2000), pause, tone(2000), GAP, GAP])
    assert [command.label for command in detect(Detector(PITCH, 0.5), [samples])] == ["high", "high"]


def test_another_word_right_after_is_found_too() -> None:
    samples = np.concatenate([GAP, GAP, tone(2000, 0.4), tone(100, 0.1) * 0, tone(400, 0.6), GAP, GAP])
    assert [command.label for command in detect(Detector(PITCH, 0.5), [samples])] == ["high", "low"]


def test_one_long_sound_is_a_command_no_more_often_than_its_word_could_be_said() -> None:
    found = detect(Detector(PITCH, 0.5), [np.concatenate([GAP, tone(400, 3.0), GAP, GAP])])
    assert 1 <= len(found) <= 4
    assert all(later.start >= earlier.end for earlier, later in pairwise(found))


def test_below_the_threshold_nothing_is_reported() -> None:
    assert detect(Detector(PITCH, 0.99), [STREAM]) == []
    assert detect(Detector(PITCH, 0.5), [STREAM * 0.1]) == []


@pytest.mark.parametrize("label", [UNKNOWN, SILENCE])
def test_unknown_and_silence_are_no_commands(label: str) -> None:
    labels = ("yes", UNKNOWN, SILENCE)
    sure = Scripted(labels, lambda _: [float(name == label) for name in labels])
    assert detect(Detector(sure, 0.01), [STREAM]) == []


# --- where -------------------------------------------------------------------------------------------------------


def test_a_command_has_the_time_of_its_sound() -> None:
    found = detect(Detector(PITCH, 0.5), [STREAM])
    starts = np.array([command.start for command in found])
    ends = np.array([command.end for command in found])
    assert starts == pytest.approx([0.5, 2.0, 3.5, 4.9], abs=0.041)
    assert (ends > starts + 0.2).all()
    assert (ends <= np.array([1.0, 2.5, 3.9, 5.4]) + 0.041).all()


def test_the_word_is_the_last_one_in_the_window_not_what_was_before() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
    noise[1600:4800] += tone(500, 0.2)
    noise[9600:12_800] += 0.7 * tone(500, 0.2)
    noise[15_680:16_000] += 0.2 * tone(500, 0.02)  # a click
    assert find_word(noise) == (9600, 12_800)
    assert find_word(np.zeros(100, np.float32)) == (0, 100)
    assert find_word(np.zeros(1000, np.float32)) == (0, 960)
    assert find_word(np.full(1000, np.nan, np.float32)) == (0, 1000)
    assert find_word(np.zeros(0, np.float32)) == (0, 0)


# --- thresholds --------------------------------------------------------------------------------------------------


def test_thresholds_are_the_model_files_unless_one_is_given() -> None:
    strict = Scripted(PITCH.labels, pitch)
    strict.detection = DetectionConfig({"high": 0.99, "low": 0.5})
    assert {command.label for command in detect(Detector(strict), [STREAM])} == {"low"}
    assert {command.label for command in detect(Detector(strict, 0.5), [STREAM])} == {"low", "high"}


@pytest.fixture
def strict_model(bundled: Recognizer, tmp_path: Path) -> Path:
    """The bundled model, which detects no command but `left`."""
    path = tmp_path / "strict.safetensors"
    thresholds = {word: 1.0 for word in COMMANDS_8 if word != "left"} | {"left": 0.5}
    save_model(path, replace(bundled.model, detection=DetectionConfig(thresholds)))
    return path


def test_a_long_recording_takes_the_thresholds_of_the_model_file(
    capsys: pytest.CaptureFixture[str],
    strict_model: Path,
    words: Samples,
    tmp_path: Path,
) -> None:
    soundfile.write(tmp_path / "words.wav", words, SAMPLE_RATE)

    def classify(*flags: object) -> list[str]:
        status, out, _ = call(capsys, "classify", tmp_path / "words.wav", "--model", strict_model, *flags)
        assert status == 0
        return [line.split()[3] for line in out.splitlines()]

    assert classify() == ["left"]
    strict = load(strict_model)
    want = [command.label for command in detect(Detector(strict, 0.7), [words])]
    assert classify("--threshold", 0.7) == want
    assert len(want) >= 4
    assert [command.label for command in strict.commands(words, SAMPLE_RATE)] == ["left"]


# --- state -------------------------------------------------------------------------------------------------------


def test_the_newest_scores_and_the_time_are_at_hand() -> None:
    detector = Detector(PITCH, 0.5)
    assert (detector.seconds, set(detector.scores.values())) == (0.0, {0.0})
    detector(STREAM[:SAMPLE_RATE])
    assert detector.seconds == 1.0
    assert tuple(detector.scores) == PITCH.labels
    assert sum(detector.scores.values()) == pytest.approx(1)


def test_a_reset_detector_is_a_new_one(bundled: Recognizer, words: Samples, expected: list[Prediction]) -> None:
    for recognizer, samples in ((PITCH, STREAM), (bundled, words)):
        detector = Detector(recognizer, 0.5)
        first = detect(detector, [samples])
        detector.reset()
        assert detect(detector, list(blocks(samples, len(samples)))) == first


def test_a_stream_of_hours_takes_little_memory() -> None:
    """With a command every two seconds, by a recogniser that costs nothing."""
    loud = Scripted(("yes", SILENCE), lambda w: [0.9, 0.1] if np.abs(w[8000:12_000]).max() > 0.1 else [0.1, 0.9])
    sound = np.random.default_rng(0).normal(0, 1e-3, 2 * SAMPLE_RATE).astype(np.float32)
    sound[: SAMPLE_RATE // 2] += tone(1000)
    detector = Detector(loud, hop_seconds=0.25)

    def run(minutes: int) -> int:
        return sum(len(detector(block)) for _ in range(30 * minutes) for block in blocks(sound, SAMPLE_RATE))

    run(1)
    sizes = []
    for _ in range(3):
        assert run(30) == 900
        sizes.append(held(detector))
    assert 100_000 < sizes[0] < 300_000  # the last second twice, as float32
    assert sizes[2] == sizes[0]
    assert detector.seconds == 91 * 60


def held(thing: Any) -> int:
    """Bytes of what an object keeps in arrays and lists, its own objects' included."""
    if isinstance(thing, np.ndarray):
        return thing.nbytes if thing.base is None else thing.base.nbytes
    if isinstance(thing, (list, tuple, dict, deque)):
        return 8 * len(thing)
    own = type(thing).__module__.startswith("speech_lstm")
    return sum(map(held, vars(thing).values())) if own else 8
