"""Workers that share a study: none does another's work, a dead one's training is done again, a rerun goes on."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.cli import main
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.study.results import results_of
from speech_lstm.training.trainer import Diverged, Trainer
from speech_lstm.trials.recordings import pack, unpack
from speech_lstm.trials.slots import Slot, filled_slots, slot_of
from speech_lstm.trials.storage import StudyError, connected, find_stored, open_storage
from support import postgresql_server
from support.command_line import call, refusal

SLOW = 120  # seconds; a loaded machine takes long to import torch
NAME = "tiny"
STUDY = """
[study]
trials = {trials}
repeats = 1
[cells]
gru = {{}}
rnn = {{}}
[space]
hidden = {{ low = 4, high = 8 }}
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
[features]
window_ms = 40.0
hop_ms = 40.0
[network]
layers = 1
[augment]
speed = 0.0
noise = 0.0
[corpus]
labels = "yes,no"
[training]
epochs = {epochs}
batch = 16
precision = "float32"
"""


def write_study(folder: Path, trials: int = 2, epochs: int = 1) -> Path:
    path = folder / f"{NAME}.toml"
    path.write_text(STUDY.format(trials=trials, epochs=epochs))
    return path


def words(study: Path, demo: Path, url: str) -> list[str]:
    return ["study", "run", str(study), "--data", str(demo), "--storage", url, "--heartbeat", "1"]


def trials_of(url: str) -> list[FrozenTrial]:
    """What the storage holds; nothing where the study is not begun."""
    try:
        return optuna.load_study(study_name=NAME, storage=storage_of(url)).get_trials(deepcopy=False)
    except (KeyError, StudyError):  # the file or the study is being made
        return []


@cache
def storage_of(url: str) -> optuna.storages.RDBStorage:
    """One connection for each storage."""
    if not Path(url.removeprefix("sqlite:///")).exists() and url.startswith("sqlite"):
        raise StudyError("not yet")
    return open_storage(url)


def running(url: str, count: int) -> list[FrozenTrial]:
    """The trials under way, once there are so many."""
    end = time.monotonic() + SLOW
    while time.monotonic() < end:
        found = [trial for trial in trials_of(url) if trial.state == TrialState.RUNNING]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError("no worker came to work")


def check_whole(url: str, study: Path) -> list[FrozenTrial]:
    """Every place is filled once, and with what its seed draws; the finished trials."""
    definition = StudyDefinition.read(str(study))
    done = [trial for trial in trials_of(url) if trial.state == TrialState.COMPLETE]
    slots = Counter(slot_of(trial) for trial in done)
    cells, count = list(definition.cells), definition.study.trials
    search = {Slot(cell, number) for cell, number in itertools.product(cells, range(count))}
    assert {slot for slot in slots if slot and slot.of is None} == search
    assert len(slots) == len(search) + len(cells)
    assert set(slots.values()) == {1}
    for trial in done:
        slot = slot_of(trial)
        assert slot is not None
        source = slot if slot.of is None else Slot(slot.cell, slot.of)
        assert trial.params == definition.draw(source, {})
    return done


@pytest.fixture(scope="module")
def finished(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A study of four trials and two seeds: its file and its storage."""
    folder = tmp_path_factory.mktemp("study")
    study, url = write_study(folder), f"sqlite:///{folder}/study.sqlite"
    with pytest.raises(SystemExit) as caught:
        main(words(study, demo, url))
    assert caught.value.code == 0
    return study, url


# --- one worker --------------------------------------------------------------------------------------------------


