"""The findings of a study: statistical tests between its cells, and its ranking compared with those of papers."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from speech_lstm.report.statistics import Agreement, Comparison, PairedComparison, adjust, agreement, mcnemar, welch
from speech_lstm.study.importance import Importance, importance_of
from speech_lstm.study.results import Results

PUBLISHED = Path(__file__).parent / "published.toml"
SHARED = 5  # cells that a study must share with a paper for its ranking to be compared


def best_tenths(results: Results) -> dict[str, Comparison]:
    """Each cell's best tenth against the baseline's, by accuracy on the testing split (Greff's test)."""
    own = {cell: [t.accuracy for t in results.best_tenth(cell)] for cell in results.cells}
    return adjust({cell: welch(own[cell], own[results.baseline]) for cell in others(results)})


def best_models(results: Results) -> dict[str, PairedComparison]:
    """Each cell's best model against the baseline's, clip by clip on the testing split."""
    right = {cell: results.best(cell).right(results.truth) for cell in results.cells}
    return adjust({cell: mcnemar(right[cell], right[results.baseline]) for cell in others(results)})


def others(results: Results) -> list[str]:
    """The cells to compare with the baseline; none until the baseline has a trial."""
    return [cell for cell in results.cells if cell != results.baseline] if results.baseline in results.cells else []


def score(results: Results, cell: str) -> float:
    """The mean accuracy of a cell's best tenth on the testing split, by which cells are ranked."""
    return float(np.mean([training.accuracy for training in results.best_tenth(cell)]))


@dataclass(frozen=True)
class PublishedRanking:
    """A paper's ranking and the study's; `ranks` has for each cell the paper's rank and the study's, from 1."""

    paper: str
    source: str
    said: str
    ranks: dict[str, tuple[int, int]]
    agreement: Agreement


@cache
def published() -> dict[str, Any]:
    """The rankings of papers in `published.toml`."""
    return tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))


def published_rankings(results: Results) -> list[PublishedRanking]:
    """The rankings of the papers with which the study shares enough cells."""
    rankings = []
    for paper in published().values():
        ranks = {cell: row["rank"] for row in paper["rows"] if (cell := first_of(row["names"], results.cells))}
        if len(ranks) < SHARED:
            continue
        order = sorted(ranks, key=lambda cell: -score(results, cell))
        own = {cell: (rank, 1 + order.index(cell)) for cell, rank in ranks.items()}
        tau = agreement([-rank for rank in ranks.values()], [score(results, cell) for cell in ranks])
        rankings.append(PublishedRanking(paper["paper"], paper["source"], paper["said"], own, tau))
    return rankings


def first_of(names: list[str], cells: tuple[str, ...]) -> str | None:
    """The first of a row's names that is a cell of the study."""
    return next((name for name in names if name in cells), None)


@dataclass(frozen=True)
class Findings:
    """The tests and comparisons of a study, each computed once."""

    results: Results

    @cached_property
    def tenths(self) -> dict[str, Comparison]:
        return best_tenths(self.results)

    @cached_property
    def models(self) -> dict[str, PairedComparison]:
        return best_models(self.results)

    @cached_property
    def importance(self) -> Importance | None:
        return importance_of(self.results)

    @cached_property
    def rankings(self) -> list[PublishedRanking]:
        return published_rankings(self.results)
