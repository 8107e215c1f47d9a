"""A worker takes one training after another until a study or search is done; any number of workers share it."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import optuna
import torch
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.training.trainer import Stopped
from speech_lstm.trials.definition import Definition
from speech_lstm.trials.progress import TrialsProgress, progress_line, time_left
from speech_lstm.trials.recordings import TrialRecordings
from speech_lstm.trials.slots import (
    OUTCOME,
    SLOT,
    TARGET,
    Slot,
    Slots,
    filled_slots,
    outcome_of,
    slot_of,
)
from speech_lstm.trials.storage import connected

logger = logging.getLogger(__name__)

PAUSE = 2.0  # seconds between looks at what other workers do
BAR = "{percentage:3.0f} %|{bar}| {n_fmt} of {total_fmt} {unit}{postfix}"


@dataclass
class Worker(ABC):
    """A worker; `target` is the amount of work, as in `Definition.counts`. A subclass plans the work and does it."""

    study: optuna.Study
    recordings: TrialRecordings
    device: torch.device
    target: dict[str, int]
    definition: Definition
    quiet: bool = field(default=False, kw_only=True)
    bar: Any = field(default=None, init=False)
    seen: set[int] = field(default_factory=set, init=False)  # numbers of trials that were once running
    UNIT: ClassVar[str]  # what is counted, in the plural

    def run(self) -> None:
        """Work until nothing is left to do, and no other worker has anything left.

        Raises `trainer.Stopped` when the user interrupts: the running training is lost, and the next worker does it
        again. Raises StorageError for a storage that cannot be reached any more, and ConfigError.
        """
        from speech_lstm.progress import Bar

        off = self.quiet or not sys.stderr.isatty()  # a file gets a line for each training
        with connected(), Bar(unit=self.UNIT, bar_format=BAR, delay=0, disable=off) as self.bar:
            self.raise_target()
            begun = self.progress()
            if not self.quiet and begun.done < begun.total:
                self.bar.write(progress_line(begun, self.UNIT))
            while True:
                slots = self.look()
                planned = self.planned(slots)
                states = {trial.state for trial in slots.values()}
                if missing := [slot for slot in planned if slot not in slots]:
                    for slot in missing:  # any worker takes from the queue
                        self.study.enqueue_trial(self.settings(slot, slots), user_attrs={SLOT: list(slot)})
                elif TrialState.WAITING in states:
                    self.take()
                elif TrialState.RUNNING in states:
                    time.sleep(PAUSE)
                else:
                    return

    @abstractmethod
    def progress(self) -> TrialsProgress:
        """How far all workers together are."""

    @abstractmethod
    def planned(self, slots: Slots) -> list[Slot]:
        """The slots to be filled, as far as they are known."""

    @abstractmethod
    def fill(self, slot: Slot, trial: optuna.Trial) -> tuple[dict[str, Any], float]:
        """Do the training of a slot: the outcome, and the value of the objective."""

    @abstractmethod
    def line(self, slot: Slot, outcome: dict[str, Any]) -> str:
        """A line about a finished training."""

    def settings(self, slot: Slot, slots: Slots) -> dict[str, Any]:
        """The settings of a slot that are known when it is put into the queue."""
        return {}

    def all_trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def raise_target(self) -> None:
        """Store the amount of work: the largest that any worker was given."""
        before = self.stored_target()
        most = {name: max(count, before.get(name, 0)) for name, count in self.target.items()}
        if most != before:
            self.study.set_user_attr(TARGET, self.definition.to_stored(most))

    def stored_target(self) -> dict[str, int]:
        """The amount of work for all workers together."""
        return self.definition.from_stored(self.study.user_attrs.get(TARGET, {}))

    def look(self) -> dict[Slot, FrozenTrial]:
        """The filled slots, after the trainings of dead workers are marked as failed."""
        self.send_first_heartbeats()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        self.show(self.progress())
        return filled_slots(self.all_trials())

    def show(self, progress: TrialsProgress) -> str:
        """Move the bar; the work done and the time left, with this worker, which is between two trainings."""
        left = time_left(progress, progress.running + 1)
        self.bar.total, self.bar.n = progress.total, progress.done
        self.bar.set_postfix_str(left)
        return f"{progress.done:,} of {progress.total:,}, {left}"

    def send_first_heartbeats(self) -> None:
        """Send one heartbeat on behalf of every running training that is seen for the first time.

        Optuna takes a worker for dead if its last heartbeat is too old; one killed before its first has none.
        """
        storage = self.study._storage
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if isinstance(storage, BaseHeartbeat) and trial.number not in self.seen:
                storage.record_heartbeat(trial._trial_id)
            self.seen.add(trial.number)

    def take(self) -> None:
        """Do one training from the queue."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                self.study.optimize(self.objective, n_trials=1, callbacks=[self.report])
            except (
                ValueError
            ) as error:  # this worker was so slow that it counts as dead: another repeats the training
                if "Cannot tell" not in str(error):
                    raise

    def objective(self, trial: optuna.Trial) -> float:
        """Do the training of a trial's slot; the value of the objective."""
        slot = slot_of(trial)
        if slot is None or filled_slots(self.all_trials())[slot].number != trial.number:
            raise optuna.TrialPruned  # the queue was empty, or two workers put the slot into it
        outcome, value = self.fill(slot, trial)
        trial.set_user_attr(OUTCOME, outcome)
        return value

    def report(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Print a line about a training that has ended."""
        slot = slot_of(trial)
        if slot is not None and trial.state == TrialState.COMPLETE:
            line = f"{self.line(slot, outcome_of(trial))}  {self.show(self.progress())}"
            logger.info("%s", line)
            if not self.quiet:
                self.bar.write(line)


def run_worker(worker: Worker) -> bool:
    """Run a worker to the end; False, with a line that says how to continue, if the user interrupts it."""
    try:
        worker.run()
    except (Stopped, KeyboardInterrupt):
        print("stopped; finished trainings are saved. Run the same command to continue.", file=sys.stderr)
        return False
    return True