def test_every_training_is_kept_whole(finished: tuple[Path, str], demo: Path) -> None:
    study, url = finished
    check_whole(url, study)
    results = results_of(find_stored(StudyDefinition, NAME, url))
    for training in results.trainings:
        kept = training.kept
        assert kept["testing"]["accuracy"] == training.right(results.truth).mean()
        assert len(kept["curve"]) == kept["best_epoch"] == 1
        assert kept["curve"][0]["validation_accuracy"] == kept["validation"]["accuracy"] == training.value
        assert kept["config"]["network"]["hidden"] == training.drawn["hidden"]
        assert kept["parameters"] > 0
        assert kept["latency"] > 0
        assert kept["seconds"] >= 0
        assert {"torch", "speech-lstm"} <= set(kept["versions"])
        assert kept["corpus"] == results.corpus
    listed = (demo / "testing_list.txt").read_text().split()
    commands = {name for name in listed if name.startswith(("yes/", "no/"))}
    assert commands <= set(results.facts["testing"]["names"])
    assert len(results.truth) == len(results.facts["testing"]["names"])
    best = results.best("gru")
    (seed,) = results.repeats("gru")
    assert seed.drawn == best.drawn
    assert seed.kept["config"]["training"]["seed"] != best.kept["config"]["training"]["seed"]


def test_the_same_study_gives_the_same_numbers(finished: tuple[Path, str], demo: Path, tmp_path: Path) -> None:
    study, url = finished
    again = f"sqlite:///{tmp_path}/again.sqlite"
    with pytest.raises(SystemExit):
        main([*words(study, demo, again), "--trials", "1"])
    first, second = ({slot_of(t): (t.params, t.value) for t in trials_of(one)} for one in (url, again))
    search = [Slot("gru", 0), Slot("rnn", 0)]
    assert [second[slot] for slot in search] == [first[slot] for slot in search]


def test_a_finished_study_has_nothing_left_to_do(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path
) -> None:
    study, url = finished
    before = len(trials_of(url))
    status, out, err = call(capsys, *words(study, demo, url))
    assert (status, err) == (0, "")
    assert "6 of 6 trainings done, 0 running, nothing left to do" in out
    assert len(trials_of(url)) == before
    assert call(capsys, "study", "status", study, "--storage", url)[1] == out


def test_more_trials_are_added(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path, tmp_path: Path
) -> None:
    study, url = finished
    copy = tmp_path / "more.sqlite"
    copy.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    before = filled_slots(trials_of(url))
    status, out, _ = call(capsys, *words(study, demo, f"sqlite:///{copy}"), "--trials", "3")
    assert status == 0
    assert "3 of 3" in out
    after = filled_slots(trials_of(f"sqlite:///{copy}"))
    assert {slot: after[slot].number for slot in before} == {slot: trial.number for slot, trial in before.items()}


