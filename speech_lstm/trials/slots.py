"""The places of a study that a training is to fill, and what is drawn for each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.errors import ConfigError
from speech_lstm.study.definition import Definition

SLOT, KEPT = "slot", "kept"  # attributes of a trial: its place, and what is kept of its training
ASKED = "asked"  # of a study: how many trials and seeds there are to be
LIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
CHECKED = 20  # trials of each cell whose networks are tried before the first is trained


class Slot(NamedTuple):
    """One training: trial `number` of a cell, or, where `of` is its best trial's, a further seed of that; from 0."""

    cell: str
    number: int
    of: int | None = None


def drawn_seed(*parts: Any) -> int:
    """A seed, 31 bits, that is the same for the same parts, on any machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4]) >> 1


def slot_of(trial: FrozenTrial | optuna.Trial) -> Slot | None:
    """The place that a trial fills; None for one that was begun by mistake."""
    found = trial.user_attrs.get(SLOT)
    return Slot(*found) if found else None


def filled(trials: Sequence[FrozenTrial]) -> dict[Slot, FrozenTrial]:
    """The trial of each place that one is waiting for, running or done. Of two the earlier one counts."""
    found: dict[Slot, FrozenTrial] = {}
    for trial in trials:
        slot = slot_of(trial)
        if slot is not None and trial.state in LIVE:
            found.setdefault(slot, trial)
    return found


def wanted(definition: Definition, trials: int, seeds: int, there: dict[Slot, FrozenTrial]) -> list[Slot]:
    """The places to be filled: every cell's trials, the cells in turn; when all are done, the seeds of the best."""
    search = [Slot(cell, number) for number in range(trials) for cell in definition.cells]
    if not all(slot in there and there[slot].state == TrialState.COMPLETE for slot in search):
        return search
    best = best_slots(definition.study.objective, there)
    return search + [Slot(cell, k, best[cell].number) for k in range(seeds) for cell in definition.cells]


def best_slots(objective: str, there: dict[Slot, FrozenTrial]) -> dict[str, Slot]:
    """The place of the best trial, the first of equals, of each cell of which one is done."""
    done = [slot for slot, trial in there.items() if finished_search(slot, trial)]
    sign = -1 if objective == "accuracy" else 1
    done.sort(key=lambda slot: (sign * (there[slot].value or 0.0), slot.number), reverse=True)
    return {slot.cell: slot for slot in done}  # the last of a cell is its best


def current(there: dict[Slot, FrozenTrial], repeated: Collection[Slot]) -> dict[Slot, FrozenTrial]:
    """The places but for finished seeds of what isn't `repeated` any more, as further trials found better."""
    done = [slot for slot, trial in there.items() if trial.state == TrialState.COMPLETE]
    outdone = {slot for slot in done if slot.of is not None and Slot(slot.cell, slot.of) not in repeated}
    return {slot: trial for slot, trial in there.items() if slot not in outdone}


def finished_search(slot: Slot, trial: FrozenTrial) -> bool:
    """Whether it is a finished trial of the search, not a further seed."""
    return slot.of is None and trial.state == TrialState.COMPLETE


class SlotSampler(optuna.samplers.BaseSampler):
    """Draws the settings of a trial for its place: the same for the same place, whichever worker asks.

    With TPE they also depend on the cell's trials that are done.
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        return self.definition.space if slot_of(trial) else {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        slot = slot_of(trial)
        if slot is None or slot.of is not None:  # a further seed has its settings
            return {}
        return proposal(self.definition, slot, filled(study.get_trials(deepcopy=False)))

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> Any:
        raise NotImplementedError("all settings of a trial are drawn together")


def proposal(definition: Definition, slot: Slot, there: dict[Slot, FrozenTrial]) -> dict[str, Any]:
    """The settings drawn for a place of the search."""
    seed = drawn_seed("settings", definition.study.seed, slot.cell, slot.number)
    if definition.study.sampler == "random":
        return drawn_settings(definition.space, seed)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(sampler=sampler, direction=direction_of(definition))
    study.add_trials([t for s, t in there.items() if s.cell == slot.cell and finished_search(s, t)])
    return study.ask(definition.space).params


def drawn_settings(space: dict[str, BaseDistribution], seed: int) -> dict[str, Any]:
    """Settings drawn at random from a search space."""
    draw, (study, trial) = optuna.samplers.RandomSampler(seed=seed).sample_independent, nobody()
    return {name: draw(study, trial, name, item) for name, item in space.items()}


@cache
def nobody() -> tuple[optuna.Study, FrozenTrial]:
    """The study and trial that random sampling wants to be told, and does not look at."""
    return optuna.create_study(), optuna.trial.create_trial(state=TrialState.WAITING)


def direction_of(definition: Definition) -> optuna.study.StudyDirection:
    """Whether the objective is to be large or small."""
    directions = optuna.study.StudyDirection
    return directions.MAXIMIZE if definition.study.objective == "accuracy" else directions.MINIMIZE


def check_networks(definition: Definition, trials: int, labels: int) -> None:
    """Raise ConfigError, before anything is trained, for a cell that can't have what is drawn for it."""
    for cell in definition.cells:
        for number in range(min(trials, CHECKED)):
            slot = Slot(cell, number)
            try:
                definition.config(cell, proposal(definition, slot, {}), 0, labels)
            except ConfigError as error:
                raise ConfigError(f"study {definition.name}, cell {cell}, trial {number + 1}: {error}") from None
