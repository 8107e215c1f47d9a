"""Whole trainings: tiny networks on the corpus of the repository."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tomli_w
import torch
from safetensors.torch import load_file
from torch import Tensor

from speech_lstm.config import (
    COMMANDS_8,
    Config,
    CorpusConfig,
    NetworkConfig,
    TrainingConfig,
    read_config,
    read_run,
)
from speech_lstm.corpus.recordings import read_recordings
from speech_lstm.errors import ConfigError, CorpusError, ModelError
from speech_lstm.files import OutputError
from speech_lstm.model.checkpoint import load_model, read_tensors, write_tensors
from speech_lstm.training.distributed import Processes
from speech_lstm.training.hardware import choose_device
from speech_lstm.training.run import train
from speech_lstm.training.run_folder import TAGS, RunFolder
from speech_lstm.training.state import KIND, VERSION, RunProgress
from speech_lstm.training.trainer import Stopped, learning_rate
from support.full_disk import files_of_at_most, needs_limits
from support.training_runs import TINY, command_line, history, interrupt, with_training

TRAIN = [sys.executable, "-m", "speech_lstm", "train"]
SLOW = 120  # seconds; a loaded machine takes long to import torch


def written(config: Config, path: Path) -> Path:
    """A TOML file of the configuration."""
    path.write_text(tomli_w.dumps(config.to_dict()), encoding="utf-8")
    return path


def same_models(one: Path, other: Path) -> bool:
    """Whether two runs left the same weights, bit for bit."""
    pairs = [(load_file(one / name), load_file(other / name)) for name in ("last.safetensors", "best.safetensors")]
    return all(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in pairs)


def step_of(out: Path) -> int:
    """How many steps the run in a folder has done."""
    content = (out / "state.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["header"]
    return json.loads(header)["progress"]["step"]


# --- what a run leaves -------------------------------------------------------------------------------------------


def test_it_learns(run_folder: Path) -> None:
    losses = [entry["train_loss"] for entry in history(run_folder)]
    assert losses[-1] < 0.3 * losses[0]
    assert history(run_folder)[0]["train_accuracy"] < 0.5 < history(run_folder)[-1]["train_accuracy"] <= 1
    assert max(entry["validation_accuracy"] for entry in history(run_folder)) > 0.35  # chance is 0.1


def test_the_folder_of_a_run(run_folder: Path) -> None:
    names = {"config.toml", "state.safetensors", "best.safetensors", "last.safetensors", "summary.json", "curve.png"}
    assert {path.name for path in run_folder.iterdir()} == names | {"tensorboard"}
    summary = json.loads((run_folder / "summary.json").read_text(encoding="utf-8"))
    best = max(history(run_folder), key=lambda entry: (entry["validation_accuracy"], -entry["validation_loss"]))
    assert summary["best_epoch"] == best["epoch"]
    assert summary["best_validation_accuracy"] == best["validation_accuracy"]
    assert summary["labels"] == [*COMMANDS_8, "_unknown_", "_silence_"]
    assert (run_folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    for name, epoch in (("best", summary["best_epoch"]), ("last", summary["epochs"])):
        model = load_model(run_folder / f"{name}.safetensors")
        assert model.training["epoch"] == epoch
        assert model.network.parameter_count == summary["parameters"]
        assert Config.from_dict(model.training["config"]).training.epochs == summary["epochs"] == 25


def test_tensorboard_reads_the_events(run_folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_folder / "tensorboard"))
    events.Reload()
    points = [(point.step, point.value) for point in events.Scalars(TAGS["train_loss"])]
    assert points == [(entry["epoch"], pytest.approx(entry["train_loss"])) for entry in history(run_folder)]


def test_the_file_of_a_run_reproduces_it(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(TINY, demo, tmp_path / "one", progress=False)
    config = tmp_path / "one" / "config.toml"
    status, _ = command_line(capsys, "--config", config, "--out", tmp_path / "two")
    assert status == 0
    assert history(tmp_path / "one") == history(tmp_path / "two")
    assert same_models(tmp_path / "one", tmp_path / "two")
    assert f"--config {config} --out DIR" in config.read_text(encoding="utf-8").splitlines()[0]


def test_another_seed_is_another_run(tmp_path: Path, demo: Path) -> None:
    for seed in (1, 2):
        train(with_training(epochs=1, seed=seed), demo, tmp_path / str(seed), progress=False)
    assert history(tmp_path / "1") != history(tmp_path / "2")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_run(tmp_path: Path, demo: Path, precision: Any) -> None:
    train(with_training(precision=precision), demo, tmp_path / "run", progress=False)
    first, last = history(tmp_path / "run")
    assert last["train_loss"] < first["train_loss"]
    assert load_file(tmp_path / "run" / "last.safetensors")["head.weight"].dtype == torch.float32


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path, demo: Path) -> None:
    config = replace(
        with_training(epochs=9, patience=2, learning_rate=0.0),
        network=NetworkConfig(layers=1, hidden=8, normalise="none"),
    )
    summary = train(config, demo, tmp_path / "run", progress=False)
    assert (summary["best_epoch"], summary["epochs"]) == (1, 3)


def test_all_words_are_a_task_without_unknown_and_silence(tmp_path: Path, demo: Path) -> None:
    config = replace(with_training(epochs=1), corpus=CorpusConfig(labels="35", splices=0.5))
    summary = train(config, demo, tmp_path / "run", progress=False)
    assert summary["labels"] == sorted(
        path.name for path in demo.iterdir() if path.is_dir() and path.name[0] not in "._"
    )


def test_a_command_wins_over_the_file(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written(with_training(epochs=7), tmp_path / "c.toml")
    words = ("--config", config, "--data", demo, "--out", tmp_path / "run", "--epochs", 1, "--bidirectional", "no")
    assert command_line(capsys, *words)[0] == 0
    settings = Config.from_dict(load_model(tmp_path / "run" / "last.safetensors").training["config"])
    assert (settings.training.epochs, settings.network.bidirectional) == (1, False)
    assert settings.training.batch == TINY.training.batch


# --- the learning rate -------------------------------------------------------------------------------------------


def test_the_learning_rate_rises_then_follows_a_cosine() -> None:
    settings = TrainingConfig(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert rates[10:] == pytest.approx([0.5 + 0.5 * np.cos(np.pi * i / 90) for i in range(91)])


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_no_warm_up_and_nothing_else(warmup: float) -> None:
    rates = [learning_rate(step, 5, TrainingConfig(learning_rate=1.0, warmup=warmup)) for step in range(5)]
    assert max(rates) == 1.0
    assert rates == sorted(rates, reverse=warmup == 0)


# --- stopping and going on ---------------------------------------------------------------------------------------

STEADY = replace(
    TINY,
    network=NetworkConfig(layers=2, hidden=8, dropout=0.3),
    training=replace(TINY.training, epochs=3, batch=4),
)


def stop(command: list[str], number: signal.Signals, seen: str) -> tuple[int, str]:
    """Send a command a signal once `seen` (a regular expression) is in its terminal; the status and all of that."""
    here, there = pty.openpty()
    termios.tcsetwinsize(there, (24, 80))  # of no size nothing is drawn
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=there)
    os.close(there)
    text, sent, deadline = "", False, time.monotonic() + SLOW
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(here, 1 << 16):
            text += piece.decode()
            assert time.monotonic() < deadline, text
            if not sent and re.search(seen, text):
                process.send_signal(number)
                sent = True
    os.close(here)
    assert sent, f"it ended before {seen!r} was seen: {text}"
    return process.wait(SLOW), text


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Path:
    """A run that is never stopped."""
    out = tmp_path_factory.mktemp("straight") / "run"
    train(STEADY, demo, out, progress=False)
    return out


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> tuple[Path, list[str], str]:
    """The same run, stopped by Ctrl-C in the second epoch: its folder, its command line, its standard error."""
    folder = tmp_path_factory.mktemp("stopped")
    flags = ["--data", str(demo), "--out", str(folder / "run"), "--config", str(written(STEADY, folder / "c.toml"))]
    status, text = stop([*TRAIN, *flags], signal.SIGINT, "epoch 2:")
    assert status == 130, text
    return folder / "run", flags, text


def test_ctrl_c_saves_and_says_how_to_go_on(stopped: tuple[Path, list[str], str]) -> None:
    out, flags, text = stopped
    assert text.splitlines()[-1].endswith(f"speech-lstm train --out {out} {' '.join(flags[:2])} --resume")
    assert step_of(out) > 0
    assert not (out / "summary.json").exists()
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")  # of the first epoch


def test_a_resumed_run_is_the_run_that_was_never_stopped(
    straight: Path,
    stopped: tuple[Path, list[str], str],
    tmp_path: Path,
    demo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped by Ctrl-C, continued, stopped by SIGTERM, continued to the end."""
    first, _, _ = stopped
    out = tmp_path / "run"
    shutil.copytree(first, out)
    epoch = step_of(straight) // STEADY.training.epochs
    with monkeypatch.context() as patch:
        interrupt(patch, signal.SIGTERM, 2 * epoch + 3)
        with pytest.raises(Stopped):
            train(STEADY, demo, out, resume=True, progress=False)
    assert step_of(out) == 2 * epoch + 4
    train(STEADY, demo, out, resume=True, progress=False)
    assert step_of(out) == step_of(straight)
    assert step_of(first) % epoch, "stopped by chance between two epochs"
    assert history(out) == history(straight)
    assert same_models(out, straight)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(straight: Path, tmp_path: Path, demo: Path) -> None:
    shutil.copytree(straight, tmp_path / "run")
    train(STEADY, demo, tmp_path / "run", resume=True, progress=False)
    assert history(tmp_path / "run") == history(straight)
    assert same_models(tmp_path / "run", straight)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (replace(STEADY, training=replace(STEADY.training, epochs=5)), "epochs = 3, not 5"),
        (replace(STEADY, network=replace(STEADY.network, hidden=16)), "hidden = 8, not 16"),
    ],
)
def test_other_settings_can_not_resume_it(straight: Path, demo: Path, config: Config, says: str) -> None:
    with pytest.raises(ModelError, match=says) as caught:
        train(config, demo, straight, resume=True, progress=False)
    assert "\n" not in str(caught.value)


