"""The result of recognition, as an object, as JSON and as a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.errors import printable


@dataclass(frozen=True)
class Prediction:
    """The likeliest label, its probability, its place in the recording, and the probability of every label."""

    label: str
    probability: float
    start: float  # seconds from the beginning of the recording
    end: float  # seconds
    scores: dict[str, float]

    @classmethod
    def of(cls, labels: Sequence[str], posteriors: NDArray[np.float32], start: float, end: float) -> Prediction:
        """The prediction for one row of posteriors float32 [labels], between two times in seconds."""
        best = int(posteriors.argmax())
        scores = dict(zip(labels, posteriors.tolist(), strict=True))
        return cls(labels[best], scores[labels[best]], start, end, scores)

    def fields(self, name: str) -> dict[str, Any]:
        """The fields of a line of JSON."""
        place = {"file": name, "start": self.start, "end": self.end}
        return place | {"label": self.label, "probability": self.probability, "scores": self.scores}

    def line(self, name: str, top: int = 1) -> str:
        """A line for people: the recording, the time, and the `top` likeliest labels."""
        likeliest = sorted(self.scores.items(), key=lambda item: -item[1])[:top]
        if top == 1:
            likeliest = [(self.label, self.probability)]
        labels = "  ".join(f"{label} {100 * score:.1f} %" for label, score in likeliest)
        return f"{printable(name)}  {self.start:.2f}–{self.end:.2f} s  {labels}"
