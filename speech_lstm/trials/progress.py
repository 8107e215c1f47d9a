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
    def running(self) -> int:
        """Trainings that a worker is doing at this moment."""
        return self.count(TrialState.RUNNING)

    def seconds_left(self, workers: int) -> float | None:
        """The time left for that many workers, from the mean time of a training; None if unknown."""
        seconds = [outcome_of(trial)["seconds"] for trial in finished(self.slots).values()]
        workers = min(workers, self.total - self.done)
        if not seconds or not workers:
            return None
        left = self.total - self.done - self.running / 2  # running trainings count as half done
        return left * sum(seconds) / len(seconds) / workers


def progress_line(progress: TrialsProgress, unit: str) -> str:
    """Finished and running trainings, and the time left; `unit` is the plural of what is counted."""
    running = progress.running
    return f"{progress.done:,} of {progress.total:,} {unit} done, {running} running, {time_left(progress, running)}"


def time_left(progress: TrialsProgress, workers: int) -> str:
    """The time left for that many workers, in words."""
    if progress.done >= progress.total:
        return "nothing left to do"
    seconds = progress.seconds_left(workers)
    if seconds is None:
        return "time left not yet known"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
