"""How far a study is: trials done, the best so far of each cell, the time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from speech_lstm.report.tables import aligned, percent
from speech_lstm.trials.slots import ASKED, KEPT, Slot, best_slots, current, filled


@dataclass(frozen=True)
class Progress:
    """What a study's storage says at one moment."""

    cells: tuple[str, ...]
    asked: dict[str, int]
    there: dict[Slot, FrozenTrial]  # those that are current

    @property
    def total(self) -> int:
        """Trainings there are to be, the seeds of the best configurations included."""
        return len(self.cells) * (self.asked["trials"] + self.asked["seeds"])

    def count(self, state: TrialState, search: bool | None = None) -> int:
        """Trainings in a state; of the search or of the seeds, where that is said."""
        return sum(t.state == state and search in (None, s.of is None) for s, t in self.there.items())

    @property
    def done(self) -> int:
        return self.count(TrialState.COMPLETE)

    @property
    def seconds_left(self) -> float | None:
        """At the mean time of a training and with the workers of now; None where that isn't known."""
        spent = [kept(trial)["seconds"] for trial in self.there.values() if trial.state == TrialState.COMPLETE]
        workers = self.count(TrialState.RUNNING)
        if not spent or not workers:
            return None
        left = max(self.total - len(spent) - workers / 2, workers / 2)  # those under way are half done
        return left * sum(spent) / len(spent) / workers


def kept(trial: FrozenTrial) -> dict[str, Any]:
    """What is kept of a training that is done."""
    found: dict[str, Any] = trial.user_attrs[KEPT]
    return found


def progress_of(study: optuna.Study) -> Progress:
    """The progress of a study."""
    told, there = study.user_attrs, filled(study.get_trials(deepcopy=False))
    identity = told["identity"]
    best = best_slots(identity["study"]["objective"], there)
    return Progress(tuple(identity["cells"]), told[ASKED], current(there, best.values()))


def trial_line(slot: Slot, found: dict[str, Any]) -> str:
    """One training that is done, in one line."""
    what = f"trial {slot.number + 1}" if slot.of is None else f"seed {slot.number + 1} of trial {slot.of + 1}"
    end = "  the loss became infinite" if found["diverged"] else ""
    return (
        f"{slot.cell}  {what}  validation {percent(found['validation']['accuracy'])}  "
        f"{found['parameters']:,} parameters  {found['seconds']:.0f} s{end}"
    )


def text(progress: Progress) -> str:
    """The progress for the terminal."""
    asked = progress.asked
    rows = [["cell", "trials", "seeds", "best validation accuracy", "of trial"]]
    for cell in progress.cells:
        done = {s: kept(t) for s, t in progress.there.items() if s.cell == cell and t.state == TrialState.COMPLETE}
        trials = [slot for slot in done if slot.of is None]
        best = max(trials, key=lambda slot: done[slot]["validation"]["accuracy"], default=None)
        rows.append(
            [
                cell,
                f"{len(trials)} of {asked['trials']}",
                f"{len(done) - len(trials)} of {asked['seeds']}",
                percent(done[best]["validation"]["accuracy"]) if best else "–",
                str(best.number + 1) if best else "–",
            ]
        )
    running = progress.count(TrialState.RUNNING)
    lines = [*aligned(rows, "lrrrr"), ""]
    lines.append(f"{progress.done:,} of {progress.total:,} trainings done, {running} under way, {left(progress)}")
    return "\n".join(lines)


def left(progress: Progress) -> str:
    """The time left, in words."""
    if progress.done >= progress.total:
        return "nothing left to do"
    seconds = progress.seconds_left
    if seconds is None:
        return "no worker at it" if not progress.count(TrialState.RUNNING) else "time left not yet known"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
