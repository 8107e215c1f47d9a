"""A network learns what a foreign one in an ONNX file answers to the recordings, where that knows their labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from speech_lstm.config import CLIP_SAMPLES, COMMANDS_8, SILENCE, UNKNOWN
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.errors import ConfigError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.recognizer import Recognizer, load
from speech_lstm.training.batches import NONE, Batch, Batches, Kind, rows_of
from speech_lstm.training.onnx_teacher import OnnxTeacher, names_in
from speech_lstm.training.run import train
from speech_lstm.training.teachers import Teachers
from support.foreign_networks import projection, write_network
from support.training_runs import TINY, command_line, history, with_training

CPU = torch.device("cpu")
OWN = ("off", "yes", UNKNOWN, "no")  # labels of a teacher that knows two of the run's eight commands
LABELS = (*COMMANDS_8, UNKNOWN, SILENCE)
Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def corpus(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus with a cache of its own."""
    folder = tmp_path_factory.mktemp("corpus") / "demo"
    return Path(shutil.copytree(demo, folder, ignore=shutil.ignore_patterns(".*")))


@dataclass
class Run:
    """What the teachers of a run need, and the recordings of its training."""

    recordings: Recordings
    batches: Batches

    def teachers(self, *paths: Path, **settings: Any) -> Teachers:
        config = with_training(teachers=",".join(map(str, paths)), **settings).training
        return Teachers(config, self.recordings, self.batches, progress=False)

    def first(self, label: str) -> int:
        """The number of an example with this label."""
        return int(np.flatnonzero(self.recordings.examples.label == self.recordings.task.labels.index(label))[0])

    def batch(self, first: list[int], kind: list[int] | None = None) -> Batch:
        rows = rows_of(Kind.WHOLE, np.array(first))
        rows.kind[:] = kind or Kind.WHOLE
        rows.second[:] = first[0]  # where a kind needs one
        return Batch(self.batches, rows)

    def answers(self, teachers: Teachers, batch: Batch) -> Rows:
        """The answers, where the augmented batch is noise."""
        noise = torch.rand(len(batch), CLIP_SAMPLES, generator=torch.Generator().manual_seed(0)) - 0.5
        return teachers.answers(batch, noise, torch.float32).numpy()


def run_of(corpus: Path, **settings: Any) -> Run:
    config = replace(TINY, corpus=replace(TINY.corpus, **settings))
    recordings = read_recordings(config.corpus, corpus, progress=False)
    return Run(recordings, Batches(recordings, config, CPU))


@pytest.fixture(scope="module")
def run(corpus: Path) -> Run:
    return run_of(corpus)


def softmax(logits: Rows) -> Rows:
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def as_labels(posteriors: Rows, labels: tuple[str, ...] = LABELS) -> Rows:
    """Posteriors [n, OWN] as those of the run, [n, labels]: what it does not have is `_unknown_`, if it has that."""
    rows = np.zeros((len(posteriors), len(labels)), np.float32)
    for name, column in zip(OWN, posteriors.T, strict=True):
        if (label := name if name in labels else UNKNOWN) in labels:
            rows[:, labels.index(label)] += column
    return rows


# --- who answers what --------------------------------------------------------------------------------------------


def test_it_answers_recordings_as_they_are_and_only_labels_that_it_knows(run: Run, tmp_path: Path) -> None:
    teachers = run.teachers(write_network(tmp_path / "t.onnx", labels=json.dumps(OWN)))
    yes, no, down, other = (run.first(label) for label in ("yes", "no", "down", UNKNOWN))
    others = [Kind.SILENCE, Kind.SPLICED, Kind.BACKWARDS, Kind.CUT_OFF]
    batch = run.batch([yes, no, other, down, NONE, no, no, no], [Kind.WHOLE] * 4 + others)
    answers = run.answers(teachers, batch)
    want = softmax(run.batch([yes, no, other]).waveforms.numpy() @ projection(4))
    np.testing.assert_allclose(answers[:3], as_labels(want), atol=1e-5)
    assert not answers[3:].any()
    known = int(np.isin(run.recordings.examples.label, [LABELS.index(name) for name in ("yes", "no", UNKNOWN)]).sum())
    total = len(run.recordings.examples)
    assert f"logits of 4 labels in the file, for {known} of {total} training" in teachers.notes[0]
    assert teachers.notes[0].endswith("not for up, down, left, right, stop, go, _silence_")


def test_the_target_is_the_label_but_for_the_share_of_an_answer(run: Run, tmp_path: Path) -> None:
    path = write_network(tmp_path / "t.onnx", labels=json.dumps(OWN))
    teachers = run.teachers(path, teaching=0.6, label_smoothing=0.2)
    batch = run.batch([run.first("yes"), run.first("down"), NONE])
    answers, smooth = run.answers(teachers, batch), np.full((3, 10), 0.02)
    smooth[range(3), [LABELS.index(name) for name in ("yes", "down", SILENCE)]] += 0.8
    targets = teachers.targets(batch, batch.waveforms, torch.float32).numpy()
    np.testing.assert_allclose(targets[0], 0.4 * smooth[0] + 0.6 * answers[0], atol=1e-6)
    np.testing.assert_allclose(targets[1:], smooth[1:], atol=1e-6)


