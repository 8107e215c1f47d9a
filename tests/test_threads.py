"""One Recognizer in 8 threads of 4 processes, which are at other recordings at a time, answers as in one thread."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm import Prediction, Recognizer, load
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE
from speech_lstm.model.bundled import bundled_model

THREADS, PROCESSES = 8, 4
SPEAKER = "7a254b5f_nohash_0.wav"


@pytest.fixture(scope="module")
def recordings(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A word of each command, and one recording that is searched as a stream."""
    words = [demo / word / SPEAKER for word in COMMANDS_8]
    stream = tmp_path_factory.mktemp("threads") / "stream.wav"
    soundfile.write(stream, np.concatenate([soundfile.read(word)[0] for word in words[:3]]), SAMPLE_RATE)
    return [*words, stream]


def answers(recognizer: Recognizer, recordings: list[Path], first: int = 0) -> list[list[Prediction]]:
    """What it answers to each recording; it begins with the one at `first`."""
    order = [(first + i) % len(recordings) for i in range(len(recordings))]
    heard = {i: list(islice(recognizer.answers(recordings[i]), 100)) for i in order}
    return [heard[i] for i in range(len(recordings))]


def in_threads(recognizer: Recognizer, recordings: list[Path]) -> list[list[list[Prediction]]]:
    """The answers of each of THREADS threads, which are at other recordings at a time."""
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(partial(answers, recognizer, recordings), range(THREADS)))


def assert_same(got: list[list[Prediction]], want: list[list[Prediction]]) -> None:
    """The same commands at the same times. Where its memory lies decides how a sum of PyTorch's is rounded."""
    for own, other in zip(got, want, strict=True):
        for a, b in zip(own, other, strict=True):
            assert (a.label, a.start, a.end) == (b.label, b.start, b.end)
            assert a.scores == pytest.approx(b.scores, abs=1e-5)


@pytest.mark.parametrize("form", [".onnx", ".safetensors"])
def test_threads_of_processes_answer_as_one_thread_does(form: str, recordings: list[Path]) -> None:
    recognizer = load(bundled_model(form))
    want = answers(recognizer, recordings)
    assert [heard[0].label for heard in want[:-1]] != [want[0][0].label] * len(COMMANDS_8)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("fork")) as processes:
        tasks = [processes.submit(in_threads, recognizer, recordings) for _ in range(PROCESSES)]
        here = in_threads(recognizer, recordings)  # at the same time
        for heard in (here, *(task.result() for task in tasks)):
            for got in heard:
                assert_same(got, want)
