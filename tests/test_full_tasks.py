"""scripts/full.toml and scripts/full_tasks.py, on a tiny archive with the 35 words of Speech Commands v0.02."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from speech_lstm.config import COMMANDS_10, SILENCE, UNKNOWN, read_config
from support.corpus_files import write_clips

OTHERS = """backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven sheila
six three tree two visual wow zero"""
WORDS = (*COMMANDS_10, *OTHERS.split())
FLAGS = "--epochs 1 --hidden 4 --mels 12 --coefficients 8 --hop-ms 30 --batch 8 --device cpu --precision float32"
SMALL = FLAGS.split()
Main = Callable[[list[str]], int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import full_tasks

    return full_tasks.main


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of each word: two to train, one to validate, one to test."""
    root = tmp_path_factory.mktemp("archive")
    files = write_clips(root, (f"{word}/{i:08x}_nohash_0.wav" for word in WORDS for i in range(4)))
    write_clips(root, ["_background_noise_/hum.wav"], samples=64_000)
    for split, speaker in (("validation", "00000002"), ("testing", "00000003")):
        (root / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in files if f"/{speaker}" in name))
    return root


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the form of the official test set: three recordings of each label."""
    root = tmp_path_factory.mktemp("test_set")
    write_clips(root, (f"{word}/{i:08x}_nohash_0.wav" for word in (*COMMANDS_10, SILENCE) for i in range(3)))
    write_clips(root, (f"{UNKNOWN}/tree_{i:08x}_nohash_0.wav" for i in range(3)))
    return root


def test_the_recipe_states_what_matters_and_fits_an_hour() -> None:
    config = read_config(ROOT / "scripts" / "full.toml")
    assert config.corpus.labels == "35"
    assert (config.network.cell, config.network.layers, config.network.bidirectional) == ("lstm", 2, True)
    clips = 3 * config.training.epochs * (84_843 + 36_923)
    assert clips / 20_600 < 0.7 * 3600


def test_both_tasks_are_trained_scored_and_listed(
    main: Main, archive: Path, test_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, words = tmp_path / "out", [str(archive), str(tmp_path / "out"), "--test-12", str(test_set), "--seeds", "1,2"]
    assert len(WORDS) == len(set(WORDS)) == 35
    assert main([*words, *SMALL]) == 0
    printed = capsys.readouterr().out
    head, *lines = printed.splitlines()[-3:]
    assert head.split() == ["labels", "accuracy,", "%", "each", "recordings", "parameters"]
    for line, task, count, labels in zip(lines, ("35", "12"), (35, 36), (35, 12), strict=True):
        results = [json.loads((out / f"{task}-{seed}.json").read_text()) for seed in (1, 2)]
        shares = [100 * result["accuracy"] for result in results]
        assert line.split()[:4] == [*(task, f"{statistics.mean(shares):.2f}", "±", f"{statistics.stdev(shares):.2f}")]
        assert line.split()[-2:] == [str(count), f"{results[0]['parameters']:,}"]
        assert [len(result["labels"]) for result in results] == [labels] * 2
        assert [result["count"] for result in results] == [count] * 2
        assert {result["config"]["training"]["seed"] for result in results} == {1, 2}
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert main([*words, *SMALL]) == 0
    assert capsys.readouterr().out == "\n".join([head, *lines]) + "\n"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before, "a finished run was repeated"
    assert main([*words, *SMALL, "--dropout", "0.5"]) == 2
    assert "35-1.json is of other settings or recordings; name another OUT" in capsys.readouterr().err


def test_one_run_has_no_deviation_and_the_split_is_scored_without_a_test_set(
    main: Main, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(archive), str(tmp_path / "out"), "--tasks", "12", "--seeds", "5", *SMALL]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert "±" not in line
    assert line.split()[0] == "12"
    assert line.split()[-2] == "12"  # ten commands, one unknown word and one silence


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--tasks 30", "no task '30'"),
        ("--seeds 0", "positive whole number"),
        ("--epochs many", "epochs is 'many'"),
        ("--hidden 0", "hidden is 0"),
        ("--config none.toml", "none.toml: cannot be read"),
        ("--tasks 12", "has no recordings of"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    main: Main, words: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clips(tmp_path / "data", ["yes/00000001_nohash_0.wav"])
    try:
        status = main([str(tmp_path / "data"), str(tmp_path / "out"), *words.split()])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*.json"))
