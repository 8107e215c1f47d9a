"""How far a study is: finished trials and the best of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna

from speech_lstm.report.tables import align, percent
from speech_lstm.study.definition import StudyDefinition
from speech_lstm.trials.progress import TrialsProgress, progress_line
from speech_lstm.trials.slots import TARGET, Slot, Slots, current_slots, filled_slots, finished, outcome_of

UNIT = "trainings"  # what is counted


@dataclass(frozen=True)
class StudyProgress(TrialsProgress):
    """The content of a study's storage at one moment."""

    cells: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.cells) * (self.target["trials"] + self.target["repeats"])


def progress_of(study: optuna.Study) -> StudyProgress:
    """Read the progress of a study."""
    stored, slots = study.user_attrs, filled_slots(study.get_trials(deepcopy=False))
    identity, target = stored["identity"], StudyDefinition.from_stored(stored[TARGET])
    best = best_slots(identity["study"]["objective"], slots)
    return StudyProgress(current_slots(slots, best.values()), target, tuple(identity["cells"]))


def best_slots(objective: str, slots: Slots) -> dict[str, Slot]:
    """The slot of each cell's best finished trial, the first of equals."""
    values = {slot: trial.value or 0.0 for slot, trial in finished(slots).items() if slot.of is None}
    sign = -1 if objective == "accuracy" else 1
    order = sorted(values, key=lambda slot: (sign * values[slot], slot.number), reverse=True)
    return {slot.cell: slot for slot in order}  # the last of a cell is its best


def trial_line(slot: Slot, outcome: dict[str, Any]) -> str:
    """One line about a finished training."""
    trial = f"trial {slot.number + 1}" if slot.of is None else f"repeat {slot.number + 1} of trial {slot.of + 1}"
    end = "  the loss became infinite" if outcome["diverged"] else ""
    return (
        f"{slot.cell}  {trial}  validation {percent(outcome['validation']['accuracy'])}  "
        f"{outcome['parameters']:,} parameters  {outcome['seconds']:.0f} s{end}"
    )


def progress_text(study: optuna.Study) -> str:
    """The progress of a study, for the terminal."""
    progress = progress_of(study)
    target = progress.target
    rows = [["cell", "trials", "repeats", "best validation accuracy", "of trial"]]
    for cell in progress.cells:
        accuracy = {
            slot: outcome_of(trial)["validation"]["accuracy"]
            for slot, trial in finished(progress.slots).items()
            if slot.cell == cell
        }
        trials = [slot for slot in accuracy if slot.of is None]
        best = max(trials, key=lambda slot: accuracy[slot], default=None)
        rows.append(
            [
                cell,
                f"{len(trials)} of {target['trials']}",
                f"{len(accuracy) - len(trials)} of {target['repeats']}",
                percent(accuracy[best]) if best else "–",
                str(best.number + 1) if best else "–",
            ]
        )
    return "\n".join([*align(rows, "lrrrr"), "", progress_line(progress, UNIT)])
