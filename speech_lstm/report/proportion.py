"""A proportion of recordings, with its 95 % confidence interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """The 95 % Wilson score interval of the proportion `hits` / `of`, within 0 to 1; None if `of` is 0.

    It takes the recordings as independent draws. Unlike hits/of ± 2σ it also holds for proportions near 0 and 1.
    """
    from scipy.stats import binomtest  # slow to import

    if of == 0:
        return None
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Proportion:
    """`hits` recordings of `of`."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """0 to 1; None if empty."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval; None if empty."""
        return wilson(self.hits, self.of)

    def to_dict(self) -> dict[str, Any]:
        interval = self.interval
        return {
            "share": self.share,
            "interval": list(interval) if interval else None,
            "hits": self.hits,
            "of": self.of,
        }
