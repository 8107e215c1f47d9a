"""A recogniser that is copied, pickled, shared by threads or sent to processes gives the same answers."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speech_lstm import Prediction, Recognizer, load
from speech_lstm.audio.recording import read_recording
from speech_lstm.errors import ModelError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.onnx_model import OnnxModel

FORMS = (".onnx", ".safetensors")
COPIES: tuple[Callable[[Any], Any], ...] = (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)))


@pytest.fixture(scope="module")
def sound(demo: Path) -> np.ndarray:
    """Two words with their pauses."""
    gap = np.zeros(8000, np.float32)
    words = [read_recording(min((demo / word).glob("*.wav"))) for word in ("yes", "stop")]
    return np.concatenate([gap, words[0], gap, gap, words[1], gap])


def answers(recognizer: Recognizer, sound: np.ndarray) -> list[Prediction]:
    """What it answers, in the process that calls this."""
    return [recognizer.classify(sound, 16_000), *recognizer.commands(sound, 16_000, threshold=0.3)]


@pytest.mark.parametrize("form", FORMS)
def test_copies_answer_as_the_original_does(form: str, sound: np.ndarray) -> None:
    original = load(bundled_model(form))
    want = answers(original, sound)
    assert len(want) > 1
    for copied in COPIES:
        assert answers(copied(original), sound) == want
    assert answers(original, sound) == want


@pytest.mark.parametrize("form", FORMS)
def test_eight_threads_get_the_answers_of_one(form: str, sound: np.ndarray) -> None:
    recognizer = load(bundled_model(form))
    want = answers(recognizer, sound)
    with ThreadPoolExecutor(8) as threads:
        assert all(got == want for got in threads.map(lambda _: answers(recognizer, sound), range(16)))


def test_spawned_processes_get_the_same_answers(sound: np.ndarray) -> None:
    """The default model alone: a process of the other form would import torch, which takes seconds."""
    recognizer = load()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        assert processes.submit(answers, recognizer, sound).result() == answers(recognizer, sound)


@pytest.mark.parametrize("form", FORMS)
def test_forked_processes_get_the_same_answers(form: str, sound: np.ndarray) -> None:
    """A model that has computed before the fork, inherited and sent."""
    recognizer = load(bundled_model(form))
    want = answers(recognizer, sound)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as processes:
        assert all(got == want for got in processes.map(answers, [recognizer] * 4, [sound] * 4))


def test_a_fork_after_computing_on_two_threads_does_not_hang(sound: np.ndarray) -> None:
    recognizer = load(bundled_model(".safetensors"))
    want = answers(recognizer, sound)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        recognizer.posteriors(np.zeros((64, 16_000), np.float32))
        child = context.Process(target=lambda: results.put(answers(recognizer, sound)))
        child.start()
        child.join(30)
        child.kill()
        assert child.exitcode == 0
        assert results.get() == want
    finally:
        torch.set_num_threads(threads)


def test_a_pickled_onnx_model_knows_its_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundled_model(".onnx"), "model.onnx")
    recognizer = load("model.onnx")
    content = pickle.dumps(recognizer)
    assert len(content) < 10_000
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    recording = min((demo / "yes").glob("*.wav"))
    assert pickle.loads(content).classify(recording) == recognizer.classify(recording)
    assert copy.deepcopy(recognizer).classify(recording) == recognizer.classify(recording)
    state = recognizer.backend.__getstate__()
    with pytest.raises(ModelError, match="has changed"):
        OnnxModel.__new__(OnnxModel).__setstate__(state | {"seal": b"0" * 64})  # type: ignore[operator]
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(ModelError, match="no such file"):
        pickle.loads(content)
    assert copy.deepcopy(recognizer).classify(recording) == recognizer.classify(recording)
