"""The recipe of the bundled models: its commands exist, in the right order, and its table is right."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from speech_lstm.commands.parser import build_parser
from speech_lstm.config import COMMANDS_8, read_config, split_names

NAMES = ("commands8", "commands15")
FOLDERS = {"DATA": "corpus", "SPEECH": "speech", "WORK": "work", "OTHER": "a,b"}


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--file", ROOT / "scripts" / "recipe.mk", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def commands_of(target: str, folder: Path, **variables: str) -> list[list[str]]:
    """The commands of this project that `make` would run, without Python's name."""
    settings = [f"{name}={value}" for name, value in {**FOLDERS, **variables}.items()]
    for path in ("corpus", "speech/train", "speech/thresholds", "a", "b"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    run = make(folder, "--dry-run", *settings, target)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.replace("\\\n", " ").replace(";", "\n").replace(" else ", "\n").replace("then ", "\n")
    commands = [shlex.split(line.partition(">")[0]) for line in lines.splitlines() if "-m speech_lstm" in line]
    return [words[words.index("speech_lstm") + 1 :] for words in commands]


def test_every_command_can_be_parsed(tmp_path: Path) -> None:
    commands = commands_of(
        "test", tmp_path, SEEDS="1 2", FIGURES="real made", TEACHERS="x.onnx,y.onnx", FLAGS="--leave-out list.csv"
    )
    parser = build_parser()
    for words in commands:
        parser.parse_args(words)
    trainings = [words for words in commands if words[0] == "train" and "--resume" not in words]
    taught = [words[words.index("--teachers") + 1] for words in trainings]
    assert sorted(set(taught)) == [
        "x.onnx,y.onnx",
        *(f"x.onnx,y.onnx,work/first-{n}/last.safetensors" for n in (1, 2)),
        *(f"x.onnx,y.onnx,work/second-{name}-{n}/last.safetensors" for name in sorted(NAMES) for n in (1, 2)),
    ]
    kinds = [words[0] for words in commands if "--resume" not in words]
    assert kinds.count("train") == 2 * 5
    assert kinds.count("mine") == 2 * 3
    assert kinds.count("calibrate") == kinds.count("evaluate") == 2 * 2
    assert kinds.count("stream-test") == 2 * 2 * 2
    assert kinds.count("make-stream") == 2


def test_the_small_model_is_taught_by_the_bundled_one(tmp_path: Path) -> None:
    commands = commands_of("models", tmp_path, SEEDS="1", NAMES="commands8 small")
    (training,) = [words for words in commands if "work/second-small-1" in words and "--resume" not in words]
    assert training[training.index("--teachers") + 1] == "work/commands8-1.safetensors"
    assert str(build_parser().parse_args(training).config) == "scripts/small.toml"
    taught, trained = (commands.index(words) for words in (training, next(w for w in commands if "calibrate" in w)))
    assert trained < taught
    config = read_config(ROOT / "scripts" / "small.toml")
    assert config.training.carry
    assert not config.network.bidirectional


def test_testing_speakers_are_read_only_when_asked_for(tmp_path: Path) -> None:
    commands = commands_of("models", tmp_path)
    assert not {"evaluate", "stream-test", "make-stream"} & {words[0] for words in commands}
    assert not any("figure" in word for words in commands for word in words)
    assert [words[0] for words in commands].count("export") == 6


def test_what_is_there_is_not_made_again_and_a_stopped_training_goes_on(tmp_path: Path) -> None:
    for name in ("words", "noises", "first-1"):
        (tmp_path / "work" / name).mkdir(parents=True)
    (tmp_path / "work" / "first-1" / "summary.json").touch()
    trainings = [words for words in commands_of("models", tmp_path, SEEDS="1") if words[0] == "train"]
    folders = [words[words.index("--out") + 1] for words in trainings]
    assert set(folders) == {f"work/{part}-{name}-1" for part in ("second", "third") for name in NAMES}
    assert sum("--resume" in words for words in trainings) == 4  # if their state is there


def test_what_is_missing_is_named_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for settings, says in [
        ([], "DATA is not given"),
        (["DATA=corpus", "SPEECH=speech"], "WORK is not given"),
        (["DATA=nowhere", "SPEECH=speech", "WORK=work"], "nowhere does not exist"),
        (["DATA=corpus", "SPEECH=speech", "WORK=work"], "speech/train does not exist"),
    ]:
        run = make(tmp_path, *settings)
        assert run.returncode == 2
        assert says in run.stderr
        assert run.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_settings_hold_out_the_words_that_measure() -> None:
    config = read_config(ROOT / "scripts" / "recipe.toml")
    assert split_names(config.corpus.hold_out) == ("on", "off", "six", "seven", "nine")
    assert not set(split_names(config.corpus.hold_out)) & set(COMMANDS_8)


def result(share: float, rate: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `evaluate` and `stream-test` write, as far as the table reads it."""
    testing = {
        "accuracy": share,
        "command_recall": {"share": share},
        "unseen_words": {"unknown_accepted": {"share": 1 - share}},
    }
    accepts = {"all": {"not_matched": {"share": 0.1}, "false_accepts": {"an_hour": rate}}}
    return testing, {**accepts, "speech": {"all": {"false_accepts": {"an_hour": rate / 2}}}}


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import recipe_table

    names = ["commands8-1", "commands8-2", "commands15-1"]
    for name, share, rate in zip(names, (0.96, 0.97, 0.9), (4.0, 6.0, 1.0), strict=True):
        for kind, facts in zip(("testing", "figure"), result(share, rate), strict=True):
            (tmp_path / f"{name}-{kind}.json").write_text(json.dumps(facts))
    assert recipe_table.main([str(tmp_path / name) for name in names]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines[0] == "commands8-1 96.00 96.00 4.00 10.00 4.00 2.00"
    assert lines[3] == ("commands8 96.50 ± 0.71 96.50 ± 0.71 3.50 ± 0.71 10.00 ± 0.00 5.00 ± 1.41 2.50 ± 0.71")
    assert len(lines) == 4
