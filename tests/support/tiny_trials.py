"""A study and a search that take seconds, and workers for them in processes of their own."""

from __future__ import annotations

import itertools
import multiprocessing
import pkgutil
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.cli import main
from speech_lstm.search.definition import SearchDefinition
from speech_lstm.search.population import CELL
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.trials.definition import Definition
from speech_lstm.trials.slots import Slot, slot_of
from speech_lstm.trials.storage import open_storage
from support.command_line import SLOW
from support.warm_processes import start_server

NAME = "tiny"
TRAINING = "speech_lstm.training.trainer.Trainer.run"
MEMORY_TEST = "speech_lstm.search.recall.learn"
COMMON = """
[space]
hidden = { low = 4, high = 8 }
learning_rate = { low = 1e-3, high = 1e-2, log = true }
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
STUDY = """
[study]
trials = 2
repeats = 1
[cells]
gru = {}
rnn = {}
"""
SEARCH = """
[search]
candidates = 3
ancestors = "gru-cho"
beside = "rnn"
baseline = "rnn"
recall = 0.0
recall_steps = 2
share = 0.0
first_epochs = 1
draws = 1
finalists = 1
repeats = 1
parameters = 1500
"""


@dataclass(frozen=True)
class TinyTrials:
    """A study or search that is to be run."""

    kind: type[Definition]
    text: str

    def write(self, folder: Path, **settings: Any) -> Path:
        """Write the TOML file, with some settings changed."""
        text = self.text
        for name, value in settings.items():
            text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
            assert count == 1, name
        path = folder / f"{NAME}.toml"
        path.write_text(text)
        return path

    def command(self, file: Path, data: Path, url: str) -> list[str]:
        """The arguments of `speech-lstm` that run a worker."""
        return [self.kind.KIND, "run", str(file), "--data", str(data), "--storage", url, "--heartbeat", "1"]

    def trials(self, url: str) -> list[FrozenTrial]:
        """All trials of the storage."""
        study = optuna.load_study(study_name=self.kind.stored_name(NAME), storage=open_storage(url))
        return study.get_trials(deepcopy=False)

    def finished(self, url: str) -> dict[Slot, FrozenTrial]:
        """The finished trial of each slot; no slot is filled twice."""
        trials = [trial for trial in self.trials(url) if trial.state == TrialState.COMPLETE]
        slots = {slot: trial for trial in trials if (slot := slot_of(trial))}
        assert len(slots) == len(trials)
        return slots

    def graphs(self, url: str) -> dict[Slot, Any]:
        """The graph of each candidate of a search; None for other slots."""
        return {slot: trial.user_attrs.get(CELL) for slot, trial in self.finished(url).items()}


TINY_STUDY = TinyTrials(StudyDefinition, STUDY + COMMON)
TINY_SEARCH = TinyTrials(SearchDefinition, SEARCH + COMMON.replace("hidden = { low = 4, high = 8 }\n", ""))


class WorkerProcess:
    """A worker in another process, which can be held at its `hold_at`-th call of a function: by default a training.

    The process is forked from a server that has imported the package once.
    """

    def __init__(self, command: list[str], folder: Path, function: str = TRAINING, hold_at: int = 0) -> None:
        context = multiprocessing.get_context("forkserver")
        start_server()
        self.reached, self.release = context.Event(), context.Event()
        self.out, self.err = folder / "worker.out", folder / "worker.err"
        arguments = command, self.out, self.err, function, hold_at, self.reached, self.release
        self.process = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait(self) -> int:
        """Wait for the end; the exit status."""
        self.process.join(SLOW)
        assert self.process.exitcode is not None
        return self.process.exitcode


def work(
    command: list[str], out: Path, err: Path, function: str, hold_at: int, reached: Event, release: Event
) -> None:
    """Run the command, and hold it when it calls the function for the `hold_at`-th time."""
    owner, _, name = function.rpartition(".")
    held = hold(pkgutil.resolve_name(function), hold_at, reached, release)
    with (
        out.open("w") as output,
        err.open("w") as errors,
        redirect_stdout(output),
        redirect_stderr(errors),
        patch.object(pkgutil.resolve_name(owner), name, held),
    ):
        main(command)


def hold(function: Callable[..., Any], hold_at: int, reached: Event, release: Event) -> Callable[..., Any]:
    """The function, which tells at its `hold_at`-th call that this is reached, and waits for its release."""
    calls = itertools.count(1)

    def held(*arguments: Any, **options: Any) -> Any:
        if next(calls) == hold_at:
            reached.set()
            release.wait()
        return function(*arguments, **options)

    return held
