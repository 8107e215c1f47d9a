"""What `listen --keep` keeps, and how `review` sorts it."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN
from speech_lstm.corpus.own_words import write_take
from speech_lstm.live.command_log import Command
from speech_lstm.live.keeping import UNSORTED, Keeper
from speech_lstm.live.near_misses import NearMiss, NearMissWatch
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import load
from support.command_line import call, refusal

LABELS = ("yes", "no", UNKNOWN, SILENCE)


def scores(yes: float) -> dict[str, float]:
    return dict(zip(LABELS, (yes, 0.01, 0.9 - yes, 0.09), strict=True))


def keeper(folder: Path, most: float = 10) -> Keeper:
    detector = Detector(load())
    detector(np.random.default_rng(1).uniform(-0.1, 0.1, 2 * SAMPLE_RATE).astype(np.float32))
    return Keeper(folder, detector, most)


def said(yes: float = 0.9) -> Command:
    return Command("a test", Prediction("yes", yes, 0.5, 1.0, scores(yes)), datetime.now().astimezone(), 1.0)


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text("utf-8")) for file in sorted((folder / UNSORTED).glob("*.json"))]


def test_what_fires_is_kept_with_its_scores(tmp_path: Path) -> None:
    with keeper(tmp_path) as keeping:
        assert any("keeping in" in line for line in keeping.notes())
        keeping(said())
        assert keeping.notes() == []
    (facts,) = kept(tmp_path)
    assert (facts["word"], facts["fired"], facts["scores"]) == ("yes", True, scores(0.9))
    (file,) = (tmp_path / UNSORTED).glob("*.wav")
    np.testing.assert_allclose(read_recording(file), keeping.detector.recent[-CLIP_SAMPLES:], atol=1e-4)


class ScoredDetector:
    """Stands for a detector whose scores a test sets."""

    recent = np.zeros(CLIP_SAMPLES, np.float32)
    seconds = 5.0
    scores = scores(0.0)


def test_a_near_miss_is_passed_on_once_it_is_over() -> None:
    detector, misses = ScoredDetector(), list[NearMiss]()
    watch = NearMissWatch(detector, 0.3, [misses.append])

    def look(*values: float) -> list[float]:
        """The scores of the near misses after blocks with these scores of the word."""
        for yes in values:
            detector.scores = scores(yes)
            watch.notes()
        return [miss.score for miss in misses]

    assert look(0.1, 0.35, 0.45, 0.2) == []
    assert look(0.1) == [0.45]
    look(0.4, 0.6)
    watch(said())  # it was no near miss, and its score goes on rising
    assert look(0.7, 0.2, 0.1) == [0.45]
    assert look(0.4, 0.1) == [0.45, 0.4]
    line = json.loads(misses[0].json("a test"))
    assert (line["nearly"], line["probability"], line["file"], "label" in line) == ("yes", 0.45, "a test", False)


def test_a_near_miss_is_kept(tmp_path: Path) -> None:
    with keeper(tmp_path) as keeping:
        keeping.notes()
        clip = np.full(CLIP_SAMPLES, 0.1, np.float32)
        keeping.near(NearMiss("yes", scores(0.45), clip, 2.0, datetime.now().astimezone()))
        assert keeping.notes() == ["nearly yes 0.45"]
    assert [facts["fired"] for facts in kept(tmp_path)] == [False]


def test_no_more_is_kept_than_asked(tmp_path: Path) -> None:
    with keeper(tmp_path, most=0.08) as keeping:
        keeping.notes()
        for _ in range(4):
            keeping(said())
        assert keeping.notes() == ["the folder is full (--keep-mb); nothing more is kept"]
    count = len(kept(tmp_path))
    assert count <= 2
    with keeper(tmp_path, most=0.08) as keeping:  # what is there counts
        keeping(said())
    assert len(kept(tmp_path)) == count


def test_listening_goes_on_where_the_folder_is_lost(tmp_path: Path) -> None:
    with keeper(tmp_path) as keeping:
        keeping.notes()
        (tmp_path / UNSORTED).rmdir()
        (tmp_path / UNSORTED).write_bytes(b"")
        keeping(said())
        assert "cannot be written" in keeping.notes()[0]


def test_review_sorts(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for i, word in enumerate(["yes"] * 6):
        stem = tmp_path / UNSORTED / f"2026{i}_{word}"
        write_take(stem.with_suffix(".wav"), np.full(CLIP_SAMPLES, 0.01 * i, np.float32))
        facts = {"word": word, "fired": True, "time": "", "scores": scores(0.9)}
        stem.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("w\n2\nu\n?\nn\nd\nq\n"))
    status, out, _ = call(capsys, "review", tmp_path, "--silent")
    assert status == 0
    assert "other speech" in out  # the keys, after a key that is none
    assert "1 left in" in out
    places = {path.name: path.parent.name for path in tmp_path.rglob("*.wav")}
    assert places == {
        "20260_yes.wav": "yes",
        "20261_yes.wav": "no",
        "20262_yes.wav": UNKNOWN,
        "20263_yes.wav": SILENCE,
        "20265_yes.wav": UNSORTED,
    }
    assert (tmp_path / "no" / "20261_yes.json").is_file()
    monkeypatch.setattr("sys.stdin", io.StringIO("s\n"))
    assert "1 left in" in call(capsys, "review", tmp_path, "--silent")[1]


def test_what_was_written_beside_a_recording_cannot_lead_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = tmp_path / "kept" / UNSORTED / "1_yes"
    write_take(stem.with_suffix(".wav"), np.zeros(CLIP_SAMPLES, np.float32))
    facts = {"word": "../../evil", "fired": True, "time": "", "scores": {"../evil": 0.5}}
    stem.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("w\n1\n"))
    assert call(capsys, "review", tmp_path / "kept", "--silent")[0] == 0
    assert stem.with_suffix(".wav").is_file()
    stem.with_suffix(".json").write_text("{", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("w\n"))
    assert call(capsys, "review", tmp_path / "kept", "--silent")[0] == 0
    assert (tmp_path / "kept" / "yes" / "1_yes.wav").is_file()


def test_a_folder_in_which_nothing_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "`speech-lstm listen --keep DIR` makes one" in refusal(capsys, "review", tmp_path)


def test_listen_keeps_what_fires(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = read_recording(next(iter(sorted((demo / "stop").glob("*.wav")))))
    write_take(tmp_path / "stream.wav", np.concatenate([np.zeros(SAMPLE_RATE), word, np.zeros(SAMPLE_RATE)]))
    line = ["listen", "--input", tmp_path / "stream.wav", "--threshold", 0.1]
    status, _, notes = call(capsys, *line, "--plain", "--keep", tmp_path / "kept", "--nearly", 0.05)
    assert status == 0
    assert "keeping in" in notes
    assert any(facts["fired"] for facts in kept(tmp_path / "kept"))
    assert "add --keep DIR or --jsonl" in refusal(capsys, *line, "--plain", "--nearly", 0.3)


def test_near_misses_are_lines_of_json(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = read_recording(next(iter(sorted((demo / "stop").glob("*.wav")))))
    write_take(tmp_path / "stream.wav", np.concatenate([np.zeros(SAMPLE_RATE), word, np.zeros(SAMPLE_RATE)]))
    line = ["listen", "--input", tmp_path / "stream.wav", "--threshold", 1, "--jsonl", "--nearly", 0.1]
    status, out, _ = call(capsys, *line)
    assert status == 0
    assert [json.loads(text)["nearly"] for text in out.splitlines()] == ["stop"]
