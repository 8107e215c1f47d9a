"""How far a study or search is, and the time that is left."""

from __future__ import annotations

from dataclasses import dataclass

from optuna.trial import TrialState

from speech_lstm.trials.slots import Slots, finished, outcome_of


@dataclass(frozen=True)
class TrialsProgress:
    """The content of a storage at one moment. `slots` are the current ones."""

    slots: Slots
    target: dict[str, int]

    @property
    def total(self) -> int:
        """The number of planned trainings."""
        raise NotImplementedError

    def count(self, state: TrialState) -> int:
        """Trainings in a state."""
        return sum(trial.state == state for trial in self.slots.values())

    @property
    def done(self) -> int:
        """Finished trainings."""
        return self.count(TrialState.COMPLETE)

    @property
    def seconds_left(self) -> float | None:
        """The time left, from the mean time of a training and the workers at this moment; None if unknown."""
        seconds = [outcome_of(trial)["seconds"] for trial in finished(self.slots).values()]
        workers = self.count(TrialState.RUNNING)
        if not seconds or not workers:
            return None
        left = max(self.total - len(seconds) - workers / 2, workers / 2)  # running trainings count as half done
        return left * sum(seconds) / len(seconds) / workers


def progress_line(progress: TrialsProgress, unit: str) -> str:
    """Finished and running trainings, and the time left; `unit` is the plural of what is counted."""
    running = progress.count(TrialState.RUNNING)
    return f"{progress.done:,} of {progress.total:,} {unit} done, {running} running, {time_left(progress)}"


def time_left(progress: TrialsProgress) -> str:
    """The time left, in words."""
    if progress.done >= progress.total:
        return "nothing left to do"
    seconds = progress.seconds_left
    if seconds is None:
        return "time left not yet known"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
