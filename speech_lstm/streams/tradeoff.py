"""Missed commands against false accepts: decisions replayed on the same posteriors for many thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from speech_lstm.config import DetectionConfig
from speech_lstm.streams.replay import StreamPosteriors

LOGIT_STEP = 0.1  # between the thresholds of a curve
LOWEST, HIGHEST = 0.1, 0.999  # thresholds of a curve
NEVER = 1e-6  # a threshold is kept this far from 0 and 1, where it has no logit


@dataclass(frozen=True, eq=False)
class SpeechCounts:
    """The false accepts of each command in continuous speech, for a series of settings."""

    hours: float
    false: NDArray[np.int64]  # [settings, commands]


@dataclass(frozen=True, eq=False)
class TradeOff:
    """The counts of each command for a series of settings of the thresholds, the lowest first."""

    commands: tuple[str, ...]
    hours: float
    occurrences: NDArray[np.int64]  # [commands]
    thresholds: NDArray[np.float64]  # [settings, commands]
    matched: NDArray[np.int64]  # [settings, commands]
    false: NDArray[np.int64]  # [settings, commands]
    operating: int  # the index of the detector's own setting
    speech: SpeechCounts | None = None

    def curve(self, word: str | None = None, speech: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False accepts per hour and the share of the spoken commands that is not matched, both float64 [settings].

        Of one word, or of all together. The false accepts are those in the stream, or in continuous `speech`. The
        share is NaN for a word that was not spoken.
        """
        columns = slice(None) if word is None else [self.commands.index(word)]
        occurrences = self.occurrences[columns].sum()
        matched, false = self.matched[:, columns].sum(1), self.of(speech).false[:, columns].sum(1)
        missed = 1 - matched / occurrences if occurrences else np.full(len(matched), np.nan)
        return false / self.of(speech).hours, missed

    def of(self, speech: bool) -> SpeechCounts | TradeOff:
        """The false accepts and hours of continuous `speech`, or of the stream."""
        return self.speech if speech and self.speech is not None else self

    def missed_at(self, rate: float, speech: bool = False) -> float | None:
        """The least share not matched at `rate` false accepts per hour or fewer; None if no setting has so few."""
        rates, missed = self.curve(speech=speech)
        return float(missed[rates <= rate].min()) if (rates <= rate).any() else None

    def join(self, other: TradeOff) -> TradeOff:
        """These settings, followed by those of another trade-off on the same stream."""
        names = ("thresholds", "matched", "false")
        arrays: dict[str, Any] = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in names}
        return replace(self, **arrays)

    def to_dict(self) -> dict[str, Any]:
        return {
            "operating": self.operating,
            "thresholds": {word: self.thresholds[:, i].tolist() for i, word in enumerate(self.commands)},
            "curves": self.curves(False),
            **({"speech_curves": self.curves(True)} if self.speech else {}),
        }

    def curves(self, speech: bool) -> dict[str, Any]:
        """The curve of all words together, and that of each word."""
        words: Mapping[str, str | None] = {"all": None} | {word: word for word in self.commands}
        curves = {}
        for name, word in words.items():
            rates, missed = self.curve(word, speech)
            curves[name] = {"false_accepts_an_hour": rates.tolist(), "not_matched": missed.tolist()}
        return curves


def logit(share: Any) -> Any:
    """The logit of a probability or an array of them, kept off 0 and 1."""
    return special.logit(np.clip(share, NEVER, 1 - NEVER))


def trade_off(
    posteriors: StreamPosteriors,
    detection: DetectionConfig,
    progress: bool = True,
    speech: StreamPosteriors | None = None,
) -> TradeOff:
    """The trade-off when the thresholds of all words move together, by equal steps of their logits, from where nearly
    everything fires to where nothing does."""
    own = logit(np.array([detection.threshold(word) for word in posteriors.commands]))
    down = max(0, int(np.ceil((own.max() - logit(LOWEST)) / LOGIT_STEP)))
    up = max(0, int(np.ceil((logit(HIGHEST) - own.min()) / LOGIT_STEP)))
    thresholds = special.expit(own + LOGIT_STEP * np.arange(-down, up + 1)[:, None])
    thresholds[down] = [detection.threshold(word) for word in posteriors.commands]
    return sweep(posteriors, detection, thresholds, down, progress, speech)


def sweep(
    posteriors: StreamPosteriors,
    detection: DetectionConfig,
    thresholds: NDArray[np.float64],
    operating: int = 0,
    progress: bool = True,
    speech: StreamPosteriors | None = None,
) -> TradeOff:
    """Replay the decisions with each row of thresholds float64 [settings, commands]."""
    from speech_lstm.progress import Bar

    streams = [posteriors] if speech is None else [posteriors, speech]
    counts = []  # [settings][streams], int64 [2, commands]
    for row in Bar(thresholds, desc="moving thresholds", unit="setting", disable=not progress):
        setting = with_thresholds(detection, posteriors.commands, row)
        counts.append([stream.counts(setting) for stream in streams])
    table, occurrences = np.array(counts), Counter(event.word for event in posteriors.events)
    return TradeOff(
        posteriors.commands,
        posteriors.hours,
        np.array([occurrences[word] for word in posteriors.commands], np.int64),
        thresholds,
        table[:, 0, 0],
        table[:, 0, 1],
        operating,
        None if speech is None else SpeechCounts(speech.hours, table[:, 1, 1]),
    )


def with_thresholds(
    detection: DetectionConfig, commands: Sequence[str], thresholds: NDArray[np.float64]
) -> DetectionConfig:
    """`detection` with other thresholds, one for each command."""
    return replace(detection, thresholds=dict(zip(commands, map(float, thresholds), strict=True)))
