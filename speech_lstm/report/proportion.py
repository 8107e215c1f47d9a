"""So many of so many: a share and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Z95 = 1.959963984540054  # the normal distribution has 95 % of its mass within ± this many deviations


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """The 95 % Wilson score interval of the share `hits` / `of`, inside 0..1; None when `of` is 0.

    It takes the recordings as independent draws. Unlike hits/of ± 2σ it also holds for shares near 0 and 1.
    """
    if of == 0:
        return None
    share, z2 = hits / of, Z95**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    # At both ends one side is 0 or 1 exactly, but for rounding.
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == of else centre + half)


@dataclass(frozen=True)
class Share:
    """`hits` recordings of `of`."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """0..1, or None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval; None of nothing."""
        return wilson(self.hits, self.of)

    def to_dict(self) -> dict[str, Any]:
        interval = self.interval
        return {
            "share": self.share,
            "interval": list(interval) if interval else None,
            "hits": self.hits,
            "of": self.of,
        }
