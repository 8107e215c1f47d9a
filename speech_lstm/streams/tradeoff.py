"""Missed commands against false accepts: the decision run again over the same posteriors, for many thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from speech_lstm.config import DetectionConfig, commands_of
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.trigger import Trigger
from speech_lstm.streams.matching import Matching, match
from speech_lstm.streams.truth import Event

LOGIT_STEP = 0.1  # between the thresholds of a curve
LOWEST, HIGHEST = 0.1, 0.999  # thresholds of a curve
NEVER = 1e-6  # a threshold is kept this far from 0 and 1, where it has no logit


@dataclass(frozen=True)
class Scored:
    """A stream whose posteriors are known: `hours` of it, what was said, and a row for each hop."""

    labels: tuple[str, ...]
    hours: float
    events: tuple[Event, ...]
    rows: Rows
    hop_seconds: float  # from row to row

    @property
    def commands(self) -> tuple[str, ...]:
        return commands_of(self.labels)

    def decide(self, detection: DetectionConfig) -> Matching:
        """What the detector reports with these thresholds, against what was said."""
        firings = Trigger(self.labels, detection, hop_seconds=self.hop_seconds)(*self.rows)
        return match(self.events, firings, self.commands)

    def counts(self, detection: DetectionConfig) -> NDArray[np.int64]:
        """How often each command was matched, and how often falsely accepted: int64 [2, commands]."""
        matching = self.decide(detection)
        matched = Counter(answer.event.word for answer in matching.answers if answer.outcome == "matched")
        false = Counter(accept.report.label for accept in matching.false_accepts)
        return np.array([[count[word] for word in self.commands] for count in (matched, false)], np.int64)


@dataclass(frozen=True, eq=False)
class TradeOff:
    """The counts of each command at one setting of the thresholds after another, the lowest first."""

    commands: tuple[str, ...]
    hours: float
    said: NDArray[np.int64]  # [commands]
    thresholds: NDArray[np.float64]  # [settings, commands]
    matched: NDArray[np.int64]  # [settings, commands]
    false: NDArray[np.int64]  # [settings, commands]
    operating: int  # the setting that is the detector's own

    def curve(self, word: str | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False accepts an hour and the share of the commands said that were not matched, float64 [settings] both.

        Of one word, or in all. A share is NaN where nothing was said.
        """
        columns = slice(None) if word is None else [self.commands.index(word)]
        said = self.said[columns].sum()
        matched, false = self.matched[:, columns].sum(1), self.false[:, columns].sum(1)
        return false / self.hours, 1 - matched / said if said else np.full(len(matched), np.nan)

    def missed_at(self, rate: float) -> float | None:
        """The least share not matched with at most `rate` false accepts an hour; None where no setting has so few."""
        rates, missed = self.curve()
        return float(missed[rates <= rate].min()) if (rates <= rate).any() else None

    def joined(self, other: TradeOff) -> TradeOff:
        """These settings, and those of another curve over the same stream."""
        names = ("thresholds", "matched", "false")
        both: dict[str, Any] = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in names}
        return replace(self, **both)

    def to_dict(self) -> dict[str, Any]:
        words: Mapping[str, str | None] = {"all": None} | {word: word for word in self.commands}
        curves = {}
        for name, word in words.items():
            rates, missed = self.curve(word)
            curves[name] = {"false_accepts_an_hour": rates.tolist(), "not_matched": missed.tolist()}
        return {
            "operating": self.operating,
            "thresholds": {word: self.thresholds[:, i].tolist() for i, word in enumerate(self.commands)},
            "curves": curves,
        }


def logit(share: Any) -> Any:
    """Of probabilities, a number or an array, kept off 0 and 1."""
    return special.logit(np.clip(share, NEVER, 1 - NEVER))


def trade_off(scored: Scored, detection: DetectionConfig, progress: bool = True) -> TradeOff:
    """Move the thresholds of all words together, by the same amount on the scale of logits, from where nearly
    everything fires to where nothing does."""
    own = logit(np.array([detection.threshold(word) for word in scored.commands]))
    down = max(0, int(np.ceil((own.max() - logit(LOWEST)) / LOGIT_STEP)))
    up = max(0, int(np.ceil((logit(HIGHEST) - own.min()) / LOGIT_STEP)))
    thresholds = special.expit(own + LOGIT_STEP * np.arange(-down, up + 1)[:, None])
    thresholds[down] = [detection.threshold(word) for word in scored.commands]
    return sweep(scored, detection, thresholds, down, progress)


def sweep(
    scored: Scored,
    detection: DetectionConfig,
    thresholds: NDArray[np.float64],
    operating: int = 0,
    progress: bool = True,
) -> TradeOff:
    """Decide with one row of thresholds float64 [settings, commands] after another."""
    from tqdm import tqdm

    shown = tqdm(thresholds, desc="moving thresholds", unit="setting", disable=not progress, delay=2)
    counts = np.stack([scored.counts(with_thresholds(detection, scored.commands, row)) for row in shown])
    said = Counter(event.word for event in scored.events)
    return TradeOff(
        scored.commands,
        scored.hours,
        np.array([said[word] for word in scored.commands], np.int64),
        thresholds,
        counts[:, 0],
        counts[:, 1],
        operating,
    )


def with_thresholds(
    detection: DetectionConfig, commands: Sequence[str], thresholds: NDArray[np.float64]
) -> DetectionConfig:
    """The same settings with other thresholds, one for each command."""
    return replace(detection, thresholds=dict(zip(commands, map(float, thresholds), strict=True)))