def test_other_recordings_can_not_resume_it(straight: Path, demo_copy: Path) -> None:
    next((demo_copy / "yes").glob("*.wav")).unlink()
    with pytest.raises(ModelError, match="recordings"):
        train(STEADY, demo_copy, straight, resume=True, progress=False)


def test_resume_alone_takes_the_settings_and_the_recordings_of_the_run(
    stopped: tuple[Path, list[str], str],
    straight: Path,
    tmp_path: Path,
    demo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From another folder, and although the run's settings are not the defaults."""
    shutil.copytree(stopped[0], tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert read_run(Path("run", "config.toml")) == (STEADY, str(demo))
    assert command_line(capsys, "--out", "run", "--resume")[0] == 0
    assert history(tmp_path / "run") == history(straight)
    assert same_models(tmp_path / "run", straight)


def test_a_relative_folder_is_kept_as_an_absolute_one_and_the_flag_wins(
    tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(demo.parent)
    folder = RunFolder(tmp_path / "run")
    folder.begin(TINY, Path(demo.name))
    config = folder.path("config.toml")
    assert read_run(config) == (TINY, str(demo))
    assert read_config(config) == TINY
    status, text = command_line(capsys, "--config", config, "--data", "/nowhere", "--out", tmp_path / "other")
    assert status == 2
    assert "/nowhere: no such folder" in text


def test_no_recordings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = command_line(capsys, "--out", tmp_path / "run")
    assert (status, text.count("\n")) == (2, 1)
    assert "name it with --data" in text


def test_a_folder_of_recordings_that_toml_cannot_name_is_left_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(TINY, tmp_path / os.fsdecode(b"caf\xe9"))
    assert read_run(folder.path("config.toml")) == (TINY, "")
    with pytest.raises(ConfigError, match="not UTF-8"):
        folder.begin(replace(TINY, corpus=CorpusConfig(extra=os.fsdecode(b"caf\xe9"))), tmp_path)


def swapped(corpus: Path) -> None:
    """One recording takes another one's sound."""
    one, other, *_ = sorted((corpus / "yes").glob("*.wav"))
    one.write_bytes(other.read_bytes())


def test_a_changed_sound_can_not_resume_it(straight: Path, tmp_path: Path, demo_copy: Path) -> None:
    """A recording that is trained on, one that is scored, or noise, under the same name."""
    before = {path.name: path.read_bytes() for path in straight.iterdir() if path.is_file()}
    swapped(demo_copy)
    with pytest.raises(ModelError, match="the sound of recordings has changed") as caught:
        train(STEADY, demo_copy, straight, resume=True, progress=False)
    assert "\n" not in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in straight.iterdir() if path.is_file()}


def test_the_sound_of_extra_recordings_and_of_noise_counts(demo: Path, demo_copy: Path, tmp_path: Path) -> None:
    extra, noise = tmp_path / "extra", demo_copy / "_background_noise_" / "hum.wav"
    shutil.copytree(demo / "yes", extra / "yes")
    config = replace(TINY.corpus, extra=str(extra))
    sounds = [read_recordings(config, demo_copy, False).sound]
    swapped(extra)
    sounds.append(read_recordings(config, demo_copy, False).sound)
    noise.parent.mkdir(exist_ok=True)
    for seed in (1, 2):
        samples = np.random.default_rng(seed).normal(0, 0.1, 32_000)
        soundfile.write(noise, samples, 16_000, "PCM_16")
        sounds.append(read_recordings(config, demo_copy, False).sound)
    assert len(set(sounds)) == 4
    assert read_recordings(config, demo_copy, False).sound == sounds[-1]


def test_what_is_left_out_counts(demo: Path, tmp_path: Path) -> None:
    names, file, out = [f"yes/{path.name}" for path in (demo / "yes").iterdir()], tmp_path / "list", tmp_path / "run"
    file.write_text("\n".join(names))
    config = replace(with_training(epochs=1), corpus=replace(TINY.corpus, leave_out=str(file)))
    train(config, demo, out, progress=False)
    assert read_config(out / "config.toml") == config
    file.write_text("# none")
    with pytest.raises(ModelError, match="the recordings have changed"):
        train(config, demo, out, resume=True, progress=False)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        train(config, demo, out, resume=True, progress=False)


def test_the_state_of_an_earlier_version_still_resumes(straight: Path, tmp_path: Path, demo_copy: Path) -> None:
    """It has neither a digest of the sound nor the newest settings."""

    def age(header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        del header["sound"], header["config"]["corpus"]["leave_out"]

    shutil.copytree(straight, tmp_path / "run")
    change_state(tmp_path / "run" / "state.safetensors", age)
    train(STEADY, demo_copy, tmp_path / "run", resume=True, progress=False)
    assert history(tmp_path / "run") == history(straight)


def change_state(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], Any]) -> None:
    """Change the header and the tensors of a training state, as a program would that can write one."""
    file = read_tensors(path, KIND, VERSION)
    tensors = {name: tensor.clone() for name, tensor in file.tensors.items()}
    change(file.header, tensors)
    write_tensors(path, tensors, KIND, VERSION, file.header)


ENTRY = {
    **{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.7, "validation_loss": 0.4, "validation_accuracy": 0.8},
    **{"learning_rate": 0.1, "clips_per_second": 9.0},
}
PROGRESS = {
    **{"step": 3, "loss_sum": 1.5, "accuracy_sum": 2.1, "seconds": 0.1},
    **{"history": [ENTRY], "best_epoch": 1, "best": [0.8, -0.4]},
}


@pytest.mark.parametrize(
    "fault",
    [
        *({"history": value} for value in (None, 7, [1], [["epoch"]], [], [ENTRY | {"epoch": 2}], [ENTRY, ENTRY])),
        {"history": [ENTRY | {"train_loss": "0.5"}]},
        *({"step": value} for value in ("many", True, -1, 1.5)),
        *({"best": value} for value in (3, {}, [0.9, -0.4], None)),
        {"best_epoch": 99},
        *({"loss_sum": value} for value in ("much", float("nan"), 10**400)),
        {"seconds": None},
    ],
)
def test_a_progress_that_no_run_has(fault: dict[str, Any]) -> None:
    assert asdict(RunProgress.from_dict(PROGRESS)) == PROGRESS | {"best": (0.8, -0.4)}
    with pytest.raises((ValueError, TypeError)):
        RunProgress.from_dict(PROGRESS | fault)
    for name in fault:
        with pytest.raises(KeyError):
            RunProgress.from_dict({key: value for key, value in PROGRESS.items() if key != name})


def test_a_progress_from_before_the_accuracy_in_training() -> None:
    entry = {name: value for name, value in ENTRY.items() if name != "train_accuracy"}
    earlier = {name: value for name, value in PROGRESS.items() if name != "accuracy_sum"} | {"history": [entry]}
    assert asdict(RunProgress.from_dict(earlier)) == earlier | {"accuracy_sum": 0.0, "best": (0.8, -0.4)}
    with pytest.raises(ValueError, match="number"):
        RunProgress.from_dict(PROGRESS | {"accuracy_sum": "much"})


@pytest.mark.parametrize("fault", [{"history": 7}, {"step": 10**9}])
def test_a_damaged_state_is_one_line(
    straight: Path, tmp_path: Path, fault: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(straight, tmp_path / "run")
    change_state(tmp_path / "run" / "state.safetensors", lambda header, tensors: header["progress"].update(fault))
    status, text = command_line(capsys, "--out", tmp_path / "run", "--resume")
    line = text.splitlines()[-1]
    assert status == 2
    assert "Traceback" not in text
    assert re.match(rf"speech-lstm: {tmp_path}/run/state\.safetensors: the training state is damaged .*", line)


@pytest.mark.parametrize("fault", [("optimizer/0/step", -1.0), ("optimizer/1/exp_avg_sq", -1e-9)])
def test_an_impossible_state_of_the_optimiser_is_one_line(
    straight: Path, tmp_path: Path, fault: tuple[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """AdamW would divide by zero, or take the root of a negative number."""
    shutil.copytree(straight, tmp_path / "run")
    name, value = fault
    change_state(tmp_path / "run" / "state.safetensors", lambda header, tensors: tensors[name].fill_(value))
    status, text = command_line(capsys, "--out", tmp_path / "run", "--resume")
    assert status == 2
    assert f"state.safetensors: the training state is damaged ({name} " in text.splitlines()[-1]


def test_nothing_to_resume(tmp_path: Path, demo: Path) -> None:
    with pytest.raises(ConfigError, match="no run to resume"):
        train(TINY, demo, tmp_path, resume=True)
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_overwritten(straight: Path, demo: Path) -> None:
    before = {path.name: path.read_bytes() for path in straight.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match="add --resume"):
        train(TINY, demo, straight)
    assert before == {path.name: path.read_bytes() for path in straight.iterdir() if path.is_file()}


@needs_limits
def test_no_room_keeps_the_last_state(
    stopped: tuple[Path, list[str], str], tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(stopped[0], out)
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with files_of_at_most(9000):
        status, text = command_line(capsys, "--data", demo, "--out", out, "--config", out / "config.toml", "--resume")
    assert status == 2
    assert "Traceback" not in text
    assert re.fullmatch(rf"speech-lstm: {out}/.*: .*file too large; .*", text.splitlines()[-1])
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@needs_limits
def test_no_room_for_the_events_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread prints a traceback beside it."""
    faults: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    folder = RunFolder(tmp_path)
    refused = pytest.raises(OutputError, match=r"tensorboard: cannot be written: file too large; ")
    with refused as caught, files_of_at_most(50):
        folder.add_epoch({"epoch": 1} | dict.fromkeys(TAGS, 0.5))
    assert "\n" not in str(caught.value)
    assert not faults


def test_a_second_training_into_a_folder_is_refused(tmp_path: Path, demo: Path) -> None:
    out = tmp_path / "deep" / "run"
    with RunFolder(out).locked():
        for resume in (False, True):
            with pytest.raises(ConfigError, match="another training into this folder is running") as caught:
                train(TINY, demo, out, resume=resume, progress=False)
            assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@needs_limits
def test_the_lock_of_a_killed_training_refuses_nobody(tmp_path: Path, demo: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from speech_lstm.training.run_folder import TAGS, RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    out = tmp_path / "run"
    assert subprocess.run([sys.executable, "-c", code, out], check=False).returncode == -signal.SIGKILL
    assert len(list(out.iterdir())) == 1
    train(with_training(epochs=1), demo, out, progress=False)
    assert "training.lock" not in {path.name for path in out.iterdir()}


def test_ctrl_c_while_the_corpus_is_read(tmp_path: Path, demo: Path) -> None:
    """Many links to a few recordings take seconds to read."""
    corpus = tmp_path / "corpus"
    words = [path for path in demo.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for word in words:
        (corpus / word.name).mkdir(parents=True)
        recording = next(word.glob("*.wav"))
        for i in range(800):
            (corpus / word.name / f"{i}_{recording.name}").hardlink_to(recording)
    flags = ["--data", str(corpus), "--out", str(tmp_path / "run"), "--labels", "yes,no"]
    process = subprocess.Popen([*TRAIN, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list(corpus.glob(".speech_lstm/.*")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=SLOW)[1].decode()
    assert process.returncode == 130, text
    assert text.splitlines()[-1] == "interrupted"
    assert "Traceback" not in text
    assert not (tmp_path / "run").exists()
    assert not list(corpus.glob(".speech_lstm/.*"))


# --- several processes -------------------------------------------------------------------------------------------


def test_two_processes_compute_what_one_does(tmp_path: Path, demo: Path) -> None:
    config = replace(
        with_training(epochs=2, precision="float32", device="cpu"),
        network=NetworkConfig(layers=2, hidden=8, dropout=0.0),
    )
    train(config, demo, tmp_path / "one", progress=False)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    flags = ["--data", str(demo), "--out", str(tmp_path / "two"), "--config", str(tmp_path / "one" / "config.toml")]
    run = subprocess.run(
        [*command, "-m", "speech_lstm", "train", *flags], capture_output=True, timeout=2 * SLOW, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("best: epoch") == 1  # only one of them prints
    for one, two in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        assert one == pytest.approx(two, rel=1e-5, abs=1e-5)
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    # A soft-max does not depend on a bias of all its scores: its gradient is rounding error, which Adam scales up.
    for name in one.keys() - {"pooling.score.bias"}:
        tolerance = 1e-3 if name.startswith("head.") else 1e-5  # the fit of the calibration ends on a flat place
        torch.testing.assert_close(
            one[name], two[name], atol=tolerance, rtol=tolerance, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_a_batch_is_shared_equally_or_refused() -> None:
    three = [Processes(rank, 3, torch.device("cpu")) for rank in range(3)]
    assert [list(range(9))[process.rows(9)] for process in three] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(ConfigError, match=r"batch is 10, .*3 processes"):
        three[0].rows(10)


# --- what is rejected ----------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, demo: Path) -> None:
    config = with_training(
        precision="float32", epochs=50, learning_rate=1.0, weight_decay=10.0, warmup=0.0, clip=0.0, average=0.0
    )
    with pytest.raises(
        ConfigError, match=r"the loss became (nan|inf) in epoch \d+: .* lower learning_rate"
    ) as caught:
        train(config, demo, tmp_path / "run", progress=False)
    assert "\n" not in str(caught.value)
    for name in ("last", "best"):
        load_model(tmp_path / "run" / f"{name}.safetensors")  # the last good ones


def test_a_batch_larger_than_an_epoch_is_lowered(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(with_training(batch=9999, epochs=1), demo, tmp_path / "run")
    (size,) = re.findall(r"a batch of (\d+) instead of 9999", capsys.readouterr().out)
    assert read_config(tmp_path / "run" / "config.toml").training.batch == int(size)


def test_the_takes_of_one_speaker_can_be_trained_on(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `record` writes them: no lists, one speaker, no other words."""
    for word in ("yes", "no"):
        for i, clip in enumerate(sorted((demo / word).glob("*.wav"))[:6]):
            (tmp_path / "own" / word).mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, tmp_path / "own" / word / f"0123abcd_nohash_{i}.wav")
    config = replace(with_training(epochs=1), corpus=replace(TINY.corpus, labels="yes,no"))
    train(config, tmp_path / "own", tmp_path / "run")
    text = capsys.readouterr().out
    assert "split by takes" in text
    assert "validation: yes 2, no 2" in text
    assert "there is no other speech" in text
    assert "speech-lstm teach --from" in text


def test_an_empty_validation_split(tmp_path: Path, demo_copy: Path) -> None:
    (demo_copy / "validation_list.txt").write_text("")
    with pytest.raises(CorpusError, match="the validation split has no recording of"):
        train(TINY, demo_copy, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:3"])
def test_a_gpu_that_is_not_there(tmp_path: Path, demo: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=r"torch sees 0 GPU\(s\); use --device cpu or auto"):
        train(with_training(device=device), demo, tmp_path / "run")


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="process 3 has no GPU, torch sees 2; start 2, or use --device cpu"):
        choose_device("auto", local_rank=2)


@pytest.mark.parametrize("device", ["gpu", "cuda:-1", "meta", ""])
def test_a_device_that_is_none(tmp_path: Path, demo: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=r"device '.*'.* use auto, cpu, cuda or cuda:N"):
        train(with_training(device=device), demo, tmp_path / "run")


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        ("--epochs many", ["epochs", "'many'", "a whole number"]),
        ("--epochs 0", ["epochs", "0", "from 1 to 10000"]),
        ("--bidirectional maybe", ["bidirectional", "'maybe'", "true or false"]),
        ("--config missing.toml", ["missing.toml", "no such file"]),
        ("--labels yes,nope", ["no recordings of nope", "yes"]),
        ("--labels yes,yes", ["'yes' twice"]),
        ("--labels ,", ["35, 12 or words"]),
        ("--data /nowhere", ["/nowhere"]),
    ],
)
def test_bad_flags(
    tmp_path: Path, demo: Path, flags: str, facts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line passes on the error of a setting, file or corpus: test_config.py has more of them."""
    status, message = command_line(capsys, "--data", demo, "--out", tmp_path / "run", *flags.split())
    assert status == 2
    assert [fact for fact in facts if fact not in message] == []
    assert message.startswith("speech-lstm: ")
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_that_can_not_be_made(tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("kept")
    status, message = command_line(
        capsys, "--data", demo, "--out", tmp_path / "file", "--batch", 16, "--labels", "yes,no"
    )
    assert status == 2
    assert "a part of the path is a file" in message
