"""Tasks besides the labels: they shape the network and leave no trace in the model file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from speech_lstm.config import SILENCE, Config
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.errors import ConfigError
from speech_lstm.model.checkpoint import load_model
from speech_lstm.model.network import Network
from speech_lstm.training.batches import NONE, Batch, Batches, Kind, rows_of
from speech_lstm.training.run import train
from speech_lstm.training.side_tasks import SideTasks, imitated_vectors, word_classes
from support.command_line import refusal
from support.foreign_networks import projection, write_network
from support.training_runs import TINY, check_resumption, history, with_training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus with a cache of its own."""
    folder = tmp_path_factory.mktemp("corpus") / "demo"
    return Path(shutil.copytree(demo, folder, ignore=shutil.ignore_patterns(".*")))


@pytest.fixture(scope="module")
def recordings(corpus: Path) -> Recordings:
    return read_recordings(TINY.corpus, corpus, progress=False)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear network with vectors of five numbers."""
    return write_network(tmp_path_factory.mktemp("embedder") / "e.onnx", width=5)


def tasks_of(recordings: Recordings, config: Config) -> tuple[SideTasks, Batches]:
    batches = Batches(recordings, config, CPU)
    network = Network(config.features, config.network, len(recordings.task.labels))
    vectors = imitated_vectors(config.training, recordings, batches, progress=False)
    return SideTasks(network, recordings, config.training, vectors), batches


def test_every_word_with_recordings_enough_is_a_class(recordings: Recordings) -> None:
    examples = recordings.examples
    classes, count = word_classes(examples)
    assert count == len(examples.words) == 13  # eight commands and five other words
    assert sorted(classes[:-1].tolist()) == list(range(13))
    assert classes[-1] == NONE
    renamed = replace(examples, words=("_several", *examples.words[1:]))
    rare = renamed.subset((examples.word != 1) | (np.cumsum(examples.word == 1) <= 3))
    classes, count = word_classes(rare)
    assert count == 11
    assert classes[:2].tolist() == [NONE, NONE]
    with pytest.raises(ConfigError, match="words needs two words with 4 recordings each"):
        word_classes(examples.subset(examples.word == 0))


def test_only_rows_in_which_a_word_is_whole_have_one(recordings: Recordings) -> None:
    batches = Batches(recordings, TINY, CPU)
    kinds = [Kind.WHOLE, Kind.BESIDE_SPEECH, Kind.SPLICED, Kind.BACKWARDS, Kind.CUT_OFF, Kind.IN_SPEECH, Kind.SILENCE]
    rows = rows_of(Kind.WHOLE, np.array([7] * 6 + [NONE]))
    rows.kind[:] = kinds
    words = Batch(batches, rows).words
    assert words.tolist() == [recordings.examples.word[7]] * 2 + [NONE] * 5


def test_the_loss_is_that_of_the_words_and_vectors(recordings: Recordings, embedder: Path) -> None:
    config = with_training(words=0.5, embedder=str(embedder), imitation=2.0)
    tasks, batches = tasks_of(recordings, config)
    batch = Batch(batches, rows_of(Kind.WHOLE, np.array([3, 9, 20])))
    batch.content.kind[2] = Kind.SPLICED  # has neither a word nor a vector
    answers = torch.randn(3, sum(tasks.sizes))
    sounds = batches.gather(np.arange(len(recordings.examples))).numpy()
    raw = torch.from_numpy(sounds @ projection(5))[recordings.examples.label != recordings.task.labels.index(SILENCE)]
    targets = (raw - raw.mean(0)) / raw.std(0)
    labels, words = len(recordings.task.labels), torch.from_numpy(recordings.examples.word)
    expected = 0.5 * torch.nn.functional.cross_entropy(answers[:2, labels:-5], words[[3, 9]])
    expected += 2.0 * (answers[:2, -5:] - targets[[3, 9]]).square().mean()
    torch.testing.assert_close(tasks.loss(answers, batch), expected, atol=1e-4, rtol=1e-4)


def test_a_batch_without_words_has_no_loss_besides_the_labels(recordings: Recordings, embedder: Path) -> None:
    tasks, batches = tasks_of(recordings, with_training(words=1.0, embedder=str(embedder)))
    batch = Batch(batches, rows_of(Kind.SILENCE, np.array([NONE, NONE])))
    assert tasks.loss(torch.randn(2, sum(tasks.sizes)), batch) == 0


def test_they_leave_no_trace_in_the_model_and_a_resumed_run_goes_on(
    corpus: Path, embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_training(words=0.3, embedder=str(embedder))
    check_resumption(config, corpus, tmp_path, monkeypatch)
    train(TINY, corpus, tmp_path / "without", progress=False)
    assert history(tmp_path / "without") != history(tmp_path / "straight")
    models = [load_model(tmp_path / name / "best.safetensors").network for name in ("straight", "without")]
    with_tasks, without = ({name: weight.shape for name, weight in model.state_dict().items()} for model in models)
    assert with_tasks == without


def test_they_teach_the_network_and_not_its_head(recordings: Recordings, embedder: Path) -> None:
    tasks, batches = tasks_of(recordings, with_training(words=1.0, embedder=str(embedder)))
    batch = Batch(batches, rows_of(Kind.WHOLE, np.array([3, 9])))
    tasks.loss(tasks(torch.randn(2, 49, TINY.features.size)), batch).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in tasks.network.stack.parameters())
    assert tasks.network.head.weight.grad is None or not tasks.network.head.weight.grad.any()


def test_what_cannot_be_imitated_is_refused(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path, embedder: Path
) -> None:
    def message(*flags: object) -> str:
        return refusal(
            capsys, "train", "--data", corpus, "--labels", "yes,no", "--batch", 8, "--out", tmp_path / "run", *flags
        )

    assert "gone.onnx: no such file" in message("--embedder", tmp_path / "gone.onnx")
    short = write_network(tmp_path / "short.onnx", shape=(1, 8000))
    assert "the embedder" in (text := message("--embedder", short))
    assert "it must be tensor(float) [1, 16000]" in text
    slow = write_network(tmp_path / "slow.onnx", rate="8000")
    assert "needs sound of 8000 Hz" in message("--embedder", slow)
    one_way = ("--carry", "0.5", "--bidirectional", "false")
    assert "carry cannot be combined with words or embedder" in message("--words", "0.5", *one_way)
    assert not (tmp_path / "run").exists()
