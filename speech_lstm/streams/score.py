"""How well a detector does on a stream: counts of a matching, rates per hour, latency; see docs/stream_test.md."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import numpy as np
from scipy.special import gammaincinv

from speech_lstm.config import SILENCE, UNKNOWN
from speech_lstm.report.proportion import Proportion
from speech_lstm.streams.matching import Answer, FalseAccept, Matching, end_of
from speech_lstm.streams.truth import Event

SNR_STEP = 5  # dB, the width of a range
CLOSE_SECONDS = 0.5  # between two words; a window of a second then holds much of both


@dataclass(frozen=True)
class Rate:
    """A count of events in some hours."""

    count: int
    hours: float

    @property
    def per_hour(self) -> float:
        return self.count / self.hours

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the rate per hour, for independent events (Garwood 1936)."""
        low = float(gammaincinv(self.count, 0.025)) if self.count else 0.0
        return low / self.hours, float(gammaincinv(self.count + 1, 0.975)) / self.hours

    def to_dict(self) -> dict[str, Any]:
        return {"count": self.count, "an_hour": self.per_hour, "interval": list(self.interval)}


@dataclass(frozen=True)
class OutcomeCounts:
    """The outcomes of the spoken commands of one word, of one range of SNR, or of all."""

    name: str
    occurrences: int
    matched: int
    wrong: int
    false_accepts: Rate | None = None  # None for a range of SNR, because a false accept has no SNR

    @property
    def missed(self) -> int:
        return self.occurrences - self.matched - self.wrong

    @property
    def not_matched(self) -> Proportion:
        """The share of the spoken commands that were missed or recognised as another one."""
        return Proportion(self.occurrences - self.matched, self.occurrences)

    def to_dict(self) -> dict[str, Any]:
        counts = {"said": self.occurrences, "matched": self.matched, "missed": self.missed, "wrong": self.wrong}
        rate = {"false_accepts": self.false_accepts.to_dict()} if self.false_accepts else {}
        return {"name": self.name, **counts, "not_matched": self.not_matched.to_dict(), **rate}


@dataclass(frozen=True)
class FalseAcceptGroup:
    """The false accepts on one word or kind of sound: how often it occurs, and which commands were reported."""

    name: str
    occurrences: int | None  # None for what cannot be counted
    reported: dict[str, int]

    @property
    def count(self) -> int:
        return sum(self.reported.values())


@dataclass(frozen=True)
class StreamScore:
    """The score of a detector on a stream."""

    hours: float
    commands: tuple[str, ...]
    events: tuple[Event, ...]
    matching: Matching

    @property
    def total(self) -> OutcomeCounts:
        return self.outcomes("all", self.matching.answers, self.matching.false_accepts)

    @property
    def false_accepts(self) -> Rate:
        return Rate(len(self.matching.false_accepts), self.hours)

    @property
    def words(self) -> tuple[OutcomeCounts, ...]:
        """The counts of each command, and how often it was reported falsely."""
        return tuple(
            self.outcomes(
                word,
                [answer for answer in self.matching.answers if answer.event.word == word],
                [accept for accept in self.matching.false_accepts if accept.report.label == word],
            )
            for word in self.commands
        )

    @property
    def snr_ranges(self) -> tuple[OutcomeCounts, ...]:
        """The counts of each 5 dB that has spoken commands, the noisiest first; empty if the truth has no SNR."""
        ranges: dict[int, list[Answer]] = {}
        for answer in self.matching.answers:
            if answer.event.snr_db is not None:
                ranges.setdefault(math.floor(answer.event.snr_db / SNR_STEP), []).append(answer)
        return tuple(
            self.outcomes(f"{SNR_STEP * step:g} to {SNR_STEP * (step + 1):g} dB", answers)
            for step, answers in sorted(ranges.items())
        )

    @property
    def spacings(self) -> tuple[OutcomeCounts, ...]:
        """The counts of commands apart from other words and of those close to one; empty if the truth has no ends."""
        sounds = [event for event in self.events if event.word != SILENCE]
        if any(event.end is None for event in sounds):
            return ()
        close = {
            event
            for earlier, later in pairwise(sounds)
            if later.start - end_of(earlier) < CLOSE_SECONDS
            for event in (earlier, later)
        }
        answers = self.matching.answers
        return (
            self.outcomes("apart", [answer for answer in answers if answer.event not in close]),
            self.outcomes("close", [answer for answer in answers if answer.event in close]),
        )

    @property
    def latencies(self) -> np.ndarray:
        """Seconds from a word's end to its report, float64 [matched words whose end is known]."""
        return np.array([answer.latency for answer in self.matching.answers if answer.latency is not None])

    @property
    def false_accept_groups(self) -> tuple[FalseAcceptGroup, ...]:
        """The false accepts by what they lie on, the most frequent first."""
        groups: dict[str, Counter[str]] = {}
        for accept in self.matching.false_accepts:
            groups.setdefault(self.group_name(accept.event), Counter())[accept.report.label] += 1
        occurrences = Counter(self.group_name(event) for event in self.events if event.word not in (SILENCE, UNKNOWN))
        accepts = [
            FalseAcceptGroup(name, occurrences.get(name), dict(reported.most_common()))
            for name, reported in groups.items()
        ]
        return tuple(sorted(accepts, key=lambda group: (-group.count, group.name)))

    def group_name(self, event: Event | None) -> str:
        """The name of the group of false accepts on an event."""
        if event is None:
            return "between words"
        if event.word == SILENCE:
            return "no speech"
        if event.word == UNKNOWN:
            return f"other speech, {PurePath(event.file).parent.name}".rstrip(", ")
        return f"{event.word}, which had its report" if event.word in self.commands else event.word

    def outcomes(
        self, name: str, answers: Sequence[Answer], false_accepts: Sequence[FalseAccept] | None = None
    ) -> OutcomeCounts:
        """The counts of some answers and false accepts."""
        counts = Counter(answer.outcome for answer in answers)
        rate = None if false_accepts is None else Rate(len(false_accepts), self.hours)
        return OutcomeCounts(name, len(answers), counts["matched"], counts["wrong"], rate)

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's types; times in seconds."""
        latencies = self.latencies
        quantiles = np.quantile(latencies, (0.5, 0.95)).tolist() if len(latencies) else [None, None]
        return {
            "hours": self.hours,
            "all": self.total.to_dict(),
            "words": [counts.to_dict() for counts in self.words],
            "spacing": [counts.to_dict() for counts in self.spacings],
            "snr": [counts.to_dict() for counts in self.snr_ranges],
            "latency": dict(zip(("median", "95_percent"), quantiles, strict=True)),
            "false_accepts": [
                {
                    "time": accept.report.time,
                    "label": accept.report.label,
                    "cause": self.group_name(accept.event),
                    "file": accept.event.file if accept.event else "",
                }
                for accept in self.matching.false_accepts
            ],
            "not_matched": [
                {
                    "word": answer.event.word,
                    "start": answer.event.start,
                    "snr_db": answer.event.snr_db,
                    "file": answer.event.file,
                    "reported": answer.report.label if answer.report else None,
                }
                for answer in self.matching.answers
                if answer.outcome != "matched"
            ],
        }
