"""Recordings with wrong labels are found, others are not; the list and the page of them."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from speech_lstm.config import COMMANDS_8, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.corpus.clip_cache import ClipCache
from speech_lstm.corpus.examples import Examples
from speech_lstm.corpus.left_out import left_out_names
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.corpus.speech_commands import Corpus, scan, speaker_of
from speech_lstm.corpus.task import Task
from speech_lstm.errors import CorpusError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.training.batches import Batch
from speech_lstm.training.out_of_fold import mean_answer, speaker_folds
from speech_lstm.training.suspects import (
    EMPTY,
    KINDS,
    NEAR_WORD,
    NO_COMMAND,
    NO_WORD,
    OTHER_COMMAND,
    Examination,
    Suspect,
    kind_of,
)
from speech_lstm.training.suspects_report import page, write_csv
from speech_lstm.training.trainer import Trainer
from support.command_line import answer, call
from support.training_runs import TINY
from test_document import Page

FOLDS = ["--labels", ",".join(COMMANDS_8), "--layers", 1, "--hidden", 4, "--mels", 20, "--coefficients", 13]
FOLDS += ["--hop-ms", 20, "--batch", 16, "--epochs", 1]
WRONG = {  # a name → the recording that is copied there
    "stop/deadbeef_nohash_0.wav": "yes/25128209_nohash_0.wav",
    "go/deadbeef_nohash_0.wav": "left/25128209_nohash_0.wav",
}
SILENT = "no/deadbeef_nohash_0.wav"
RANDOM = np.random.default_rng(1)
TIME = np.arange(SAMPLE_RATE) / SAMPLE_RATE


@pytest.fixture(scope="module")
def wrong(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus with two recordings of a word in the folder of another one, and a silent one."""
    root = tmp_path_factory.mktemp("wrong") / "demo"
    shutil.copytree(demo, root, ignore=shutil.ignore_patterns(".*"))
    for name, source in WRONG.items():
        shutil.copy(root / source, root / name)
    soundfile.write(root / SILENT, np.zeros(SAMPLE_RATE), SAMPLE_RATE, "PCM_16")
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_wrong_labels_are_found_and_no_others(
    wrong: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is one that `train` leaves out."""
    listing, page = tmp_path / "suspects.csv", tmp_path / "suspects.html"
    out = answer(capsys, "suspects", "--data", wrong, "--model", model_file, "--out", listing, "--page", page)
    rows = rows_of(listing)
    assert {row["recording"]: row["kind"] for row in rows} == {SILENT: EMPTY, **dict.fromkeys(WRONG, OTHER_COMMAND)}
    assert {row["recording"]: row["answer"] for row in rows if row["kind"] == OTHER_COMMAND} == {
        name: source.split("/")[0] for name, source in WRONG.items()
    }
    assert all(float(row["label_probability"]) <= 0.005 for row in rows if row["kind"] == OTHER_COMMAND)
    assert "3 of 150 training recordings" in out
    assert {path.name for path in tmp_path.iterdir()} == {"suspects.csv", "suspects.html"}
    config = replace(TINY.corpus, leave_out=str(listing))
    recordings = read_recordings(config, wrong, progress=False)
    assert recordings.examples.notes == (f"left out by {listing}: 3 of 150 training recordings",)
    check_page(page, wrong, rows)


def check_page(path: Path, corpus: Path, rows: list[dict[str, str]]) -> None:
    """The page has the sound of every listed recording and a picture of it, and needs nothing else."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    sounds = [base64.b64decode(code) for code in re.findall(r'src="data:audio/flac;base64,([^"]+)"', text)]
    assert len(sounds) == len(page.images) == len(rows)
    for row, sound in zip(rows, sounds, strict=True):
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
        original, _ = soundfile.read(corpus / row["recording"], dtype="int16")
        assert rate == SAMPLE_RATE
        assert len(samples) == SAMPLE_RATE
        assert np.abs(samples).sum() == np.abs(original).sum()
        assert row["recording"] in page.text
    for image in page.images:
        assert base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert not re.search(r"https?:|<script|<link", text)


def test_folds_answer_every_recording_once_by_networks_of_other_speakers(
    wrong: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[set[str]] = []
    run = Trainer.run

    def spy(trainer: Trainer) -> None:
        examples = trainer.batches.examples
        names = read_recordings(TINY.corpus, wrong, progress=False).clips.names
        heard.append({names[row] for row in examples.row})
        run(trainer)

    monkeypatch.setattr(Trainer, "run", spy)
    (tmp_path / "left_out").write_text(SILENT)
    flags = [*FOLDS, "--folds", 3, "--leave-out", tmp_path / "left_out", "--threshold", 1, "--near-words"]
    status, out, _ = call(capsys, "suspects", "--data", wrong, "--out", tmp_path / "s.csv", *flags)
    assert status == 0
    training = {clip.name for clip in scan(wrong).clips if clip.split == "training"}
    speakers = [{speaker_of(name) for name in names} for names in heard]
    assert set.union(*heard) == training - {SILENT}
    assert all(sum(name in names for names in heard) == 2 for name in training - {SILENT})
    assert not set.intersection(*speakers)
    rows = rows_of(tmp_path / "s.csv")
    assert SILENT in {row["recording"] for row in rows if row["kind"] == EMPTY}  # asked about all the same
    assert len({row["recording"] for row in rows}) == len(rows)
    assert f"{len(rows)} of {len(training)} training recordings" in out


def test_an_onnx_file_is_asked_too(
    wrong: Path, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing, onnx = tmp_path / "suspects.csv", bundled_model(".onnx")
    models = ["--model", model_file, "--model", onnx, "--model", "commands8"]
    answer(capsys, "suspects", "--data", wrong, *models, "--out", listing)
    rows = rows_of(listing)
    assert {row["recording"] for row in rows} <= {SILENT, *WRONG}  # all must find the label improbable
    assert rows[0]["recording"] == SILENT


def test_the_speakers_are_divided_evenly() -> None:
    names = [f"yes/{speaker}_nohash_{take}.wav" for speaker in "abcdefg" for take in range(ord(speaker) - 95)]
    folds = speaker_folds(names, 3)
    assert max(Counter(folds.tolist()).values()) - min(Counter(folds.tolist()).values()) <= 2
    for speaker in "abcdefg":
        assert len({fold for name, fold in zip(names, folds, strict=True) if speaker_of(name) == speaker}) == 1
    with pytest.raises(CorpusError, match="has 7 speakers, fewer than 8 folds; lower --folds"):
        speaker_folds(names, 8)


def test_the_mean_is_of_the_models_that_have_an_answer() -> None:
    one, other = (np.array(rows, np.float32) for rows in ([[1, 0], [0, 0], [0, 0]], [[0.5, 0.5], [0, 1], [0, 0]]))
    assert mean_answer([one, other]).tolist() == [[0.75, 0.25], [0, 1], [0, 0]]


def in_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.rint(32767 * samples).astype(np.int16)


WORD = in_int16(0.3 * np.sin(2 * np.pi * 500 * TIME) * np.exp(-(((TIME - 0.5) / 0.1) ** 2)))
RUMBLE = in_int16(0.5 * np.sin(2 * np.pi * 60 * TIME)) + WORD // 20
HISS = in_int16(RANDOM.normal(0, 0.01, SAMPLE_RATE))
PADDED = np.where(np.abs(TIME - 0.5) < 0.2, HISS, 0).astype(np.int16)
QUIET = in_int16(RANDOM.normal(0, 1e-4, SAMPLE_RATE))
CLICK = HISS + np.eye(1, SAMPLE_RATE, 5000, np.int16)[0] * 9000


@pytest.mark.parametrize(
    ("label", "answer", "improbable", "clip", "kind"),
    [
        ("yes", "yes", True, WORD, ""),
        ("yes", "no", False, WORD, ""),
        ("yes", "no", True, WORD, OTHER_COMMAND),
        ("yes", UNKNOWN, True, RUMBLE, NO_COMMAND),
        ("yes", SILENCE, True, WORD, NO_WORD),
        (UNKNOWN, SILENCE, True, WORD, NO_WORD),
        (UNKNOWN, "yes", True, WORD, NEAR_WORD),
        (SILENCE, "yes", True, HISS, NEAR_WORD),
        (SILENCE, SILENCE, True, QUIET, ""),
        ("yes", "no", False, HISS, EMPTY),
        ("yes", "no", False, PADDED, EMPTY),
        ("yes", "no", False, CLICK, EMPTY),
        ("yes", "yes", True, HISS, ""),  # a word may fill the recording
        ("yes", "yes", True, QUIET, EMPTY),
        ("yes", "yes", True, np.zeros(SAMPLE_RATE, np.int16), EMPTY),
        ("yes", "yes", True, np.where(TIME < 0.05, WORD + 3000, 0).astype(np.int16), EMPTY),
    ],
)
def test_kinds(label: str, answer: str, improbable: bool, clip: NDArray[np.int16], kind: str) -> None:
    assert kind_of(label, answer, improbable, clip) == kind
    assert not kind or kind in KINDS


def test_names_are_text_on_the_page_and_kept_in_the_list(tmp_path: Path) -> None:
    word = '<b>yes, "no"&'
    names = [f"{word}/a.wav", os.fsdecode(b"no/caf\xe9.wav")]
    listing = tmp_path / "suspects.csv"
    suspects = [Suspect(name, name.split("/")[0], UNKNOWN, 0.9, 0.001, NO_COMMAND) for name in names]
    write_csv(listing, suspects)
    assert left_out_names(listing, names) == set(names)
    clips = ClipCache(tuple(names), np.stack([WORD, HISS]), {}, "")
    task = Task(("yes", UNKNOWN))
    recordings = Recordings(Corpus(tmp_path, (), (), ()), clips, task, examples_of_nothing())
    numbers = np.arange(2)
    text = page(Examination(recordings, numbers, numbers, np.eye(2, dtype=np.float32)), suspects, 0.005, worst=1)
    assert "&lt;b&gt;yes, &#34;no&#34;&amp;/a.wav" in text
    assert "<b>" not in text
    assert "1 of 2 recordings" in text
    text = page(Examination(recordings, numbers, numbers, np.eye(2, dtype=np.float32)), suspects, 0.005, worst=2)
    assert r"no/caf\udce9.wav" in text


def examples_of_nothing() -> Examples:
    none = np.zeros(0, np.int64)
    return Examples((), none, none, none, none, (), (), none.astype(np.int16), none)


def test_an_interruption_leaves_nothing(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def interrupted(trainer: Trainer, batch: Batch) -> float:
        signal.raise_signal(signal.SIGINT)
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "step", interrupted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, _, err = call(capsys, "suspects", "--data", demo, "--out", tmp_path / "s.csv", *FOLDS)
    assert (status, err.splitlines()[-1]) == (130, "interrupted")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--folds", "1"], "'1' is too few; give 2 or more"),
        (["--threshold", "2"], "'2' is not a number from 0 to 1"),
        (["--model", "none.safetensors"], "none.safetensors"),
        (["--folds", "40", *FOLDS], "the training split has 14 speakers, fewer than 40 folds"),
        ([], "has no recordings of on, off"),
        (["--labels", "yes,no", "--batch", "999"], "batch is 999"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_what_cannot_be_used(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    status, _, err = call(capsys, "suspects", "--data", demo, "--out", tmp_path / "s.csv", *flags)
    assert status == 2
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
