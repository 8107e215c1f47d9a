"""False accepts that are collected from long recordings, and what the folder is for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from conftest import ROOT
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.recognizer import Recognizer, load
from speech_lstm.streams.mining import FOLDER, TABLE, Collection, FalseAccept, Miner, mine
from speech_lstm.streams.truth import Event
from support.command_line import call, refusal

SPEAKER = "7a254b5f_nohash_0.wav"
WORDS = ("stop", "left", "right", "yes")
PAUSE = 2.0  # seconds
MODEL = bundled_model(".onnx")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load(MODEL)


@pytest.fixture(scope="module")
def sound() -> tuple[NDArray[np.float32], list[Event]]:
    """The words with pauses in faint noise, and where each recording of one is."""
    parts, events, begin = [np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)], [], PAUSE
    for word in WORDS:
        wave = read_recording(ROOT / "data" / "demo" / word / SPEAKER)
        events.append(Event(word, begin, begin + len(wave) / SAMPLE_RATE))
        parts += [wave, parts[0]]
        begin += len(wave) / SAMPLE_RATE + PAUSE
    joined = np.concatenate(parts)
    noise = np.random.default_rng(1).normal(0, 0.0005, len(joined))
    return (joined + noise).astype(np.float32), events


@pytest.fixture
def recording(sound: tuple[NDArray[np.float32], list[Event]], tmp_path: Path) -> Path:
    path = tmp_path / "speech" / "talk.wav"
    path.parent.mkdir()
    soundfile.write(path, sound[0], SAMPLE_RATE, "PCM_16")
    return path


def table(out: Path) -> list[dict[str, str]]:
    with (out / TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def mined(recognizer: Recognizer, wave: NDArray[np.float32], size: int, said: list[Event]) -> list[FalseAccept]:
    miner = Miner(recognizer, 0.5, said)
    accepts = [accept for at in range(0, len(wave), size) for accept in miner(wave[at : at + size])]
    return accepts + miner.finish()


def test_the_second_of_each_accept_contains_the_word(
    recognizer: Recognizer, sound: tuple[NDArray[np.float32], list[Event]]
) -> None:
    wave, events = sound
    accepts = mined(recognizer, wave, 160_000, [])
    assert [accept.label for accept in accepts] == list(WORDS)
    for accept, event in zip(accepts, events, strict=True):
        first = round(accept.start * SAMPLE_RATE)
        assert np.array_equal(accept.clip, wave[first : first + CLIP_SAMPLES])
        middle = (event.start + (event.end or 0)) / 2
        assert accept.start + 0.1 < middle < accept.start + 0.9
        assert accept.probability >= 0.5
        posteriors = recognizer.posteriors(accept.clip[None])[0]
        assert recognizer.labels[posteriors.argmax()] == accept.label


def test_the_blocks_do_not_matter(recognizer: Recognizer, sound: tuple[NDArray[np.float32], list[Event]]) -> None:
    runs = [mined(recognizer, sound[0], size, []) for size in (700, 16_000, len(sound[0]))]
    places = [[(accept.label, accept.start) for accept in accepts] for accepts in runs]
    assert places[0] == places[1] == places[2]


def test_commands_that_are_said_are_not_kept(
    recognizer: Recognizer, sound: tuple[NDArray[np.float32], list[Event]]
) -> None:
    wave, events = sound
    assert [accept.label for accept in mined(recognizer, wave, 16_000, [events[1], events[3]])] == ["stop", "right"]
    end = events[1].end or 0
    beside = Event("left", end + 0.95, end + 1.05)
    assert len(mined(recognizer, wave, 16_000, [beside])) == len(WORDS)


def test_a_recording_that_is_shorter_than_a_second(recognizer: Recognizer) -> None:
    path = ROOT / "data" / "demo" / "stop" / SPEAKER
    accepts = [accept for _, accepts in mine(recognizer, path, 0.2) for accept in accepts]
    for accept in accepts:
        assert accept.clip.shape == (CLIP_SAMPLES,)
        assert accept.start <= 0
    assert [accept.label for accept in accepts] == ["stop"]


def test_the_folder_is_for_training(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording.with_suffix(".csv").write_text("word,start,end\nleft,4.4,4.9\ntree,8,8.5\n")
    status, out, _ = call(capsys, "mine", MODEL, recording.parent, "--out", tmp_path / "mined")
    assert status == 0
    assert "3 false accepts in 0.00 h: " in out
    rows = table(tmp_path / "mined")
    assert {row["label"] for row in rows} == {"stop", "right", "yes"}
    paths = find_recordings([tmp_path / "mined"])
    assert {tmp_path / "mined" / row["file"] for row in rows} == set(paths)
    for row in rows:
        path = tmp_path / "mined" / row["file"]
        assert path.parent.name == FOLDER
        assert row["recording"] == str(recording)
        first = round(float(row["start"]) * SAMPLE_RATE)
        source = read_recording(recording)[first - 80 : first + CLIP_SAMPLES + 80]  # `start` has two decimals
        clip = read_recording(path)
        assert max(np.corrcoef(clip, source[k : k + CLIP_SAMPLES])[0, 1] for k in range(160)) > 0.999


def test_only_the_likeliest_are_kept(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "mine", MODEL, recording, "--out", tmp_path / "all")
    call(capsys, "mine", MODEL, recording, "--out", tmp_path / "two", "--most", 2)
    likeliest = sorted(table(tmp_path / "all"), key=lambda row: -float(row["probability"]))[:2]
    assert {row["file"] for row in table(tmp_path / "two")} == {row["file"] for row in likeliest}
    assert len(find_recordings([tmp_path / "two"])) == 2


def test_what_was_found_before_an_interruption_is_kept(tmp_path: Path) -> None:
    accept = FalseAccept("yes", 0.7, 1.5, np.zeros(CLIP_SAMPLES, np.float32))

    def interrupted() -> None:
        with Collection(tmp_path / "mined") as collection:
            collection.add(Path("a.wav"), accept)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (row,) = table(tmp_path / "mined")
    assert (tmp_path / "mined" / row["file"]).is_file()


def test_no_name_leaves_the_folder_and_none_is_used_twice(tmp_path: Path) -> None:
    with Collection(tmp_path / "mined") as collection:
        for label, recording in (("../../up", "a"), ("../../up", "b"), (".é\udcff", "x" * 250), ("no", "..")):
            accept = FalseAccept(label, 0.5, 0.0, np.zeros(CLIP_SAMPLES, np.float32))
            collection.add(tmp_path / recording / ("x" * 200 + ".wav"), accept)
    assert len(find_recordings([tmp_path / "mined" / FOLDER])) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"mined"}
    assert len(table(tmp_path / "mined")) == 4


def test_a_damaged_recording_among_several(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recording.parent / "damaged.wav").write_bytes(b"RIFF")
    status, _, err = call(capsys, "mine", MODEL, recording.parent, "--out", tmp_path / "mined")
    assert status == 1
    assert "damaged.wav" in err
    assert "1 of 2 recordings could not be read" in err
    assert len(table(tmp_path / "mined")) == len(WORDS)


def test_wrong_input(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mined"
    flags = ("--out", out)
    assert "there is no such file" in refusal(capsys, "mine", MODEL, tmp_path / "absent.wav", *flags)
    assert "standard input" in refusal(capsys, "mine", MODEL, "-", *flags)
    assert "absent.onnx" in refusal(capsys, "mine", tmp_path / "absent.onnx", recording, *flags)
    assert "not an empty folder" in refusal(capsys, "mine", MODEL, recording, "--out", recording.parent)
    assert "not an empty folder" in refusal(capsys, "mine", MODEL, recording, "--out", recording)
    recording.with_suffix(".csv").write_text("word\nleft\n")
    assert "has no column 'start'" in refusal(capsys, "mine", MODEL, recording, *flags)
    assert not out.exists()
