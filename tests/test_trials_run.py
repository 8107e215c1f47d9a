"""Workers of a study or a search: none repeats another's training, a dead one's is done again, a rerun continues."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from speech_lstm.cli import main
from speech_lstm.errors import INTERRUPTED
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.results import results_of as search_results_of
from speech_lstm.search.stages import CANDIDATE
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.study.results import results_of
from speech_lstm.training.trainer import Diverged, Trainer
from speech_lstm.trials import storage, worker
from speech_lstm.trials.recordings import NO_ANSWER, pack, unpack
from speech_lstm.trials.slots import Slot
from speech_lstm.trials.storage import StorageError, connected, find_stored, open_storage
from support import postgresql_server
from support.command_line import SLOW, call, refusal
from support.listening import wait_for
from support.real_terminal import Terminal
from support.tiny_trials import MEMORY_TEST, NAME, TINY_SEARCH, TINY_STUDY, TRAINING, TinyTrials, WorkerProcess

pytestmark = pytest.mark.usefixtures("forget_candidates")

KINDS = {"study": TINY_STUDY, "search": TINY_SEARCH}
SLOTS = {  # of the finished ones below, without repeats
    "study": [Slot("gru", 0), Slot("rnn", 0), Slot("gru", 1), Slot("rnn", 1)],
    "search": [Slot("gru-cho", 0), *(Slot(CANDIDATE, number) for number in range(3)), Slot("rnn", 0)],
}
REPEATED = {"study": {"gru", "rnn"}, "search": {"gru-cho", "rnn", CANDIDATE}}

Finished = tuple[TinyTrials, Path, str]  # the definition, its file and its storage


def finish(tiny: TinyTrials, demo: Path, folder: Path) -> Finished:
    """Run a worker to the end."""
    file, url = tiny.write(folder), f"sqlite:///{folder}/trials.sqlite"
    with pytest.raises(SystemExit) as caught:
        main(tiny.command(file, demo, url))
    assert caught.value.code == 0
    return tiny, file, url


@pytest.fixture(scope="module")
def finished_study(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two trials of each of two cells, and a repeat of each best one."""
    return finish(TINY_STUDY, demo, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def finished_search(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two published cells and three candidates, and a repeat of three of them."""
    return finish(TINY_SEARCH, demo, tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module", params=KINDS)
def finished(request: pytest.FixtureRequest) -> Finished:
    result: Finished = request.getfixturevalue(f"finished_{request.param}")
    return result


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker in this process looks often at what others do."""
    monkeypatch.setattr(worker, "PAUSE", 0.1)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[WorkerProcess]]:
    """Processes that end with the test."""
    processes: list[WorkerProcess] = []
    yield processes
    for process in processes:
        process.process.kill()


def lines(output: str) -> int:
    """The lines of a worker's output that are about a finished training."""
    return len(re.findall(r"  validation [0-9.]+ %", output))


# --- one worker --------------------------------------------------------------------------------------------------


def test_every_slot_is_filled_once(finished: Finished) -> None:
    tiny, _, url = finished
    slots, kind = tiny.finished(url), tiny.kind.KIND
    assert [slot for slot in slots if slot.of is None] == SLOTS[kind]
    assert {slot.cell for slot in slots if slot.of is not None} == REPEATED[kind]
    assert len(tiny.trials(url)) == len(slots) == len(SLOTS[kind]) + len(REPEATED[kind])


def test_the_total_and_the_time_left_are_printed(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = TINY_STUDY.write(tmp_path)
    _, out, _ = call(capsys, *TINY_STUDY.command(file, demo, f"sqlite:///{tmp_path}/trials.sqlite"))
    first, *others = out.splitlines()
    assert first == "0 of 6 trainings done, 0 running, time left not yet known"
    trained = [line for line in others if " parameters " in line]
    assert [line.rpartition("  ")[2].partition(", ")[0] for line in trained] == [f"{n} of 6" for n in range(1, 7)]
    assert all(line.endswith(" s left") for line in trained[:-1])
    assert trained[-1].endswith("nothing left to do")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing")
def test_a_terminal_gets_a_bar_that_agrees_with_the_lines(tmp_path: Path, demo: Path) -> None:
    file, url = TINY_STUDY.write(tmp_path), f"sqlite:///{tmp_path}/trials.sqlite"
    command = [sys.executable, "-m", "speech_lstm", *TINY_STUDY.command(file, demo, url)]
    with Terminal([*command, "--trials", "1"], dict(os.environ)) as terminal:
        wait_for(lambda: "status 0" in terminal.screen())
        screen = terminal.screen()
    assert "100 %|█" in screen
    assert "| 4 of 4 trainings, nothing left to do" in screen
    assert "4of4,nothinglefttodo" in "".join(screen.split())  # the line wraps


def test_every_training_of_a_study_is_stored(finished_study: Finished, demo: Path) -> None:
    _, file, url = finished_study
    definition = StudyDefinition.read(str(file))
    results = results_of(find_stored(StudyDefinition, NAME, url))
    for training in results.trainings:
        outcome, slot = training.outcome, training.slot
        assert training.drawn == definition.draw(slot if slot.of is None else Slot(slot.cell, slot.of), {})
        assert outcome["config"]["network"]["hidden"] == training.drawn["hidden"]
        assert outcome["testing"]["accuracy"] == training.right(results.truth).mean()
        assert len(outcome["curve"]) == outcome["best_epoch"] == 1
        assert outcome["curve"][0]["validation_accuracy"] == outcome["validation"]["accuracy"] == training.value
        assert {"torch", "speech-lstm"} <= set(outcome["versions"])
        assert outcome["corpus"] == results.corpus
    sizes = {(t.outcome["parameters"], t.slot.cell, t.drawn["hidden"]) for t in results.trainings}
    assert len({parameters for parameters, *_ in sizes}) == len(sizes)  # follows from cell and size
    listed = (demo / "testing_list.txt").read_text().split()
    commands = {name for name in listed if name.startswith(("yes/", "no/"))}
    assert commands <= set(results.facts["testing"]["names"])
    assert len(results.truth) == len(results.facts["testing"]["names"])
    best = results.best("gru")
    (repeat,) = results.repeats("gru")
    assert repeat.drawn == best.drawn
    assert repeat.outcome["config"]["training"]["seed"] != best.outcome["config"]["training"]["seed"]


def test_every_cell_of_a_search_is_stored(finished_search: Finished) -> None:
    results = search_results_of(find_stored(SearchDefinition, NAME, finished_search[2]))
    assert len(results.tried) == 5
    for cell in results.tried:
        (draw,) = cell.outcome["draws"]
        assert draw["parameters"] == pytest.approx(1500, rel=0.1)
        assert draw["config"]["network"]["cell"] == cell.outcome["name"]
        assert draw["corpus"] == results.corpus


def test_nothing_is_left_to_do(capsys: pytest.CaptureFixture[str], finished: Finished, demo: Path) -> None:
    tiny, file, url = finished
    before = len(tiny.trials(url))
    status, out, err = call(capsys, *tiny.command(file, demo, url))
    assert (status, err) == (0, "")
    assert f"{before} of {before} " in out.splitlines()[-1]
    assert "done, 0 running, nothing left to do" in out
    assert len(tiny.trials(url)) == before
    assert call(capsys, tiny.kind.KIND, "status", file, "--storage", url)[1] == out


@pytest.mark.parametrize(
    ("kind", "flag", "done"), [("study", ("--trials", 3), 8), ("search", ("--candidates", 4), 9)]
)
def test_more_are_added(
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    demo: Path,
    tmp_path: Path,
    kind: str,
    flag: tuple[str, int],
    done: int,
) -> None:
    tiny, file, url = request.getfixturevalue(f"finished_{kind}")
    copy = f"sqlite:///{shutil.copyfile(url.removeprefix('sqlite:///'), tmp_path / 'more.sqlite')}"
    status, out, _ = call(capsys, *tiny.command(file, demo, copy), *flag)
    assert status == 0
    assert f"{done} of {done} " in out
    before, after = tiny.finished(url), tiny.finished(copy)
    assert len(after) > len(before)
    assert {slot: after[slot].number for slot in before} == {slot: trial.number for slot, trial in before.items()}


def test_a_training_that_diverges_counts_as_all_wrong(
    finished_study: Finished, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(trainer: Trainer) -> None:
        raise Diverged("the loss became nan")

    monkeypatch.setattr(Trainer, "run", diverge)
    tiny, file, _ = finished_study
    url = f"sqlite:///{tmp_path}/study.sqlite"
    with pytest.raises(SystemExit) as caught:
        main([*tiny.command(file, demo, url), "--trials", "1"])
    assert caught.value.code == 0
    results = results_of(find_stored(StudyDefinition, NAME, url))
    assert len(results.trainings) == 4
    for training in results.trainings:
        assert training.outcome["diverged"]
        assert training.value == training.accuracy == 0
        assert not training.right(results.truth).any()


def test_labels_are_packed_and_unpacked() -> None:
    labels = np.array([0, 3, NO_ANSWER, 11] * 50)
    assert (unpack(pack(labels)) == labels).all()
    assert len(pack(labels)) < 60


# --- several workers ---------------------------------------------------------------------------------------------


def test_workers_end_with_the_same_after_another_was_killed(
    capsys: pytest.CaptureFixture[str],
    finished: Finished,
    demo: Path,
    tmp_path: Path,
    workers: list[WorkerProcess],
) -> None:
    """Two workers end with what one alone ends with; only the training that the killed one was at is lost."""
    tiny, file, finished_url = finished
    url = f"sqlite:///{tmp_path}/trials.sqlite"
    command = tiny.command(file, demo, url)
    workers.append(killed := WorkerProcess(command, tmp_path, TRAINING, hold_at=4))
    assert killed.reached.wait(SLOW)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = tiny.finished(url)
    assert before
    workers.append(other := WorkerProcess(command, tmp_path))
    status, out, _ = call(capsys, *command)
    assert (status, other.wait()) == (0, 0)
    alone = {slot: (trial.params, trial.value) for slot, trial in tiny.finished(finished_url).items()}
    together = {slot: (trial.params, trial.value) for slot, trial in tiny.finished(url).items()}
    assert together == alone
    assert lines(out) + lines(other.out.read_text()) == len(alone) - len(before)
    assert len([trial for trial in tiny.trials(url) if trial.state == TrialState.FAIL]) == 1
    assert tiny.graphs(url) == tiny.graphs(finished_url)


def test_workers_share_a_postgresql(
    capsys: pytest.CaptureFixture[str],
    finished_study: Finished,
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: list[WorkerProcess],
) -> None:
    """The other worker's first training ends only after this one has begun one."""
    programs = postgresql_server.binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    tiny, file, finished_url = finished_study
    train = Trainer.run

    def release_other(trainer: Trainer) -> None:
        other.release.set()
        train(trainer)

    with postgresql_server.postgresql(programs) as url:
        workers.append(other := WorkerProcess(tiny.command(file, demo, url), tmp_path, TRAINING, hold_at=1))
        assert other.reached.wait(SLOW)
        monkeypatch.setattr(Trainer, "run", release_other)
        status, out, _ = call(capsys, *tiny.command(file, demo, url))
        assert (status, other.wait()) == (0, 0)
        slots = tiny.finished(url)
        assert {slot: trial.params for slot, trial in slots.items()} == {
            slot: trial.params for slot, trial in tiny.finished(finished_url).items()
        }
        counts = lines(out), lines(other.out.read_text())
        assert sum(counts) == len(slots)
        assert min(counts) > 0
        assert "6 of 6 trainings" in call(capsys, "study", "status", file, "--storage", url)[1]


@pytest.mark.parametrize(
    ("tiny", "changes", "function"),
    [(TINY_STUDY, {"epochs": 10_000}, TRAINING), (TINY_SEARCH, {"recall_steps": 1_000_000}, MEMORY_TEST)],
    ids=KINDS,
)
def test_ctrl_c_says_how_to_continue(
    demo: Path,
    tmp_path: Path,
    workers: list[WorkerProcess],
    tiny: TinyTrials,
    changes: dict[str, int],
    function: str,
) -> None:
    """In a training, which has a handler of its own, and in the memory test, which has none."""
    file, url = tiny.write(tmp_path, **changes), f"sqlite:///{tmp_path}/trials.sqlite"
    workers.append(process := WorkerProcess(tiny.command(file, demo, url), tmp_path, function, hold_at=1))
    assert process.reached.wait(SLOW)
    process.release.set()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == INTERRUPTED
    error = process.err.read_text()
    assert error.splitlines()[-1] == "stopped; finished trainings are saved. Run the same command to continue."
    assert "Traceback" not in error
    assert not tiny.finished(url)


# --- cells taken out of a search ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("forget_plugins")
def test_a_cell_of_a_search_is_a_cell_of_the_program(
    capsys: pytest.CaptureFixture[str],
    finished_search: Finished,
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exported, shown, trained, evaluated, and written as ONNX, with `--plugin`."""
    _, search, url = finished_search
    monkeypatch.chdir(tmp_path)
    status, out, _ = call(capsys, "search", "export", search, 1, "--storage", url)
    assert status == 0
    path, cell = out.split(":")[0], out.split()[-1]
    assert Path(path).name == f"{cell}.py"
    results = search_results_of(find_stored(SearchDefinition, NAME, url))
    assert cell == results.best[0].label
    CELLS.pop(cell, None)
    plugin = ["--plugin", path]
    assert f"{cell}: rank 1 of the search tiny" in call(capsys, "cells", cell, *plugin)[1]
    flags = ["--layers", "1", "--hidden", "6", "--hop-ms", "40", "--window-ms", "40", "--epochs", "1"]
    flags += ["--labels", "yes,no", "--batch", "32", "--precision", "float32"]
    train = ["train", "--cell", cell, "--data", demo, "--out", "run", *flags, *plugin]
    assert call(capsys, *train)[0] == 0
    model = "run/best.safetensors"
    assert call(capsys, "classify", demo / "yes", "--model", model, *plugin)[0] == 0
    assert call(capsys, "export", model, "--out", "cell.onnx", *plugin)[0] == 0
    assert Path("cell.onnx").stat().st_size > 0
    recording = next((demo / "yes").glob("*.wav"))
    assert call(capsys, "gates", recording, "--model", model, "--out", "g.png", *plugin)[0] == 0


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "difference"),
    [
        ("study", {"epochs": 2}, "epochs in [training] was 1 and is 2 now"),
        ("study", {"hidden": "{ low = 4, high = 9 }"}, "hidden in [space] was"),
        ("search", {"recall_steps": 3}, "recall_steps in [search] was 2 and is 3 now"),
    ],
)
def test_another_definition_of_the_same_name(
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    demo: Path,
    tmp_path: Path,
    kind: str,
    changes: dict[str, object],
    difference: str,
) -> None:
    tiny, _, url = request.getfixturevalue(f"finished_{kind}")
    before = len(tiny.trials(url))
    line = refusal(capsys, *tiny.command(tiny.write(tmp_path, **changes), demo, url))
    assert f"a {kind} 'tiny' of another definition: {difference}" in line
    assert len(tiny.trials(url)) == before


def test_recordings_that_changed(capsys: pytest.CaptureFixture[str], finished: Finished, demo_copy: Path) -> None:
    tiny, file, url = finished
    first, second, *_ = sorted((demo_copy / "yes").glob("*.wav"))
    shutil.copyfile(second, first)  # the same names, one with another's sound
    line = refusal(capsys, *tiny.command(file, demo_copy, url))
    assert f"the {tiny.kind.KIND} 'tiny' was begun with other recordings" in line
    first.unlink()
    assert "begun with other recordings" in refusal(capsys, *tiny.command(file, demo_copy, url))


def test_what_is_not_there(
    capsys: pytest.CaptureFixture[str], finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, file, url = finished
    kind, name = tiny.kind.KIND, tiny.kind.shipped()[0]
    monkeypatch.chdir(tmp_path)
    for action in ("status", "report"):
        line = refusal(capsys, kind, action, name)
        assert f"{tiny.kind.folder()}/{name}.sqlite: there is no such {kind}" in line
        assert f"has no {kind} '{name}'" in refusal(capsys, kind, action, name, "--storage", url)
    assert "names no corpus: give --data" in refusal(capsys, kind, "run", file, "--storage", url)
    assert "no such folder" in refusal(capsys, kind, "run", file, "--data", tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_ranks_that_are_not_there(
    capsys: pytest.CaptureFixture[str], finished_search: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, search, url = finished_search
    monkeypatch.chdir(tmp_path)
    export = ["search", "export", search]
    assert "rank 4: the search 'tiny' has trained 3 candidates to the end" in refusal(
        capsys, *export, 4, "--storage", url
    )
    assert "not the name of a Python file" in refusal(capsys, *export, 1, "--storage", url, "--out", "cell.txt")
    assert not list(tmp_path.iterdir())


def test_an_unreachable_storage(capsys: pytest.CaptureFixture[str], finished: Finished, demo: Path) -> None:
    tiny, file, _ = finished
    line = refusal(capsys, *tiny.command(file, demo, "postgresql://me:secret@127.0.0.1:1/none"))
    assert "cannot be used as a storage" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://127.0.0.1/none", "must be sqlite:///FILE or postgresql://"),
        ("nonsense", "must be sqlite:///FILE or postgresql://"),
        ("sqlite:////proc/none/study.sqlite", "cannot be written"),
        ("sqlite:////dev/null", "cannot be used as a storage"),
        ("sqlite:///", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp/a\udcffb.sqlite", "not UTF-8"),
        ("sqlite:////tmp/a\0b.sqlite", "not UTF-8"),
        (f"sqlite:////tmp/{300 * 'a'}", "cannot be used as a storage"),
        ("sqlite:////dev/null?timeout=never", "cannot be used as a storage"),
        ("postgresql://127.0.0.1:1/none?user=me&password=secret", r"password=\*\*\*.*cannot be used as a storage"),
        ("postgresql://me:secret@127.0.0.1:1/none\x1b", "cannot be used as a storage"),
    ],
)
def test_storages_that_cannot_be_used(url: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PAUSE", 0.0)
    with pytest.raises(StorageError, match=says) as caught:
        open_storage(url)
    assert str(caught.value).isprintable()
    assert "cret" not in str(caught.value)


def test_a_storage_that_goes_away_is_one_line() -> None:
    """Optuna then fails with its own error; the message is the database's."""

    def fail() -> None:
        try:
            raise StorageInternalError("long") from OSError("gone\nand more")
        except StorageInternalError:
            raise UnboundLocalError("updated_state") from None

    with pytest.raises(StorageError, match=r"cannot be reached any more \(gone\)") as caught, connected():
        fail()
    assert "\n" not in str(caught.value)
    with pytest.raises(UnboundLocalError), connected():
        raise UnboundLocalError("ours")
