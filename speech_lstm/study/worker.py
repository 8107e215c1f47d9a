"""A worker: it takes one training after the other until the study is done, beside any number of others."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.study.definition import Definition
from speech_lstm.study.progress import progress_of, trial_line
from speech_lstm.study.recordings import StudyRecordings
from speech_lstm.study.slots import ASKED, KEPT, SLOT, Slot, drawn_seed, filled, slot_of, wanted
from speech_lstm.study.storage import connected
from speech_lstm.study.trial import trained

PAUSE = 2.0  # seconds between looks at what other workers do


@dataclass
class Worker:
    """What a worker has at hand. `trials` and `seeds` are how many of them it works towards."""

    definition: Definition
    study: optuna.Study
    recordings: StudyRecordings
    device: torch.device
    trials: int
    seeds: int
    quiet: bool = False
    bar: Any = field(default=None, init=False)

    def run(self) -> None:
        """Work until nothing is left to do, nor in the hands of another worker.

        Raises `trainer.Stopped` when the user interrupts: the training under way is lost, and tried again by
        whoever comes next. Raises StudyError for a storage that can't be reached any more, and ConfigError.
        """
        from tqdm import tqdm

        with connected(), tqdm(unit="training", disable=True if self.quiet else None, smoothing=0) as self.bar:
            self.ask()
            while True:
                there = self.look()
                slots = wanted(self.definition, self.trials, self.seeds, there)
                states = {trial.state for trial in there.values()}
                if missing := [slot for slot in slots if slot not in there]:
                    self.enqueue(missing, there)
                elif TrialState.WAITING in states:
                    self.take()
                elif TrialState.RUNNING in states:
                    time.sleep(PAUSE)
                else:
                    return

    def all_trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def ask(self) -> None:
        """Write down how many trials and seeds there are to be: the most that any worker was given."""
        before = self.study.user_attrs.get(ASKED, {})
        most = {"trials": self.trials, "seeds": self.seeds}
        most = {name: max(count, before.get(name, 0)) for name, count in most.items()}
        if most != before:
            self.study.set_user_attr(ASKED, most)

    def look(self) -> dict[Slot, FrozenTrial]:
        """What is there, once the trainings of dead workers are given up."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        progress = progress_of(self.study)
        self.bar.total, self.bar.n = progress.total, progress.done
        self.bar.refresh()
        return progress.there

    def enqueue(self, slots: list[Slot], there: dict[Slot, FrozenTrial]) -> None:
        """Put places into the queue that any worker takes from."""
        for slot in slots:
            best = {} if slot.of is None else there[Slot(slot.cell, slot.of)].params
            self.study.enqueue_trial(best, user_attrs={SLOT: list(slot)})

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
        drawn = {name: suggest(trial, name, item) for name, item in self.definition.space.items()}
        seed = drawn_seed("training", self.definition.study.seed, *slot)
        labels = len(self.recordings.recordings.task.labels)
        config = self.definition.config(slot.cell, drawn, seed, labels)
        kept = trained(config, self.recordings, self.device)
        trial.set_user_attr(KEPT, kept)
        self.say(slot, kept)
        return float(kept["validation"][self.definition.study.objective])

    def say(self, slot: Slot, kept: dict[str, Any]) -> None:
        """A line for people about a training that is done."""
        if not self.quiet:
            self.bar.write(trial_line(slot, kept))


def suggest(trial: optuna.Trial, name: str, item: optuna.distributions.BaseDistribution) -> Any:
    """The value of a setting that was drawn for a trial, which is written into the storage."""
    if isinstance(item, FloatDistribution):
        return trial.suggest_float(name, item.low, item.high, log=item.log)
    if isinstance(item, IntDistribution):
        return trial.suggest_int(name, item.low, item.high, log=item.log)
    assert isinstance(item, CategoricalDistribution)
    return trial.suggest_categorical(name, item.choices)
