"""A search as a user runs it: to the end, killed and gone on with, by two workers, and with cells taken out of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.cli import main
from speech_lstm.errors import INTERRUPTED
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.population import CELL
from speech_lstm.search.recall import ALPHABET, SYMBOLS, recall_share, sequences
from speech_lstm.search.results import results_of
from speech_lstm.search.stages import CANDIDATE
from speech_lstm.trials.slots import Slot, slot_of
from speech_lstm.trials.storage import StudyError, find_stored, open_storage
from support.command_line import call, refusal

pytestmark = pytest.mark.usefixtures("forget_candidates")

SLOW = 120  # seconds; a loaded machine takes long to import torch
NAME = "tiny"
SEARCH = """
[search]
candidates = {candidates}
ancestors = "gru-cho"
beside = "rnn"
baseline = "rnn"
recall = 0.0
recall_steps = {steps}
share = 0.0
first_epochs = 1
draws = 1
finalists = 1
repeats = 1
parameters = 1500
[space]
learning_rate = {{ low = 1e-3, high = 1e-2, log = true }}
[features]
window_ms = 40.0
hop_ms = 40.0
[network]
layers = 1
bidirectional = false
[augment]
speed = 0.0
noise = 0.0
[corpus]
labels = "yes,no"
[training]
epochs = 1
batch = 32
precision = "float32"
"""


def write_search(folder: Path, candidates: int = 3, steps: int = 2) -> Path:
    path = folder / f"{NAME}.toml"
    path.write_text(SEARCH.format(candidates=candidates, steps=steps))
    return path


def words(search: Path, demo: Path, url: str) -> list[str]:
    return ["search", "run", str(search), "--data", str(demo), "--storage", url, "--heartbeat", "1"]


def trials_of(url: str) -> list[FrozenTrial]:
    """What the storage holds; nothing where the search is not begun."""
    try:
        return optuna.load_study(study_name=f"search {NAME}", storage=storage_of(url)).get_trials(deepcopy=False)
    except (KeyError, StudyError):  # the file or the search is being made
        return []


@cache
def storage_of(url: str) -> optuna.storages.RDBStorage:
    """One connection for each storage."""
    if not Path(url.removeprefix("sqlite:///")).exists():
        raise StudyError("not yet")
    return open_storage(url)


def done(url: str) -> dict[Slot | None, FrozenTrial]:
    """The finished places, each of which is filled once."""
    found = [trial for trial in trials_of(url) if trial.state == TrialState.COMPLETE]
    assert set(Counter(slot_of(trial) for trial in found).values()) == {1}
    return {slot_of(trial): trial for trial in found}


def outcome(url: str) -> dict[Slot | None, Any]:
    """Cell and score of each finished place."""
    return {slot: (trial.user_attrs.get(CELL), trial.value) for slot, trial in done(url).items()}


def trying(url: str, number: int) -> None:
    """Wait until a candidate is tried."""
    end = time.monotonic() + SLOW
    while time.monotonic() < end:
        found = [slot_of(trial) for trial in trials_of(url) if trial.state == TrialState.RUNNING and trial.user_attrs]
        if any(slot and slot.cell == CANDIDATE and slot.number >= number for slot in found):
            return
        time.sleep(0.02)
    raise AssertionError("no worker came to that candidate")


@pytest.fixture(scope="module")
def finished(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A search of three candidates: its file and its storage."""
    folder = tmp_path_factory.mktemp("search")
    search, url = write_search(folder), f"sqlite:///{folder}/search.sqlite"
    with pytest.raises(SystemExit) as caught:
        main(words(search, demo, url))
    assert caught.value.code == 0
    return search, url


# --- the memory test ---------------------------------------------------------------------------------------------


def test_the_memory_test_shows_the_symbols_and_then_asks_for_them() -> None:
    read, said = sequences(4, seed=0)
    assert read.shape == (4, 2 * SYMBOLS, ALPHABET + 1)
    shown = read.argmax(-1)
    assert (shown[:, :SYMBOLS].flatten() == said).all()
    assert (shown[:, SYMBOLS] == ALPHABET).all()
    assert (shown[:, SYMBOLS + 1 :] == shown[:, : SYMBOLS - 1]).all()  # what should have been said before
    assert len({tuple(row.tolist()) for row in sequences(100, seed=1)[1].unflatten(0, (100, SYMBOLS))}) > 95


def test_a_cell_that_remembers_passes_the_memory_test() -> None:
    assert recall_share("rnn", 60, seed=1) > 0.9
    assert recall_share("lstm", 1, seed=1) < 0.4


# --- one worker --------------------------------------------------------------------------------------------------


def test_a_search_fills_every_place(finished: tuple[Path, str]) -> None:
    _, url = finished
    places = done(url)
    cells = [Slot("gru-cho", 0), Slot("rnn", 0), *(Slot(CANDIDATE, number) for number in range(3))]
    assert [slot for slot in places if slot and slot.of is None] == cells
    assert {slot.cell for slot in places if slot and slot.of is not None} == {"gru-cho", "rnn", CANDIDATE}
    results = results_of(find_stored(SearchDefinition, NAME, url))
    for one in results.tried:
        (draw,) = one.kept["draws"]
        assert draw["parameters"] == pytest.approx(1500, rel=0.1)
        assert draw["config"]["network"]["cell"] == one.kept["name"]
        assert draw["corpus"] == results.corpus
        assert one.kept["seconds"] > 0


