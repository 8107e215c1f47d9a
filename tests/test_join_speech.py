"""The script that joins the seconds of continuous speech, divided into parts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile as sf

from conftest import ROOT
from speech_lstm.audio.energy import rms
from speech_lstm.config import SAMPLE_RATE, UNKNOWN
from speech_lstm.streams.truth import Event, read_truth
from speech_lstm.streams.voices import EDGE

PARTS = ("--parts", "train=0.5,thresholds=0.25,figure=0.25")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import join_speech

    return join_speech


def write_pieces(folder: Path, clip: str, seconds: int, kind: str = "part") -> np.ndarray:
    """A clip of bursts in faint noise, cut into numbered seconds; returns it whole."""
    rng = np.random.default_rng(list(clip.encode()))
    bursts = np.repeat(rng.random(10 * seconds) < 0.7, SAMPLE_RATE // 10)
    wave = rng.standard_normal(len(bursts)) * np.where(bursts, 0.1, 0.001)
    folder.mkdir(exist_ok=True)
    for i in range(seconds):
        sf.write(folder / f"{clip}_{kind}{i}.wav", wave[i * SAMPLE_RATE : (i + 1) * SAMPLE_RATE], SAMPLE_RATE)
    return wave


def joined(folder: Path) -> list[tuple[Event, np.ndarray]]:
    """Every stretch of the truths in a folder with its sound."""
    stretches = []
    for path in sorted(folder.rglob("*.wav")):
        samples, _ = sf.read(path, dtype="float32")
        for event in read_truth(path.with_suffix(".csv")):
            assert event.end is not None
            stretches.append((event, samples[round(event.start * SAMPLE_RATE) : round(event.end * SAMPLE_RATE)]))
    return stretches


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_consecutive_seconds_are_joined_without_a_gap(script: ModuleType, tmp_path: Path) -> None:
    wave = write_pieces(tmp_path / "a", "talk", 12)
    assert script.main([str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    ((event, samples),) = joined(tmp_path / "out" / "speech")
    assert (event.word, event.file) == (UNKNOWN, "a/talk")
    inner, original = samples[EDGE:-EDGE], wave[EDGE:-EDGE]
    gain = float(inner @ original / (original @ original))
    assert rms(inner - np.float32(gain) * original.astype(np.float32)) < 1e-4
    assert -39 < 20 * np.log10(rms(samples)) < -25


def test_pieces_that_are_not_consecutive_stay_apart(script: ModuleType, tmp_path: Path) -> None:
    for clip, kind in (("talk", "part"), ("order", "p")):
        write_pieces(tmp_path / "a", clip, 3, kind)
    (tmp_path / "a" / "talk_part1.wav").unlink()
    script.main([str(tmp_path / "a"), "--out", str(tmp_path / "out"), "--gap", "0.5", *PARTS])
    assert [len(samples) for _, samples in joined(tmp_path / "out")] == [SAMPLE_RATE] * 5
    truths = {path.parent.name: read_truth(path) for path in (tmp_path / "out").rglob("*.csv")}
    files = [[event.file for event in truth] for truth in truths.values()]
    assert sorted(name for truth in files for name in set(truth)) == ["a/order", "a/talk"]


def test_the_gap_is_as_loud_as_the_noise_of_the_clips(script: ModuleType, tmp_path: Path) -> None:
    for i in range(8):
        write_pieces(tmp_path / "a", f"talk{i}", 4)
    script.main([str(tmp_path / "a"), "--out", str(tmp_path / "out"), "--gap", "0.3"])
    (path,) = (tmp_path / "out").rglob("*.wav")
    samples, _ = sf.read(path, dtype="float32")
    events = read_truth(path.with_suffix(".csv"))
    for before, after in pairwise(events):
        assert before.end is not None
        assert after.start - before.end == pytest.approx(0.3, abs=1e-4)
        middle = samples[round(before.end * SAMPLE_RATE) : round(after.start * SAMPLE_RATE)]
        around = samples[round(before.start * SAMPLE_RATE) : round(before.end * SAMPLE_RATE)]
        assert -60 < 20 * np.log10(rms(middle) / rms(around)) < -30  # the clips' own noise is at −40


def test_a_clip_is_in_one_part_and_further_clips_do_not_move_it(script: ModuleType, tmp_path: Path) -> None:
    for i in range(24):
        write_pieces(tmp_path / "a", f"talk{i}", 2)
    places = []
    for run in ("one", "two"):
        script.main([str(tmp_path / "a"), "--out", str(tmp_path / run), *PARTS])
        places.append({e.file: p.parent.name for p in (tmp_path / run).rglob("*.csv") for e in read_truth(p)})
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert set(places[0].values()) == {"train", "thresholds", "figure"}
    write_pieces(tmp_path / "a", "further", 2)
    script.main([str(tmp_path / "a"), "--out", str(tmp_path / "three"), *PARTS])
    third = {e.file: p.parent.name for p in (tmp_path / "three").rglob("*.csv") for e in read_truth(p)}
    assert third.items() > places[0].items()


def test_what_is_left_out_and_what_cannot_be_read(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in ("talk", "command", "damaged", "silent"):
        write_pieces(tmp_path / "a", clip, 2)
    (tmp_path / "a" / "damaged_part1.wav").write_bytes(b"RIFF")
    for i in range(2):
        sf.write(tmp_path / "a" / f"silent_part{i}.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    (tmp_path / "list.txt").write_text("command_part1.wav\n")
    arguments = [str(tmp_path / "a"), "--out", str(tmp_path / "out"), "--leave-out", str(tmp_path / "list.txt")]
    assert script.main(arguments) == 0
    assert [event.file for event, _ in joined(tmp_path / "out")] == ["a/talk"]
    skipped = capsys.readouterr().err
    assert skipped.count("skipped: ") == 2
    assert "is silent" in skipped


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--parts", "train=0.5"], "with a sum of 1"),
        (["--parts", "../up=1"], "is not a list"),
        (["--gap", "-1"], "a time in seconds"),
        (["--leave-out", "absent.txt"], "absent.txt"),
        (["--noise", "absent"], "there is no such file"),
    ],
)
def test_wrong_options(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    write_pieces(tmp_path / "a", "talk", 1)
    try:
        status = script.main([str(tmp_path / "a"), "--out", str(tmp_path / "out"), *flags])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
