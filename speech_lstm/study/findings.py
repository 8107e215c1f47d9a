"""What a study's trainings say about its cells: the tests, and the papers' rankings beside what was found."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from speech_lstm.report.statistics import Agreement, Comparison, Paired, agreement, corrected, mcnemar, welch
from speech_lstm.study.importance import Importance, importance_of
from speech_lstm.study.results import Results

PUBLISHED = Path(__file__).parent / "published.toml"
SHARED = 5  # cells that a study must have in common with a paper: of fewer no ranking says anything


def best_tenths(results: Results) -> dict[str, Comparison]:
    """Each cell's best tenth against the baseline's, by accuracy on the testing split (Greff's test)."""
    own = {cell: [t.accuracy for t in results.best_tenth(cell)] for cell in results.cells}
    return corrected({cell: welch(own[cell], own[results.baseline]) for cell in others(results)})


def best_models(results: Results) -> dict[str, Paired]:
    """Each cell's best model against the baseline's, clip by clip on the testing split."""
    right = {cell: results.best(cell).right(results.truth) for cell in results.cells}
    return corrected({cell: mcnemar(right[cell], right[results.baseline]) for cell in others(results)})


def others(results: Results) -> list[str]:
    """The cells that are compared with the baseline; none before it has a trial."""
    return [cell for cell in results.cells if cell != results.baseline] if results.baseline in results.cells else []


def score(results: Results, cell: str) -> float:
    """What cells are ranked by: the mean accuracy of the best tenth on the testing split."""
    return float(np.mean([training.accuracy for training in results.best_tenth(cell)]))


@dataclass(frozen=True)
class Beside:
    """A paper's ranking beside the study's: cells with the paper's rank and the rank found, from 1."""

    paper: str
    source: str
    said: str
    ranks: dict[str, tuple[int, int]]
    agreement: Agreement


@cache
def published() -> dict[str, Any]:
    """The papers' rankings, as `published.toml` has them."""
    return tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))


def beside_published(results: Results) -> list[Beside]:
    """The study beside each paper with which it shares enough cells."""
    found = []
    for paper in published().values():
        ranks = {cell: row["rank"] for row in paper["rows"] if (cell := first_of(row["names"], results.cells))}
        if len(ranks) < SHARED:
            continue
        order = sorted(ranks, key=lambda cell: -score(results, cell))
        own = {cell: (rank, 1 + order.index(cell)) for cell, rank in ranks.items()}
        between = agreement([-rank for rank in ranks.values()], [score(results, cell) for cell in ranks])
        found.append(Beside(paper["paper"], paper["source"], paper["said"], own, between))
    return found


def first_of(names: list[str], cells: tuple[str, ...]) -> str | None:
    """The first of a row's names that the study has."""
    return next((name for name in names if name in cells), None)


@dataclass(frozen=True)
class Findings:
    """The tests and comparisons of a study, each made once."""

    results: Results

    @cached_property
    def tenths(self) -> dict[str, Comparison]:
        return best_tenths(self.results)

    @cached_property
    def models(self) -> dict[str, Paired]:
        return best_models(self.results)

    @cached_property
    def importance(self) -> Importance | None:
        return importance_of(self.results)

    @cached_property
    def beside(self) -> list[Beside]:
        return beside_published(self.results)
