"""How far the probabilities of a model's answers can be believed: confidence against accuracy.

Everything is derived from plain NumPy arrays; neither torch nor the model is needed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.report.proportion import Proportion
from speech_lstm.report.tables import percent

BINS = 15  # of equal width, as Guo et al. (2017) take them
DRAWS = 1000  # samples drawn to tell what chance does
CHUNK = 100  # samples drawn at a time, so that a large split takes little memory


@dataclass(frozen=True, eq=False)  # arrays don't compare to one truth value
class Calibration:
    """The answers of a model by their confidence: the probability of the label that was answered.

    Bin m of 15 holds the confidences in ((m − 1)/15, m/15]. All arrays are [15].
    """

    counts: NDArray[np.int64]  # recordings
    hits: NDArray[np.int64]  # of these rightly answered
    confidence: NDArray[np.float64]  # sum of the confidences
    brier: float  # mean squared distance of the probabilities from the truth, summed over the labels: 0..2
    by_chance: float  # perfectly calibrated answers have a smaller error than this in 95 of 100 such samples

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
    def shares(self) -> list[Proportion]:
        """The accuracy of each bin."""
        return [Proportion(int(hits), int(of)) for hits, of in zip(self.hits, self.counts, strict=True)]

    def table(self) -> str:
        """For the terminal."""
        return (
            f"calibration: mean confidence {percent(self.mean_confidence)}, accuracy {percent(self.accuracy)}, "
            f"Brier score {self.brier:.3f}\n"
            f"expected calibration error {percent(self.error)} ({BINS} bins of {self.counts.sum():,} recordings; "
            f"chance alone gives up to {percent(self.by_chance)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has; a bin without recordings has no confidence and no accuracy."""
        bins = [
            {"above": m / BINS, "to": (m + 1) / BINS, "mean_confidence": float(sum_ / share.of) if share.of else None}
            | {"accuracy": share.to_dict()}
            for m, (share, sum_) in enumerate(zip(self.shares, self.confidence, strict=True))
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


def calibration(probabilities: NDArray[Any], truth: NDArray[np.int64]) -> Calibration:
    """Sort the answers, floats [n, labels] with rows adding up to 1, by their confidence."""
    values = probabilities.astype(np.float64)
    rows, confidence = np.arange(len(truth)), values.max(axis=1)
    right = values.argmax(axis=1) == truth
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    squares = np.square(values).sum(axis=1) - 2 * values[rows, truth] + 1
    return Calibration(
        counts=np.bincount(bins, minlength=BINS),
        hits=np.bincount(bins, right, BINS).astype(np.int64),
        confidence=np.bincount(bins, confidence, BINS).astype(np.float64),
        brier=float(squares.mean()),
        by_chance=error_by_chance(confidence, bins),
    )


def error_by_chance(confidence: NDArray[np.float64], bins: NDArray[np.int64]) -> float:
    """The error that answers of these confidences exceed in 5 of 100 samples if each is right with a probability
    of just its confidence (consistency resampling; Bröcker & Smith 2007)."""
    random = np.random.default_rng(0)
    member = (bins[:, None] == np.arange(BINS)).astype(np.float64)
    expected = confidence @ member
    errors = [
        np.abs((random.random((CHUNK, len(bins))) < confidence) @ member - expected).sum(axis=1) / len(bins)
        for _ in range(DRAWS // CHUNK)
    ]
    return float(np.quantile(errors, 0.95))
