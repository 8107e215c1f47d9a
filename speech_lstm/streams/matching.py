"""What a detector reported against what was said: each event and each report is counted once; see docs/live.md."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from speech_lstm.config import SILENCE
from speech_lstm.streams.truth import Event

WORD_SECONDS = 1.0  # that a word of unknown end may last: the length of a window
LATE_SECONDS = 1.0  # after a word's end, in which a report still belongs to it: a later window holds nothing of it

Outcome = Literal["matched", "wrong", "missed"]


class Report(Protocol):
    """A command that a detector decided on."""

    @property
    def label(self) -> str: ...

    @property
    def time(self) -> float:
        """Seconds of the stream heard when it was decided."""
        ...


@dataclass(frozen=True)
class Answer:
    """What became of a command that was said: `report` is the right one or the wrong one, None if it was missed."""

    event: Event
    outcome: Outcome
    report: Report | None = None

    @property
    def latency(self) -> float | None:
        """Seconds from the end of a matched word to its report; None where either isn't known."""
        if self.outcome != "matched" or self.report is None or self.event.end is None:
            return None
        return self.report.time - self.event.end


@dataclass(frozen=True)
class FalseAccept:
    """A report where no command was waiting for one, and what lies there; None where the truth has nothing."""

    report: Report
    cause: Event | None


@dataclass(frozen=True)
class Matching:
    """Every command that was said, by start, and every report that is no answer to one, by time."""

    answers: tuple[Answer, ...]
    false_accepts: tuple[FalseAccept, ...]


def end_of(event: Event) -> float:
    """The second at which an event ends; that of a word is taken for a second long where the truth doesn't tell."""
    return event.start + WORD_SECONDS if event.end is None else event.end


def last_moment(event: Event) -> float:
    """The second up to which a report belongs to an event."""
    return end_of(event) + (0.0 if event.word == SILENCE else LATE_SECONDS)


def match(events: Sequence[Event], reports: Sequence[Report], commands: Sequence[str]) -> Matching:
    """Give every report to one event at most, and every command that was said one report at most.

    First each report, by time, answers the command of its own word that it belongs to and that has no answer, of
    several the one that can wait least. What is left lies on the event that it belongs to and that ended nearest to
    it: a command without an answer was heard wrongly, anything else is a false accept.
    """
    events = sorted(events, key=lambda event: event.start)
    answers, left = right_answers(events, reports, commands)
    sounds, quiet = (Timeline(events, [(e.word == SILENCE) == still for e in events]) for still in (False, True))
    false_accepts = []
    for report in left:
        place = sounds.nearest(report.time)
        if place is None:
            place = quiet.nearest(report.time)
        cause = None if place is None else events[place]
        if place is not None and cause is not None and cause.word in commands and place not in answers:
            answers[place] = Answer(cause, "wrong", report)
        else:
            false_accepts.append(FalseAccept(report, cause))
    said = [(place, event) for place, event in enumerate(events) if event.word in commands]
    return Matching(tuple(answers.get(place, Answer(event, "missed")) for place, event in said), tuple(false_accepts))


def right_answers(
    events: Sequence[Event], reports: Sequence[Report], commands: Sequence[str]
) -> tuple[dict[int, Answer], list[Report]]:
    """The answers of the commands that were found, by the place of the event, and the reports left over, by time."""
    coming = {word: deque((place, e) for place, e in enumerate(events) if e.word == word) for word in commands}
    waiting: dict[str, list[tuple[float, int]]] = {word: [] for word in commands}  # heaps: last moment, place
    answers: dict[int, Answer] = {}
    left = []
    for report in sorted(reports, key=lambda report: report.time):
        later, heap = coming[report.label], waiting[report.label]
        while later and later[0][1].start <= report.time:
            place, event = later.popleft()
            heapq.heappush(heap, (last_moment(event), place))
        while heap and heap[0][0] < report.time:
            heapq.heappop(heap)
        if heap:
            _, place = heapq.heappop(heap)
            answers[place] = Answer(events[place], "matched", report)
        else:
            left.append(report)
    return answers, left


class Timeline:
    """Some of the events, by start, to find the one that a time belongs to."""

    def __init__(self, events: Sequence[Event], wanted: Sequence[bool]) -> None:
        self.places = [place for place, want in enumerate(wanted) if want]
        self.starts = [events[place].start for place in self.places]
        self.ends = [end_of(events[place]) for place in self.places]
        self.last = [last_moment(events[place]) for place in self.places]
        self.longest = max((last - start for start, last in zip(self.starts, self.last, strict=True)), default=0.0)

    def nearest(self, time: float) -> int | None:
        """The place of the event that `time` belongs to, of several that which ended nearest to it."""
        first, stop = bisect_left(self.starts, time - self.longest), bisect_right(self.starts, time)
        found = [i for i in range(first, stop) if self.last[i] >= time]
        return self.places[min(found, key=lambda i: abs(self.ends[i] - time))] if found else None