def test_without_unknown_the_label_keeps_what_is_none_of_the_words(corpus: Path, tmp_path: Path) -> None:
    """A run of the label 35: what the teacher gives to its other labels is neither lost nor given to words."""
    run = run_of(corpus, labels="35", splices=0.0)
    labels = run.recordings.task.labels
    teachers = run.teachers(write_network(tmp_path / "t.onnx", labels=json.dumps(OWN)), label_smoothing=0.0)
    batch = run.batch([run.first("yes")])
    want = as_labels(softmax(batch.waveforms.numpy() @ projection(4)), labels)
    assert 0.01 < want.sum() < 0.99
    targets = teachers.targets(batch, batch.waveforms, torch.float32).numpy()
    want *= teachers.share
    want[0, labels.index("yes")] += 1 - want.sum()
    np.testing.assert_allclose(targets, want, atol=1e-6)


def test_recordings_of_distrusted_labels_get_no_answer(run: Run, tmp_path: Path) -> None:
    path = write_network(tmp_path / "t.onnx", labels=json.dumps(OWN))
    batch = run.batch([run.first("yes"), run.first(UNKNOWN), run.first("no")])
    answers = run.answers(run.teachers(path, distrust=f"no, {UNKNOWN}"), batch)
    assert answers.any(1).tolist() == [True, False, False]
    with pytest.raises(ConfigError, match="distrust names 'maybe'; name labels of the run: yes,"):
        run.teachers(path, distrust="maybe")
    with pytest.raises(ConfigError, match="no recording to answer"):
        run.teachers(path, distrust=f"yes,no,{UNKNOWN}")


def test_the_mean_is_that_of_the_teachers_that_answer_a_row(run: Run, tmp_path: Path) -> None:
    first = write_network(tmp_path / "a.onnx", labels="yes,no,_unknown_,maybe")
    second = write_network(tmp_path / "b.onnx", width=3, labels="yes down _unknown_")
    batch = run.batch([run.first("yes"), run.first("no"), run.first("up")])
    one, two, both = (run.answers(run.teachers(*paths), batch) for paths in ([first], [second], [first, second]))
    np.testing.assert_allclose(both[0], (one[0] + two[0]) / 2, atol=1e-6)
    np.testing.assert_allclose(both[1], one[1], atol=1e-6)
    assert not both[2].any()


def test_probabilities_and_logits_teach_the_same(run: Run, tmp_path: Path) -> None:
    paths = [write_network(tmp_path / f"{i}.onnx", tail=tail, labels=json.dumps(OWN)) for i, tail in enumerate(TAILS)]
    batch = run.batch(list(range(0, len(run.recordings.examples), 7)))
    each = [run.teachers(path) for path in paths]
    logits, probabilities, logarithms = (run.answers(teachers, batch) for teachers in each)
    np.testing.assert_allclose(probabilities, logits, atol=1e-6)
    np.testing.assert_allclose(logarithms, logits, atol=1e-6)
    kinds = [teachers.notes[0].split(": ")[1].split()[0] for teachers in each]
    assert kinds == ["logits", "probabilities", "logits"]


TAILS: list[list[str]] = [[], ["Softmax"], ["LogSoftmax"]]


def test_an_export_of_this_program_teaches(run: Run) -> None:
    path = bundled_model(".onnx")
    batch = run.batch([run.first(label) for label in LABELS[:-1]])
    answers = run.answers(run.teachers(path), batch)
    recognizer = load(path)
    assert isinstance(recognizer, Recognizer)
    assert recognizer.labels == LABELS
    np.testing.assert_allclose(answers, recognizer.posteriors(batch.waveforms.numpy()), atol=1e-5)


def test_labels_in_the_file_come_before_those_of_the_setting(tmp_path: Path) -> None:
    assert names_in('["a b", "c"]') == ("a b", "c")
    assert names_in("a, b,c  d\n") == ("a", "b", "c", "d")
    assert names_in("") == names_in("[]") == ()
    path = write_network(tmp_path / "t.onnx", labels="yes no up _unknown_")
    assert OnnxTeacher(path, "a,b,c,d").labels == ("yes", "no", "up", UNKNOWN)
    teacher = OnnxTeacher(write_network(tmp_path / "t.onnx", shape=("n", "samples"), rate="16000"), "a,b c d")
    assert (teacher.labels, teacher.source) == (("a", "b", "c", "d"), "of teacher_labels")


# --- the answers on disk -----------------------------------------------------------------------------------------


