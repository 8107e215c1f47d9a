"""Recognition: whatever way a recording comes in, the answer is the same; commands are found in their order."""

from __future__ import annotations

import copy
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

import speech_lstm
from speech_lstm.audio.recording import LOUDEST, read_recording
from speech_lstm.config import CLIP_SAMPLES, COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.errors import ModelError, RecordingError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import Recognizer, load

Samples = NDArray[np.float32]
LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)
GAP = np.zeros(SAMPLE_RATE // 2, np.float32)


@pytest.fixture(scope="session")
def recognizer(model_file: Path) -> Recognizer:
    return load(model_file)


@pytest.fixture(scope="session")
def spoken(demo: Path) -> dict[str, Path]:
    """A recording of each command by one of the voices that the model learnt from."""
    held = (demo / "testing_list.txt").read_text() + (demo / "validation_list.txt").read_text()
    voices = [{path.name for path in (demo / word).glob("*.wav") if path.name not in held} for word in COMMANDS_8]
    voice = min(set.intersection(*voices))
    return {word: demo / word / voice for word in COMMANDS_8}


def close(one: Prediction, other: Prediction, tolerance: float = 1e-5) -> bool:
    """Whether two answers are the same but for rounding."""
    return (one.label, one.start, one.end) == (
        other.label,
        pytest.approx(other.start),
        pytest.approx(other.end),
    ) and one.scores == pytest.approx(other.scores, abs=tolerance)


# --- one word ----------------------------------------------------------------------------------------------------


def test_every_command_is_recognised(recognizer: Recognizer, spoken: dict[str, Path]) -> None:
    answers = recognizer.classify(list(spoken.values()))
    assert [answer.label for answer in answers] == list(spoken)
    for answer, path in zip(answers, spoken.values(), strict=True):
        assert tuple(answer.scores) == LABELS
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
        assert answer.probability == answer.scores[answer.label] == max(answer.scores.values())
        assert (answer.start, answer.end) == (0.0, soundfile.info(path).duration)


def test_path_name_file_and_samples_get_the_same_answer(recognizer: Recognizer, spoken: dict[str, Path]) -> None:
    path = spoken["stop"]
    want = recognizer.classify(path)
    samples, rate = soundfile.read(path)
    whole, _ = soundfile.read(path, dtype="int16")
    assert close(recognizer.classify(str(path)), want)
    assert close(recognizer.classify(io.BytesIO(path.read_bytes())), want)
    assert close(recognizer.classify(samples, rate), want)
    assert close(recognizer.classify(samples.astype(np.float32), rate), want)
    assert close(recognizer.classify(whole, rate), want)
    assert close(recognizer.classify(np.stack([samples, samples], 1), rate), want)
    assert close(recognizer.classify([samples, whole], rate)[1], want)
    assert close(recognizer.classify((path,))[0], want)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_another_rate_gets_nearly_the_same_answer(recognizer: Recognizer, spoken: dict[str, Path], rate: int) -> None:
    samples = soxr.resample(read_recording(spoken["left"]), SAMPLE_RATE, rate)
    answer, want = recognizer.classify(samples, rate), recognizer.classify(spoken["left"])
    assert answer.label == want.label
    assert answer.probability == pytest.approx(want.probability, abs=0.05)
    assert answer.end == pytest.approx(want.end, abs=0.001)


def test_a_batch_is_its_recordings_one_by_one(recognizer: Recognizer, spoken: dict[str, Path]) -> None:
    paths = [spoken["yes"], spoken["go"], spoken["no"]] * 30  # more than are computed at a time
    assert all(
        close(one, recognizer.classify(path)) for one, path in zip(recognizer.classify(paths), paths, strict=True)
    )
    assert recognizer.classify([]) == []


def test_the_loudest_second_of_a_long_recording_is_classified(
    recognizer: Recognizer, spoken: dict[str, Path]
) -> None:
    samples = np.concatenate([GAP, GAP, GAP, read_recording(spoken["right"]), GAP, GAP])
    answer = recognizer.classify(samples, SAMPLE_RATE)
    assert answer.label == "right"
    assert answer.end == pytest.approx(len(samples) / SAMPLE_RATE)


def test_samples_without_their_rate_are_refused(recognizer: Recognizer) -> None:
    with pytest.raises(RecordingError, match="samples need their rate"):
        recognizer.classify(np.zeros(SAMPLE_RATE))
    with pytest.raises(RecordingError, match="samples need their rate"):
        list(recognizer.commands(np.zeros(SAMPLE_RATE)))


@pytest.mark.parametrize("bad", [np.zeros(0), np.full(100, np.nan), np.zeros((2, 2, 2)), np.zeros(9, complex)])
def test_unusable_samples_are_refused(recognizer: Recognizer, bad: Any) -> None:
    for ask in (
        recognizer.classify,
        lambda *a: list(recognizer.commands(*a)),
        lambda *a: list(recognizer.answers(*a)),
    ):
        with pytest.raises(RecordingError) as caught:
            ask(bad, SAMPLE_RATE)
        assert "\n" not in str(caught.value)


def test_posteriors_of_any_number_of_windows(recognizer: Recognizer) -> None:
    windows = np.random.default_rng(0).normal(0, 0.1, (130, CLIP_SAMPLES)).astype(np.float32)
    scores = recognizer.posteriors(windows)
    assert (scores.shape, scores.dtype) == ((130, len(LABELS)), np.float32)
    assert scores.sum(1) == pytest.approx(1, abs=1e-5)
    assert scores[100:] == pytest.approx(recognizer.posteriors(windows[100:]), abs=1e-5)
    assert recognizer.posteriors(windows[:0]).shape == (0, len(LABELS))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", [".onnx", ".safetensors"])
def test_no_answer_is_nan_up_to_the_loudest_sound(spoken: dict[str, Path], form: str) -> None:
    recognizer = load(bundled_model(form))
    for shape in (read_recording(spoken["yes"]), np.resize([1.0, -1.0], CLIP_SAMPLES), np.ones(CLIP_SAMPLES)):
        samples = np.resize(shape / np.abs(shape).max() * LOUDEST, 2 * CLIP_SAMPLES)
        for rate in (8_000, SAMPLE_RATE):
            level = samples if rate == SAMPLE_RATE else samples / 10  # resampling rings
            assert np.isfinite(list(recognizer.classify(level, rate).scores.values())).all()
            list(recognizer.commands(level, rate, threshold=0.01))


def test_a_model_whose_answer_is_no_number_is_named_as_the_fault(
    recognizer: Recognizer, spoken: dict[str, Path]
) -> None:
    model = copy.deepcopy(recognizer.model)
    for weights in model.network.parameters():
        weights.fill_(1e38)
    broken = Recognizer(model)
    for ask in (broken.classify, lambda path: list(broken.answers(path)), lambda path: list(broken.commands(path))):
        with pytest.raises(ModelError, match="no probabilities"):
            ask(spoken["yes"])


def test_the_line_for_people() -> None:
    answer = Prediction("yes", 0.9, 0.25, 1.0, {"no": 0.1, "yes": 0.9})
    assert answer.line("a.wav") == "a.wav  0.25–1.00 s  yes 90.0 %"
    assert answer.line("a.wav", top=5) == "a.wav  0.25–1.00 s  yes 90.0 %  no 10.0 %"


# --- commands in a long recording --------------------------------------------------------------------------------


def sentence(spoken: dict[str, Path], words: list[str]) -> tuple[Samples, list[float]]:
    """The words with a second between them, and the middle of each in seconds."""
    parts, middles, at = [GAP], [], len(GAP)
    for word in words:
        samples = read_recording(spoken[word])
        middles.append((at + len(samples) / 2) / SAMPLE_RATE)
        parts += [samples, GAP, GAP]
        at += len(samples) + 2 * len(GAP)
    return np.concatenate(parts), middles


@pytest.mark.parametrize("words", [["yes", "stop", "go"], ["left", "left", "right", "down"], list(COMMANDS_8)])
def test_commands_are_found_in_order(
    recognizer: Recognizer, spoken: dict[str, Path], tmp_path: Path, words: list[str]
) -> None:
    samples, middles = sentence(spoken, words)
    found = list(recognizer.commands(samples, SAMPLE_RATE, threshold=0.5))
    assert [command.label for command in found] == words
    for command, middle in zip(found, middles, strict=True):
        assert middle - 0.5 <= command.start < command.end <= middle + 0.5  # inside the recording of the word
        assert command.end - command.start <= 1
        assert command.probability == command.scores[command.label] >= 0.5
    path = tmp_path / "long.flac"
    soundfile.write(path, samples, SAMPLE_RATE)
    assert all(map(close, recognizer.commands(path, threshold=0.5), found, [1e-2] * len(found)))


def test_a_word_at_either_end_is_found(recognizer: Recognizer, spoken: dict[str, Path]) -> None:
    samples = np.concatenate([read_recording(spoken["yes"]), GAP, GAP, read_recording(spoken["stop"])])
    found = list(recognizer.commands(samples, SAMPLE_RATE, threshold=0.5))
    assert [command.label for command in found] == ["yes", "stop"]
    assert found[0].start >= 0
    assert found[1].end <= len(samples) / SAMPLE_RATE


def test_silence_has_no_command(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(1).normal(0, 1e-4, 5 * SAMPLE_RATE).astype(np.float32)
    assert list(recognizer.commands(noise, SAMPLE_RATE)) == []
    assert list(recognizer.commands(np.zeros_like(noise), SAMPLE_RATE)) == []


@pytest.mark.parametrize("seconds", [0.1, 1.0, 1.2])
def test_a_short_recording_gets_one_answer(recognizer: Recognizer, spoken: dict[str, Path], seconds: float) -> None:
    samples = np.resize(np.append(read_recording(spoken["up"]), GAP), round(seconds * SAMPLE_RATE))
    (answer,) = recognizer.answers(samples, SAMPLE_RATE)
    assert close(answer, recognizer.classify(samples, SAMPLE_RATE))


def test_a_longer_recording_gets_its_commands(recognizer: Recognizer, spoken: dict[str, Path]) -> None:
    assert list(recognizer.answers(np.zeros(round(1.3 * SAMPLE_RATE)), SAMPLE_RATE)) == []
    samples, _ = sentence(spoken, ["no", "up"])
    assert [answer.label for answer in recognizer.answers(samples, SAMPLE_RATE, 0.5)] == ["no", "up"]


def test_a_long_recording_takes_little_memory(
    recognizer: Recognizer, spoken: dict[str, Path], tmp_path: Path
) -> None:
    """Four minutes would be 15 MB as samples and 150 MB as windows."""
    samples, _ = sentence(spoken, ["yes"])
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        while file.tell() < 240 * SAMPLE_RATE:
            file.write(samples)
            file.write(np.zeros(12 * SAMPLE_RATE))
        expected = file.tell() // (len(samples) + 12 * SAMPLE_RATE)
    tracemalloc.start()
    found = sum(1 for _ in recognizer.commands(path, threshold=0.5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == expected
    assert peak < 25e6


# --- loading -----------------------------------------------------------------------------------------------------


def test_the_public_face(model_file: Path, spoken: dict[str, Path]) -> None:
    model = speech_lstm.load(model_file)
    assert isinstance(model, speech_lstm.Recognizer)
    assert model.labels == LABELS
    answer = model.classify(spoken["yes"])
    assert isinstance(answer, speech_lstm.Prediction)
    assert answer.label == "yes"
    with pytest.raises(speech_lstm.SpeechLSTMError):
        speech_lstm.load("nowhere.safetensors")
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = speech_lstm.lode


def test_the_model_that_comes_with_the_package(spoken: dict[str, Path]) -> None:
    model = speech_lstm.load()
    assert model.labels == LABELS
    assert model.classify(spoken["yes"]).scores.keys() == set(LABELS)


def test_what_can_not_be_loaded(tmp_path: Path, spoken: dict[str, Path]) -> None:
    for path in (tmp_path / "none", tmp_path, spoken["yes"]):
        with pytest.raises(ModelError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
