"""The scripts that make synthetic speech and noise, run as a user runs them."""

import csv
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from speech_lstm.config import COMMANDS_8, SILENCE
from speech_lstm.corpus.speech_commands import SPLITS, hashed_split, scan

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "data" / "demo"
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is missing")


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / script, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def make_demo(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    small = "--commands yes,no --others bed --speakers 5 --other-speakers 3 --noise-seconds 2"
    return run("make_demo_corpus.py", "--out", out, *shlex.split(small), *more)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_clips(folder: Path) -> None:
    for path in folder.glob("[!_]*/*.wav"):
        info = sf.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16"), path
        assert 0.1 <= info.duration <= 1.0, path
        samples, _ = sf.read(path)
        assert 0.04 < np.abs(samples).max() < 0.95, path


def check_lists(folder: Path) -> None:
    names = {f"{path.parent.name}/{path.name}" for path in folder.glob("[!_]*/*.wav")}
    for split in SPLITS[1:]:
        listed = (folder / f"{split}_list.txt").read_text().split()
        assert listed
        assert set(listed) == {name for name in names if hashed_split(name) == split}


@needs_espeak
def test_demo_corpus_has_the_layout_of_the_archive(tmp_path: Path) -> None:
    made = make_demo(tmp_path / "demo")
    assert made.returncode == 0, made.stderr
    corpus = scan(tmp_path / "demo")
    assert corpus.words == ("bed", "no", "yes")
    assert {word: sum(clip.word == word for clip in corpus.clips) for word in corpus.words} == {
        "yes": 5,
        "no": 5,
        "bed": 3,
    }
    assert not corpus.notes
    check_clips(tmp_path / "demo")
    check_lists(tmp_path / "demo")
    assert len(corpus.noise) == 5
    for name in corpus.noise:
        noise, rate = sf.read(tmp_path / "demo" / name)
        assert (rate, len(noise)) == (16_000, 32_000)
        assert noise.std() == pytest.approx(0.1, rel=0.1)


@needs_espeak
def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name, seed in [("one", "3"), ("two", "3"), ("three", "4")]:
        assert make_demo(tmp_path / name, "--seed", seed).returncode == 0
    one, two, three = (contents(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three


@needs_espeak
def test_speech_for_training(tmp_path: Path) -> None:
    flags = "--commands stop,go --each 3 --unknown 24 --exclude bird,two --speakers 12 --seed 5"
    made = run("make_speech.py", "--out", tmp_path / "speech", *shlex.split(flags))
    assert made.returncode == 0, made.stderr
    with (tmp_path / "speech" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    kinds = [row["kind"] for row in rows]
    assert {kind: kinds.count(kind) for kind in kinds} == {"command": 6, "common": 10, "near": 8, "pseudo": 6}
    assert {row["file"] for row in rows} == {
        str(path.relative_to(tmp_path / "speech")) for path in (tmp_path / "speech").glob("*/*.wav")
    }
    for row in rows:
        assert sf.info(tmp_path / "speech" / row["file"]).frames == 16_000
        assert row["word"] in {"stop", "go"} or row["kind"] != "command"
    check_clips(tmp_path / "speech")


@needs_espeak
def test_speech_without_a_command(tmp_path: Path) -> None:
    flags = "--each 0 --unknown 3 --speakers 4"
    made = run("make_speech.py", "--out", tmp_path / "speech", *shlex.split(flags))
    assert made.returncode == 0, made.stderr
    assert "3 of 3 clips" in made.stdout


@needs_espeak
def test_homophones_of_commands_and_excluded_words_are_not_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import make_speech

    words = ["mother", "sea", "see", "meat", "meet", "sun", "son", "know", "no"]
    monkeypatch.setattr(make_speech, "read_words", lambda: {"common": words})
    rng = np.random.default_rng(0)
    common = {word for _, word in make_speech.unknown_words(40, ["sea", "no"], ["meet", "son"], rng)}
    assert "mother" in common
    assert not common & {"sea", "see", "meat", "meet", "sun", "son", "know", "no"}


def test_noises_are_silence_clips_of_every_kind_and_the_same_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        made = run("make_noise.py", "--out", tmp_path / name, "--count", "14", "--seed", "3")
        assert made.returncode == 0, made.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    paths = list((tmp_path / "one" / SILENCE).iterdir())
    assert set(Counter(path.stem.rpartition("_")[0] for path in paths).values()) == {2}
    for path in paths:
        samples, rate = sf.read(path)
        assert (rate, samples.shape) == (16_000, (16_000,)), path
        assert 0.002 < np.abs(samples).max() < 0.91, path


@needs_espeak
@pytest.mark.parametrize("script", ["make_speech.py", "make_demo_corpus.py"])
def test_a_folder_with_recordings_is_left_alone(script: str, tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    sf.write(tmp_path / "yes" / "1_nohash_0.wav", np.zeros(100), 16_000)
    refused = run(script, "--out", tmp_path)
    assert refused.returncode == 2
    assert "already contains recordings" in refused.stderr
    assert len(contents(tmp_path)) == 1


def test_scripts_say_what_is_missing(tmp_path: Path) -> None:
    for script in ("make_speech.py", "make_demo_corpus.py"):
        command = [sys.executable, str(ROOT / "scripts" / script), "--out", str(tmp_path / "new")]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": str(tmp_path)}
        refused = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: espeak-ng is missing")
        assert not (tmp_path / "new").exists()


def test_the_carried_corpus_is_whole() -> None:
    corpus = scan(DEMO)
    assert not corpus.notes
    assert set(COMMANDS_8) < set(corpus.words)
    assert {clip.split for clip in corpus.clips} == set(SPLITS)
    check_clips(DEMO)
    check_lists(DEMO)
    speakers = {split: {Path(c.name).name[:8] for c in corpus.clips if c.split == split} for split in SPLITS}
    assert not speakers["training"] & (speakers["validation"] | speakers["testing"])
    assert sum(path.stat().st_size for path in DEMO.glob("*/*.wav")) < 4_500_000