def test_answers_are_computed_once(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, path = run_of(corpus), write_network(tmp_path / "t.onnx", width=5, labels="yes no up go _unknown_")
    batch = run.batch(list(range(20)))
    before = set((corpus / ".speech_lstm").iterdir())
    want = run.answers(run.teachers(path), batch)
    (file,) = set((corpus / ".speech_lstm").iterdir()) - before
    with monkeypatch.context() as patch:
        patch.setattr(OnnxTeacher, "answers", None)
        np.testing.assert_array_equal(run.answers(run.teachers(path), batch), want)
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))  # damaged: they are computed again
    np.testing.assert_array_equal(run.answers(run.teachers(path), batch), want)


# --- files that cannot teach -------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "labels of another number": (lambda path: write_network(path, labels="yes,no,up"), "gives 4 answers"),
    "no labels": (write_network, "does not name its labels; name them with teacher_labels"),
    "a label twice": (lambda path: write_network(path, labels="yes,no,up,yes"), "name one twice"),
    "no command of the run": (
        lambda path: write_network(path, labels="a,b,c,_unknown_"),
        "none of the commands yes,",
    ),
    "another rate": (lambda path: write_network(path, labels=WORDS, sample_rate="8000"), "8000 Hz, not 16000"),
    "another length": (lambda path: write_network(path, shape=(1, 8000), labels=WORDS), "[1, 8000]; it must be"),
    "a larger batch": (
        lambda path: write_network(path, shape=(8, CLIP_SAMPLES), labels=WORDS),
        "[8, 16000]; it must",
    ),
    "another rank": (lambda path: write_network(path, shape=(1, 1, CLIP_SAMPLES), labels=WORDS), "[1, 1, 16000]"),
    "integers": (lambda path: write_network(path, dtype=TensorProto.INT16, labels=WORDS), "(int16) [1, 16000]"),
    "whole answers": (
        lambda path: write_network(path, tail=["Shape"], answers=TensorProto.INT64, labels=WORDS),
        "answers tensor(int64)",
    ),
    "no numbers": (lambda path: write_network(path, tail=["Neg", "Sqrt"], labels=WORDS), "that are not numbers"),
    "neither": (lambda path: write_network(path, tail=["Sigmoid"], labels=WORDS), "do not add up to 1"),
    "no network": (lambda path: path.write_bytes(b"no network"), "not an ONNX file that can be loaded"),
    "a damaged export": (lambda path: path.write_bytes(damaged_export()), "damaged or changed after its export"),
    "no file": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "cannot be read"),
}
WORDS = "yes,no,up,down"


def damaged_export() -> bytes:
    content = bytearray(bundled_model(".onnx").read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_cannot_teach_is_one_line_before_anything_is_written(
    fault: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, says = FAULTS[fault]
    make(tmp_path / "t.onnx")
    flags = ["--data", corpus, "--labels", TINY.corpus.labels, "--batch", 16, "--teachers", tmp_path / "t.onnx"]
    status, error = command_line(capsys, *flags, "--out", tmp_path / "out")
    lines = [line for line in error.splitlines() if line.startswith("speech-lstm: ")]
    assert (status, len(lines)) == (2, 1), error
    assert says in lines[0]
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


# --- a run -------------------------------------------------------------------------------------------------------


def test_a_run_is_taught_and_resumed_only_with_the_same_file(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command; labels of the setting, separated by blanks."""
    config, path = TINY.training, write_network(tmp_path / "t.onnx")
    flags: list[object] = ["--data", corpus, "--labels", TINY.corpus.labels, "--epochs", 1, "--hidden", 8]
    flags += ["--batch", config.batch, "--learning-rate", config.learning_rate, "--average", config.average]
    losses = {}
    for name, more in {"taught": ["--teachers", path, "--teacher-labels", " ".join(OWN)], "alone": []}.items():
        status, error = command_line(capsys, *flags, *more, "--out", tmp_path / name)
        assert status == 0, error
        losses[name] = history(tmp_path / name)[0]["train_loss"]
    assert losses["taught"] != pytest.approx(losses["alone"], rel=1e-5)
    again = "--out", tmp_path / "taught", "--resume"
    assert command_line(capsys, *again)[0] == 0
    write_network(path, tail=["Neg"])
    status, error = command_line(capsys, *again)
    assert status == 2
    assert "the files of the teachers have changed since the run was started" in error.splitlines()[-1]


def test_a_missing_share_is_no_teaching(corpus: Path, tmp_path: Path) -> None:
    path = write_network(tmp_path / "t.onnx", labels=json.dumps(OWN))
    for name, config in {"none": with_training(teachers=str(path), teaching=0.0), "alone": TINY}.items():
        train(config, corpus, tmp_path / name, progress=False)
    for none, alone in zip(history(tmp_path / "none"), history(tmp_path / "alone"), strict=True):
        assert none == pytest.approx(alone, rel=1e-4)
