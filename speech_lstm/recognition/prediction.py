"""The result of recognition, as an object, as JSON, as a line of text and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.errors import printable
from speech_lstm.report.notebook import bars, card, paragraph
from speech_lstm.report.tables import percent

BARS = 10  # labels shown in a notebook


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

    def __repr__(self) -> str:
        best, *others = self.likeliest(2) or [(self.label, self.probability)]
        second = "".join(f"; then {printable(label)} {percent(score)}" for label, score in others)
        return f"<Prediction: {printable(best[0])} {percent(best[1])}, {self.place}{second}>"

    def _repr_html_(self) -> str:
        """The answer and a bar for each of its likeliest labels, for notebooks."""
        return card(paragraph(f"{self.label} {percent(self.probability)}, {self.place}"), bars(self.likeliest(BARS)))

    @property
    def place(self) -> str:
        """The times in the recording, for people."""
        return f"{self.start:.2f}–{self.end:.2f} s"

    def likeliest(self, top: int) -> list[tuple[str, float]]:
        """The `top` labels with the highest probabilities, the highest first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:top]

    def fields(self, name: str) -> dict[str, Any]:
        """The fields of a line of JSON."""
        place = {"file": name, "start": self.start, "end": self.end}
        return place | {"label": self.label, "probability": self.probability, "scores": self.scores}

    def line(self, name: str, top: int = 1) -> str:
        """A line for people: the recording, the time, and the `top` likeliest labels."""
        likeliest = [(self.label, self.probability)] if top == 1 else self.likeliest(top)
        labels = "  ".join(f"{label} {percent(score)}" for label, score in likeliest)
        return f"{printable(name)}  {self.place}  {labels}"
