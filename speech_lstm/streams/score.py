"""How well a detector did on a stream: counts of a matching, rates for each hour, latency; see docs/live.md."""

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
from speech_lstm.report.proportion import Share
from speech_lstm.streams.matching import Answer, FalseAccept, Matching, end_of
from speech_lstm.streams.truth import Event

SNR_STEP = 5  # dB, the width of the ranges
CLOSE_SECONDS = 0.5  # between two words; a window of a second then holds much of both


@dataclass(frozen=True)
class Rate:
    """So many events in so many hours."""

    count: int
    hours: float

    @property
    def an_hour(self) -> float:
        return self.count / self.hours

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the rate an hour, for events that are independent (Garwood 1936)."""
        low = float(gammaincinv(self.count, 0.025)) if self.count else 0.0
        return low / self.hours, float(gammaincinv(self.count + 1, 0.975)) / self.hours

    def to_dict(self) -> dict[str, Any]:
        return {"count": self.count, "an_hour": self.an_hour, "interval": list(self.interval)}


@dataclass(frozen=True)
class Row:
    """The counts of one word, of one range of SNR, or of all."""

    name: str
    said: int
    matched: int
    wrong: int
    false_accepts: Rate | None = None  # None of a range of SNR: a false accept has none

    @property
    def missed(self) -> int:
        return self.said - self.matched - self.wrong

    @property
    def not_matched(self) -> Share:
        """The share of the commands said that were missed or heard as another one."""
        return Share(self.said - self.matched, self.said)

    def to_dict(self) -> dict[str, Any]:
        counts = {"said": self.said, "matched": self.matched, "missed": self.missed, "wrong": self.wrong}
        rate = {"false_accepts": self.false_accepts.to_dict()} if self.false_accepts else {}
        return {"name": self.name, **counts, "not_matched": self.not_matched.to_dict(), **rate}


@dataclass(frozen=True)
class Cause:
    """What lies at false accepts: a word, how often it was said, and what was reported there how often."""

    name: str
    said: int | None  # None for what can't be counted
    reported: dict[str, int]

    @property
    def count(self) -> int:
        return sum(self.reported.values())


@dataclass(frozen=True)
class StreamScore:
    """Everything that one run of a detector over a stream says."""

    hours: float
    commands: tuple[str, ...]
    events: tuple[Event, ...]
    matching: Matching

    @property
    def total(self) -> Row:
        return self.row("all", self.matching.answers, self.matching.false_accepts)

    @property
    def false_accepts(self) -> Rate:
        return Rate(len(self.matching.false_accepts), self.hours)

    @property
    def words(self) -> tuple[Row, ...]:
        """A row for each command: what became of it, and how often it was reported falsely."""
        return tuple(
            self.row(
                word,
                [answer for answer in self.matching.answers if answer.event.word == word],
                [found for found in self.matching.false_accepts if found.report.label == word],
            )
            for word in self.commands
        )

    @property
    def snr_ranges(self) -> tuple[Row, ...]:
        """A row for each 5 dB in which commands were said, the noisiest first; none where the truth has no SNR."""
        levels: dict[int, list[Answer]] = {}
        for answer in self.matching.answers:
            if answer.event.snr_db is not None:
                levels.setdefault(math.floor(answer.event.snr_db / SNR_STEP), []).append(answer)
        return tuple(
            self.row(f"{SNR_STEP * step:g} to {SNR_STEP * (step + 1):g} dB", answers)
            for step, answers in sorted(levels.items())
        )

    @property
    def spacings(self) -> tuple[Row, ...]:
        """A row for the commands beside another word, and one for the others; none where the truth has no ends."""
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
            self.row("apart", [answer for answer in answers if answer.event not in close]),
            self.row("close", [answer for answer in answers if answer.event in close]),
        )

    @property
    def latencies(self) -> np.ndarray:
        """Seconds from a word's end to its report, float64 [matched words whose end is known]."""
        return np.array([answer.latency for answer in self.matching.answers if answer.latency is not None])

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What the false accepts were, the most frequent first."""
        found: dict[str, Counter[str]] = {}
        for accept in self.matching.false_accepts:
            found.setdefault(self.name_of(accept.cause), Counter())[accept.report.label] += 1
        said = Counter(self.name_of(event) for event in self.events if event.word not in (SILENCE, UNKNOWN))
        causes = [Cause(name, said.get(name), dict(reported.most_common())) for name, reported in found.items()]
        return tuple(sorted(causes, key=lambda cause: (-cause.count, cause.name)))

    def name_of(self, cause: Event | None) -> str:
        """What lies there, for people."""
        if cause is None:
            return "between words"
        if cause.word == SILENCE:
            return "no speech"
        if cause.word == UNKNOWN:
            return f"other speech, {PurePath(cause.file).parent.name}".rstrip(", ")
        return f"{cause.word}, which had its report" if cause.word in self.commands else cause.word

    def row(self, name: str, answers: Sequence[Answer], false: Sequence[FalseAccept] | None = None) -> Row:
        """The counts of some answers and false accepts."""
        counts = Counter(answer.outcome for answer in answers)
        rate = None if false is None else Rate(len(false), self.hours)
        return Row(name, len(answers), counts["matched"], counts["wrong"], rate)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has; times in seconds."""
        latencies = self.latencies
        quantiles = np.quantile(latencies, (0.5, 0.95)).tolist() if len(latencies) else [None, None]
        return {
            "hours": self.hours,
            "all": self.total.to_dict(),
            "words": [row.to_dict() for row in self.words],
            "spacing": [row.to_dict() for row in self.spacings],
            "snr": [row.to_dict() for row in self.snr_ranges],
            "latency": dict(zip(("median", "95_percent"), quantiles, strict=True)),
            "false_accepts": [
                {
                    "time": accept.report.time,
                    "label": accept.report.label,
                    "cause": self.name_of(accept.cause),
                    "file": accept.cause.file if accept.cause else "",
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