def test_a_finished_search_has_nothing_left_to_do(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path
) -> None:
    search, url = finished
    before = len(trials_of(url))
    status, out, err = call(capsys, *words(search, demo, url))
    assert (status, err) == (0, "")
    assert "8 of 8 cells and repeats done, 0 running, nothing left to do" in out
    assert len(trials_of(url)) == before
    assert call(capsys, "search", "status", search, "--storage", url)[1] == out


# --- stopped, and several workers --------------------------------------------------------------------------------


def test_two_workers_end_with_the_same_after_a_third_was_killed(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path, tmp_path: Path
) -> None:
    """They end with what one worker ends with that nobody stopped; only the candidate under way is lost."""
    search, url = finished[0], f"sqlite:///{tmp_path}/search.sqlite"
    command = [sys.executable, "-m", "speech_lstm", *words(search, demo, url)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        trying(url, 1)
        killed.kill()
    before = len(done(url))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        status, out, _ = call(capsys, *words(search, demo, url))
        told, _ = other.communicate(timeout=SLOW)
    assert (status, other.returncode) == (0, 0)
    assert outcome(url) == outcome(finished[1])
    lines = [text.count("  memory ") + text.count("  repeat ") for text in (out, told)]
    assert sum(lines) == len(done(url)) - before
    assert len([trial for trial in trials_of(url) if trial.state == TrialState.FAIL]) == 1


def test_ctrl_c_says_how_to_go_on(demo: Path, tmp_path: Path) -> None:
    search, url = write_search(tmp_path, steps=100_000), f"sqlite:///{tmp_path}/search.sqlite"
    command = [sys.executable, "-m", "speech_lstm", *words(search, demo, url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        end = time.monotonic() + SLOW
        while not any(trial.state == TrialState.RUNNING for trial in trials_of(url)) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)  # the memory test goes on for minutes
        worker.send_signal(signal.SIGINT)
        _, err = worker.communicate(timeout=SLOW)
    assert worker.returncode == INTERRUPTED
    assert err.splitlines()[-1] == "stopped; finished trainings are saved. Run the same command to continue."
    assert "Traceback" not in err


# --- cells taken out ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("forget_plugins")
def test_a_cell_of_a_search_is_a_cell_of_the_program(
    capsys: pytest.CaptureFixture[str],
    finished: tuple[Path, str],
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exported, shown, trained, evaluated, and written as ONNX, with `--plugin`."""
    search, url = finished
    monkeypatch.chdir(tmp_path)
    status, out, _ = call(capsys, "search", "export", search, 1, "--storage", url)
    assert status == 0
    path, cell = out.split(":")[0], out.split()[-1]
    assert Path(path).name == f"{cell}.py"
    results = results_of(find_stored(SearchDefinition, NAME, url))
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
    assert (
        call(capsys, "gates", next((demo / "yes").glob("*.wav")), "--model", model, "--out", "g.png", *plugin)[0] == 0
    )


# --- what can't be -----------------------------------------------------------------------------------------------


def test_another_search_of_the_same_name(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo: Path, tmp_path: Path
) -> None:
    _, url = finished
    other = write_search(tmp_path, steps=3)
    line = refusal(capsys, *words(other, demo, url))
    assert "has a search 'tiny' of another definition: recall_steps in [search] was 2 and is 3 now" in line


def test_a_corpus_that_changed(
    capsys: pytest.CaptureFixture[str], finished: tuple[Path, str], demo_copy: Path
) -> None:
    search, url = finished
    min((demo_copy / "yes").iterdir()).unlink()
    assert "the search 'tiny' was begun with other recordings" in refusal(capsys, *words(search, demo_copy, url))


def test_storages_and_ranks_that_are_not_there(
    capsys: pytest.CaptureFixture[str],
    finished: tuple[Path, str],
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search, url = finished
    monkeypatch.chdir(tmp_path)
    for action in ("status", "report"):
        assert "runs/searches/demo.sqlite: there is no such search" in refusal(capsys, "search", action)
        assert "has no search 'demo'" in refusal(capsys, "search", action, "--storage", url)
    export = ["search", "export", search]
    assert "rank 4: the search 'tiny' has 3 cells" in refusal(capsys, *export, 4, "--storage", url)
    assert "not the name of a Python file" in refusal(capsys, *export, 1, "--storage", url, "--out", "cell.txt")
    unreachable = "postgresql://me:secret@127.0.0.1:1/none"
    line = refusal(capsys, *words(search, demo, unreachable))
    assert "cannot be used as a storage" in line
    assert "secret" not in line
    assert "names no corpus: give --data" in refusal(capsys, "search", "run", search, "--storage", url)
    assert not list(tmp_path.iterdir())
