"""What was heard while listening: each command with the time of day, and how often each was."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from speech_lstm.recognition.prediction import Prediction
from speech_lstm.report.tables import counted

REMEMBERED = 200  # commands; more than any terminal has lines


@dataclass(frozen=True)
class Command:
    """A command that was heard from a source."""

    source: str  # its name
    found: Prediction
    said: datetime  # the time of day, with its zone, at which the word began
    certain: float  # seconds of the stream when it was found

    def json(self) -> str:
        """It as a line of JSON: the fields of `classify --jsonl`, and the time of day as ISO 8601."""
        return json.dumps(self.found.fields(self.source) | {"time": self.said.isoformat(timespec="milliseconds")})


class Journal:
    """The newest commands, the last one first, and the count of each."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.newest: deque[Command] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()

    def add(self, found: Prediction, seconds: float) -> Command:
        """Note what was found when `seconds` of the stream had been heard, which is now."""
        said = datetime.now().astimezone() - timedelta(seconds=max(0.0, seconds - found.start))
        command = Command(self.source, found, said, seconds)
        self.newest.appendleft(command)
        self.counts[found.label] += 1
        return command

    def summary(self, seconds: float, overruns: int) -> str:
        """One line for the end."""
        each = ", ".join(f"{label} {count}" for label, count in self.counts.most_common())
        line = f"{seconds:.1f} s heard, {counted(self.counts.total(), 'command')}"
        line += f": {each}" if each else ""
        return line + (f"; {counted(overruns, 'block')} lost" if overruns else "")