def test_a_training_that_diverges_is_kept_as_one_that_knows_nothing(
    finished: tuple[Path, str], demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(trainer: Trainer) -> None:
        raise Diverged("the loss became nan")

    monkeypatch.setattr(Trainer, "run", diverge)
    url = f"sqlite:///{tmp_path}/study.sqlite"
    with pytest.raises(SystemExit) as caught:
        main([*words(finished[0], demo, url), "--trials", "1"])
    assert caught.value.code == 0
    results = results_of(find_stored(StudyDefinition, NAME, url))
    assert len(results.trainings) == 4
    for training in results.trainings:
        assert training.kept["diverged"]
        assert training.value == training.accuracy == 0
        assert not training.right(results.truth).any()


def test_numbers_are_packed_and_unpacked() -> None:
    numbers = np.array([0, 3, 65_535, 11] * 50)
    assert (unpack(pack(numbers)) == numbers).all()
    assert len(pack(numbers)) < 60


# --- several workers ---------------------------------------------------------------------------------------------


def test_a_killed_workers_training_is_done_again(
    capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path
) -> None:
    """Two workers on one SQLite file; one is killed in the middle of a training."""
    study, url = write_study(tmp_path, trials=3, epochs=4), f"sqlite:///{tmp_path}/study.sqlite"
    command = [sys.executable, "-m", "speech_lstm", *words(study, demo, url)]
    other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running(url, 1)
    killed: list[int] = []
    killer = threading.Thread(target=lambda: killed.append(kill_in_the_middle(other, url)))
    killer.start()
    status, out, _ = call(capsys, *words(study, demo, url))
    killer.join()
    assert status == 0
    check_whole(url, study)
    assert [trial.number for trial in trials_of(url) if trial.state == TrialState.FAIL] == killed
    assert "8 of 8 trainings done" in out


def kill_in_the_middle(other: subprocess.Popen[bytes], url: str) -> int:
    """Kill one of two workers while it trains; the number of the trial that is lost."""
    while True:
        running(url, 2)
        other.send_signal(signal.SIGSTOP)
        before = now = {trial.number for trial in running(url, 1)}
        end = time.monotonic() + 5  # it may have been stopped while the file was locked
        while now >= before and time.monotonic() < end:  # until the worker that goes on has done its trial
            time.sleep(0.05)
            now = {trial.number for trial in trials_of(url) if trial.state == TrialState.RUNNING}
        if len(lost := before & now) == 1 and len(before) == 2:
            other.kill()
            other.wait()
            return lost.pop()
        other.send_signal(signal.SIGCONT)  # stopped between two trainings: try again


def test_workers_share_a_postgresql(capsys: pytest.CaptureFixture[str], demo: Path, tmp_path: Path) -> None:
    programs = postgresql_server.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    study = write_study(tmp_path, trials=2, epochs=4)
    with postgresql_server.postgresql(programs) as url:
        command = [sys.executable, "-m", "speech_lstm", *words(study, demo, url)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            running(url, 1)
            status, out, _ = call(capsys, *words(study, demo, url))
            told, _ = other.communicate(timeout=SLOW)
        assert (status, other.returncode) == (0, 0)
        done = check_whole(url, study)
        lines = [text.count("  validation ") for text in (out, told)]
        assert sum(lines) == len(done)
        assert min(lines) > 0  # both did some
        assert "no such" not in call(capsys, "study", "status", study, "--storage", url)[1]


# --- what can't be -----------------------------------------------------------------------------------------------


def test_another_study_of_the_same_name(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path, tmp_path: Path
) -> None:
    _, url = finished
    before = trials_of(url)
    other = write_study(tmp_path, epochs=2)
    assert "epochs in [training] was 1 and is 2 now" in refusal(capsys, *words(other, demo, url))
    other.write_text(STUDY.format(trials=2, epochs=1).replace("high = 8", "high = 9"))
    assert "hidden in [space] was" in refusal(capsys, *words(other, demo, url))
    assert len(trials_of(url)) == len(before)


def test_a_corpus_that_changed(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo_copy: Path
) -> None:
    study, url = finished
    first, second, *_ = sorted((demo_copy / "yes").glob("*.wav"))
    shutil.copyfile(second, first)  # the same names, one with another's sound
    assert "begun with other recordings" in refusal(capsys, *words(study, demo_copy, url))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:secret@127.0.0.1:1/none", "cannot be used as a storage"),
        ("mysql://127.0.0.1/none", "must be sqlite:///FILE or postgresql://"),
        ("nonsense", "must be sqlite:///FILE or postgresql://"),
        ("sqlite:////proc/none/study.sqlite", "cannot be written"),
        ("sqlite:////dev/null", "cannot be used as a storage"),
    ],
)
def test_storages_that_can_not_be_used(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path, url: str, says: str
) -> None:
    line = refusal(capsys, *words(finished[0], demo, url))
    assert says in line
    assert "secret" not in line


def test_a_storage_that_goes_away_is_one_line() -> None:
    """Optuna stumbles over its own error then; what is told is the database's."""

    def stumble() -> None:
        try:
            raise StorageInternalError("long") from OSError("gone\nand more")
        except StorageInternalError:
            raise UnboundLocalError("updated_state") from None

    with pytest.raises(StudyError, match=r"cannot be reached any more \(gone\)") as caught, connected():
        stumble()
    assert "\n" not in str(caught.value)
    with pytest.raises(UnboundLocalError), connected():
        raise UnboundLocalError("ours")


def test_studies_that_are_not_there(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for action in ("status", "report"):
        assert "runs/studies/quick.sqlite: there is no such study" in refusal(capsys, "study", action, "quick")
        assert "has no study 'quick'" in refusal(capsys, "study", action, "quick", "--storage", finished[1])
    assert "names no corpus: give --data" in refusal(capsys, "study", "run", "greff")
    assert "no such folder" in refusal(capsys, "study", "run", "greff", "--data", tmp_path / "none")
    assert not list(tmp_path.iterdir())
