"""The reports of a detector matched with the known words of a stream, each counted once; see docs/stream_test.md."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from speech_lstm.config import SILENCE
from speech_lstm.streams.truth import Event

WORD_SECONDS = 1.0  # assumed length of a word of unknown end: that of a window
LATE_SECONDS = 1.0  # after a word's end in which a report still belongs to it; no later window holds any of it

Outcome = Literal["matched", "wrong", "missed"]


class Report(Protocol):
    """A command reported by a detector."""

    @property
    def label(self) -> str: ...

    @property
    def time(self) -> float:
        """The second of the stream at which it was decided on."""
        ...


@dataclass(frozen=True)
class Answer:
    """What became of a spoken command: `report` is the right or the wrong one, None if the command was missed."""

    event: Event
    outcome: Outcome
    report: Report | None = None

    @property
    def latency(self) -> float | None:
        """Seconds from the end of a matched word to its report; None for other words and where the end is unknown."""
        if self.outcome != "matched" or self.report is None or self.event.end is None:
            return None
        return self.report.time - self.event.end


@dataclass(frozen=True)
class FalseAccept:
    """A report that no command was waiting for, and the event that it lies on; None if it lies on none."""

    report: Report
    event: Event | None


@dataclass(frozen=True)
class Matching:
    """Every spoken command, by start, and every report that answers none of them, by time."""

    answers: tuple[Answer, ...]
    false_accepts: tuple[FalseAccept, ...]


def end_of(event: Event) -> float:
    """The second at which an event ends; WORD_SECONDS after its start where the truth has no end."""
    return event.start + WORD_SECONDS if event.end is None else event.end


def last_moment(event: Event) -> float:
    """The second up to which a report belongs to an event."""
    return end_of(event) + (0.0 if event.word == SILENCE else LATE_SECONDS)


def match(events: Sequence[Event], reports: Sequence[Report], commands: Sequence[str]) -> Matching:
    """Assign every report to one event at most, and to every spoken command one report at most.

    First each report, by time, answers a command of its own word that it belongs to and that has no answer, of
    several the one that expires first. Each remaining report lies on the event that it belongs to, of several on the
    one whose end is nearest: on a command without an answer it is a wrong word, anywhere else a false accept.
    """
    events = sorted(events, key=lambda event: event.start)
    answers, remaining = right_answers(events, reports, commands)
    sounds, silences = (
        Timeline(events, [(event.word == SILENCE) == silent for event in events]) for silent in (False, True)
    )
    false_accepts = []
    for report in remaining:
        index = sounds.nearest(report.time)
        if index is None:
            index = silences.nearest(report.time)
        event = None if index is None else events[index]
        if index is not None and event is not None and event.word in commands and index not in answers:
            answers[index] = Answer(event, "wrong", report)
        else:
            false_accepts.append(FalseAccept(report, event))
    spoken = [(index, event) for index, event in enumerate(events) if event.word in commands]
    return Matching(
        tuple(answers.get(index, Answer(event, "missed")) for index, event in spoken), tuple(false_accepts)
    )


def right_answers(
    events: Sequence[Event], reports: Sequence[Report], commands: Sequence[str]
) -> tuple[dict[int, Answer], list[Report]]:
    """The answers of the matched commands, by the index of the event, and the remaining reports, by time."""
    coming = {word: deque((i, event) for i, event in enumerate(events) if event.word == word) for word in commands}
    waiting: dict[str, list[tuple[float, int]]] = {word: [] for word in commands}  # heaps of last moment, index
    answers: dict[int, Answer] = {}
    remaining = []
    for report in sorted(reports, key=lambda report: report.time):
        later, heap = coming[report.label], waiting[report.label]
        while later and later[0][1].start <= report.time:
            index, event = later.popleft()
            heapq.heappush(heap, (last_moment(event), index))
        while heap and heap[0][0] < report.time:
            heapq.heappop(heap)
        if heap:
            _, index = heapq.heappop(heap)
            answers[index] = Answer(events[index], "matched", report)
        else:
            remaining.append(report)
    return answers, remaining


class Timeline:
    """The events of a mask, by start, to find the one that a time belongs to."""

    def __init__(self, events: Sequence[Event], mask: Sequence[bool]) -> None:
        self.indices = [index for index, selected in enumerate(mask) if selected]
        self.starts = [events[index].start for index in self.indices]
        self.ends = [end_of(events[index]) for index in self.indices]
        self.last = [last_moment(events[index]) for index in self.indices]
        self.longest = max((last - start for start, last in zip(self.starts, self.last, strict=True)), default=0.0)

    def nearest(self, time: float) -> int | None:
        """The index of the event that `time` belongs to, of several the one whose end is nearest; None if none."""
        first, stop = bisect_left(self.starts, time - self.longest), bisect_right(self.starts, time)
        candidates = [i for i in range(first, stop) if self.last[i] >= time]
        return self.indices[min(candidates, key=lambda i: abs(self.ends[i] - time))] if candidates else None
