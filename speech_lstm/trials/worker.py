"""A worker: it takes one training after the other until the study is done, beside any number of others."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.study.definition import Definition
from speech_lstm.study.progress import trial_line
from speech_lstm.training.trainer import Stopped
from speech_lstm.trials.recordings import StudyRecordings
from speech_lstm.trials.slots import ASKED, KEPT, SLOT, Slot, best_slots, current, drawn_seed, filled, slot_of, wanted
from speech_lstm.trials.storage import connected
from speech_lstm.trials.training import trained

PAUSE = 2.0  # seconds between looks at what other workers do


@dataclass
class Worker:
    """What a worker has at hand, and `asked`, which it works towards; a subclass says what there is to do."""

    study: optuna.Study
    recordings: StudyRecordings
    device: torch.device
    asked: dict[str, int]
    quiet: bool = field(default=False, kw_only=True)
    bar: Any = field(default=None, init=False)
    seen: set[int] = field(default_factory=set, init=False)  # numbers of trials that were once under way
    UNIT: ClassVar[str] = "training"

    def run(self) -> None:
        """Work until nothing is left to do, nor in the hands of another worker.

        Raises `trainer.Stopped` when the user interrupts: the training under way is lost, and tried again by
        whoever comes next. Raises StudyError for a storage that can't be reached any more, and ConfigError.
        """
        from tqdm import tqdm

        with connected(), tqdm(unit=self.UNIT, disable=True if self.quiet else None, smoothing=0) as self.bar:
            self.ask()
            while True:
                there = self.look()
                slots = self.wanted(there)
                states = {trial.state for trial in there.values()}
                if missing := [slot for slot in slots if slot not in there]:
                    for slot in missing:  # any worker takes from the queue
                        self.study.enqueue_trial(self.settings(slot, there), user_attrs={SLOT: list(slot)})
                elif TrialState.WAITING in states:
                    self.take()
                elif TrialState.RUNNING in states:
                    time.sleep(PAUSE)
                else:
                    return

    def total(self, asked: dict[str, int]) -> int:
        """Trainings there are to be."""
        raise NotImplementedError

    def wanted(self, there: dict[Slot, FrozenTrial]) -> list[Slot]:
        """The places to be filled."""
        raise NotImplementedError

    def repeated(self, there: dict[Slot, FrozenTrial]) -> Collection[Slot]:
        """The places whose trainings are repeated with further seeds, as far as is known."""
        raise NotImplementedError

    def settings(self, slot: Slot, there: dict[Slot, FrozenTrial]) -> dict[str, Any]:
        """The settings of a place that are known before its turn comes."""
        return {}

    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        """Train what a place asks for: what is kept of it, and the objective's value."""
        raise NotImplementedError

    def line(self, slot: Slot, kept: dict[str, Any]) -> str:
        """A line for people about a place that is filled."""
        return trial_line(slot, kept)

    def all_trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def ask(self) -> None:
        """Write down how much there is to be: the most that any worker was given."""
        before = self.study.user_attrs.get(ASKED, {})
        most = {name: max(count, before.get(name, 0)) for name, count in self.asked.items()}
        if most != before:
            self.study.set_user_attr(ASKED, most)

    def look(self) -> dict[Slot, FrozenTrial]:
        """What is there, once the trainings of dead workers are given up."""
        self.answer_for_the_silent()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        there = filled(self.all_trials())
        self.bar.total = self.total(self.study.user_attrs[ASKED])
        self.bar.n = sum(
            trial.state == TrialState.COMPLETE for trial in current(there, self.repeated(there)).values()
        )
        self.bar.refresh()
        return there

    def answer_for_the_silent(self) -> None:
        """Give one sign of life in place of every training under way that is seen for the first time.

        Optuna takes a worker for dead whose last sign is too old. One that was killed before its first has none.
        """
        storage = self.study._storage
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if isinstance(storage, BaseHeartbeat) and trial.number not in self.seen:
                storage.record_heartbeat(trial._trial_id)
            self.seen.add(trial.number)

    def take(self) -> None:
        """One training from the queue."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                self.study.optimize(self.objective, n_trials=1)
            except ValueError as error:  # a slow worker that was taken for dead: another does it again
                if "Cannot tell" not in str(error):
                    raise

    def objective(self, trial: optuna.Trial) -> float:
        """Train what the trial's place asks for; the value is the objective's."""
        slot = slot_of(trial)
        if slot is None or filled(self.all_trials())[slot].number != trial.number:
            raise optuna.TrialPruned  # another worker took the last of the queue, or has put the place there twice
        kept, value = self.fill(slot, trial)
        trial.set_user_attr(KEPT, kept)
        if not self.quiet:
            self.bar.write(self.line(slot, kept))
        return value


@dataclass
class StudyWorker(Worker):
    """A worker of a study."""

    definition: Definition

    def total(self, asked: dict[str, int]) -> int:
        return len(self.definition.cells) * (asked["trials"] + asked["seeds"])

    def wanted(self, there: dict[Slot, FrozenTrial]) -> list[Slot]:
        return wanted(self.definition, self.asked["trials"], self.asked["seeds"], there)

    def repeated(self, there: dict[Slot, FrozenTrial]) -> Collection[Slot]:
        return best_slots(self.definition.study.objective, there).values()

    def settings(self, slot: Slot, there: dict[Slot, FrozenTrial]) -> dict[str, Any]:
        return {} if slot.of is None else there[Slot(slot.cell, slot.of)].params

    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        drawn = {name: suggest(trial, name, item) for name, item in self.definition.space.items()}
        seed = drawn_seed("training", self.definition.study.seed, *slot)
        labels = len(self.recordings.recordings.task.labels)
        config = self.definition.config(slot.cell, drawn, seed, labels)
        kept = trained(config, self.recordings, self.device)
        return kept, float(kept["validation"][self.definition.study.objective])


def worked(worker: Worker) -> bool:
    """Let a worker work; False, with a line that says how to go on, where the user interrupted it."""
    try:
        worker.run()
    except (Stopped, KeyboardInterrupt):
        print("stopped; what is finished is kept, and the same command goes on", file=sys.stderr)
        return False
    return True


def suggest(trial: optuna.Trial, name: str, item: optuna.distributions.BaseDistribution) -> Any:
    """The value of a setting that was drawn for a trial, which is written into the storage."""
    if isinstance(item, FloatDistribution):
        return trial.suggest_float(name, item.low, item.high, log=item.log)
    if isinstance(item, IntDistribution):
        return trial.suggest_int(name, item.low, item.high, log=item.log)
    assert isinstance(item, CategoricalDistribution)
    return trial.suggest_categorical(name, item.choices)
