"""How far the probabilities of a model's answers can be trusted: confidence against accuracy.

Everything is computed from NumPy arrays, without torch or the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.proportion import Proportion

BINS = 15  # of equal width, as in Guo et al. (2017)
DRAWS = 1000  # samples drawn for the error by chance
CHUNK = 100  # samples drawn at a time, to limit the memory of a large split


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class Reliability:
    """The answers of a model by their confidence: the probability of the answered label.

    Bin m of 15 holds the confidences in ((m − 1)/15, m/15]. All arrays are [15].
    """

    counts: NDArray[np.int64]  # recordings
    hits: NDArray[np.int64]  # correct answers of these
    confidence: NDArray[np.float64]  # sum of the confidences
    brier: float  # mean squared distance of the probabilities from the truth, summed over the labels: 0..2
    by_chance: float  # error that perfectly calibrated answers exceed in 5 of 100 samples

    @property
    def accuracy(self) -> float:
        return float(self.hits.sum() / self.counts.sum())

    @property
    def mean_confidence(self) -> float:
        return float(self.confidence.sum() / self.counts.sum())

    @property
    def error(self) -> float:
        """The expected calibration error: Σ over the bins of counts/n · |accuracy − mean confidence|
        (Guo et al. 2017, eq. 3)."""
        return float(np.abs(self.hits - self.confidence).sum() / self.counts.sum())

    @property
    def accuracies(self) -> list[Proportion]:
        """The accuracy of each bin."""
        return [Proportion(int(hits), int(of)) for hits, of in zip(self.hits, self.counts, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON types; a bin without recordings has no confidence and no accuracy."""
        bins = [
            {"above": m / BINS, "to": (m + 1) / BINS, "mean_confidence": float(total / part.of) if part.of else None}
            | {"accuracy": part.to_dict()}
            for m, (part, total) in enumerate(zip(self.accuracies, self.confidence, strict=True))
        ]
        return {
            "error": self.error,
            "error_by_chance": self.by_chance,
            "mean_confidence": self.mean_confidence,
            "accuracy": self.accuracy,
            "brier": self.brier,
            "recordings": int(self.counts.sum()),
            "bins": bins,
        }


def reliability(probabilities: NDArray[Any], truth: NDArray[np.int64]) -> Reliability:
    """Count the answers, floats [n, labels] with rows that add up to 1, by their confidence."""
    values = probabilities.astype(np.float64)
    rows, confidence = np.arange(len(truth)), values.max(axis=1)
    right = values.argmax(axis=1) == truth
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    squares = np.square(values).sum(axis=1) - 2 * values[rows, truth] + 1
    return Reliability(
        counts=np.bincount(bins, minlength=BINS),
        hits=np.bincount(bins, right, BINS).astype(np.int64),
        confidence=np.bincount(bins, confidence, BINS).astype(np.float64),
        brier=float(squares.mean()),
        by_chance=error_by_chance(confidence, bins),
    )


def error_by_chance(confidence: NDArray[np.float64], bins: NDArray[np.int64]) -> float:
    """The error that answers of these confidences exceed in 5 of 100 samples if each is correct with the probability
    of its confidence (consistency resampling; Bröcker & Smith 2007)."""
    random = np.random.default_rng(0)
    member = (bins[:, None] == np.arange(BINS)).astype(np.float64)
    expected = confidence @ member
    errors = [
        np.abs((random.random((CHUNK, len(bins))) < confidence) @ member - expected).sum(axis=1) / len(bins)
        for _ in range(DRAWS // CHUNK)
    ]
    return float(np.quantile(errors, 0.95))
