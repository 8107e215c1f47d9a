"""Slots: the planned trainings, each of which is filled by one trial of the storage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

SLOT, OUTCOME = "slot", "kept"  # attributes of a trial: its slot, and the outcome of its training
TARGET = "asked"  # attribute of a study: the amount of work
ACTIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)


class Slot(NamedTuple):
    """Training `number` of a cell; with `of`, repeat `number` of training `of`, with another seed. Both from 0."""

    cell: str
    number: int
    of: int | None = None


Slots = Mapping[Slot, FrozenTrial]


def slot_of(trial: FrozenTrial | optuna.Trial) -> Slot | None:
    """The slot that a trial fills; None for a trial begun by mistake."""
    fields = trial.user_attrs.get(SLOT)
    return Slot(*fields) if fields else None


def outcome_of(trial: FrozenTrial) -> dict[str, Any]:
    """Everything stored of a finished training."""
    outcome: dict[str, Any] = trial.user_attrs[OUTCOME]
    return outcome


def filled_slots(trials: Sequence[FrozenTrial]) -> dict[Slot, FrozenTrial]:
    """The waiting, running or finished trial of each slot. Of two the earlier one counts."""
    slots: dict[Slot, FrozenTrial] = {}
    for trial in trials:
        slot = slot_of(trial)
        if slot is not None and trial.state in ACTIVE:
            slots.setdefault(slot, trial)
    return slots


def current_slots(slots: Slots, repeated: Collection[Slot]) -> dict[Slot, FrozenTrial]:
    """The slots without finished repeats of trainings that are no longer `repeated`, as a better one was found."""
    return {
        slot: trial
        for slot, trial in slots.items()
        if slot.of is None or trial.state != TrialState.COMPLETE or Slot(slot.cell, slot.of) in repeated
    }


def finished(slots: Slots) -> dict[Slot, FrozenTrial]:
    """The slots whose trainings are finished."""
    return {slot: trial for slot, trial in slots.items() if trial.state == TrialState.COMPLETE}


def all_finished(planned: Iterable[Slot], slots: Slots) -> bool:
    """Whether the trainings of some planned slots are finished."""
    return all(slot in slots and slots[slot].state == TrialState.COMPLETE for slot in planned)
