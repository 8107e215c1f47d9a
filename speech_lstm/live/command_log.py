"""The commands recognised while listening: each with the time of day, and how often each was recognised."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from speech_lstm.files import to_json
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.report.tables import quantity

MOST_COMMANDS = 200  # kept; more than any terminal has lines


@dataclass(frozen=True)
class Command:
    """A command recognised in the sound of a source."""

    source: str  # its name
    prediction: Prediction
    time: datetime  # the time of day, with its zone, at which the word began
    decision_seconds: float  # seconds of the stream at which it was decided on

    def json(self) -> str:
        """The command as a line of JSON: the fields of `classify --jsonl`, and the time of day as ISO 8601."""
        fields = self.prediction.fields(self.source) | {"time": self.time.isoformat(timespec="milliseconds")}
        return to_json(fields)


class CommandLog:
    """The newest commands, the last one first, and the count of each."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.newest: deque[Command] = deque(maxlen=MOST_COMMANDS)
        self.counts: Counter[str] = Counter()

    def add(self, prediction: Prediction, seconds: float) -> Command:
        """Log a command that is decided on now, at `seconds` of the stream."""
        time = datetime.now().astimezone() - timedelta(seconds=max(0.0, seconds - prediction.start))
        command = Command(self.source, prediction, time, seconds)
        self.newest.appendleft(command)
        self.counts[prediction.label] += 1
        return command

    def summary(self, seconds: float, overruns: int) -> str:
        """One line for the end, such as `20.0 s of audio, 3 commands: yes 2, no 1; 3 blocks lost`."""
        counts = ", ".join(f"{label} {count}" for label, count in self.counts.most_common())
        line = f"{seconds:.1f} s of audio, {quantity(self.counts.total(), 'command')}"
        line += f": {counts}" if counts else ""
        return line + (f"; {quantity(overruns, 'block')} lost" if overruns else "")
