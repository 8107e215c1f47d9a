"""The results of a search so far, read from its storage, and its cells as files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from speech_lstm.errors import ConfigError
from speech_lstm.files import write_text
from speech_lstm.report.tables import percent
from speech_lstm.search.definition import SearchConfig
from speech_lstm.search.population import best_cells, published_cells, trained_candidates, tried_cells
from speech_lstm.search.progress import SearchProgress, progress_of
from speech_lstm.search.source import source
from speech_lstm.search.stages import STAGES, TriedCell
from speech_lstm.trials.slots import finished, outcome_of


@dataclass(frozen=True)
class SearchResults:
    """A search with its finished trainings."""

    name: str
    title: str
    identity: dict[str, Any]
    facts: dict[str, Any]
    corpus: str
    progress: SearchProgress

    @property
    def search(self) -> SearchConfig:
        """How the search is run."""
        return self.progress.search

    @cached_property
    def tried(self) -> list[TriedCell]:
        """All cells that have gone through their stages."""
        return tried_cells(self.progress.slots)

    @cached_property
    def best(self) -> list[TriedCell]:
        """The best hundred candidates that passed all stages, the best first."""
        return best_cells(self.tried)

    @cached_property
    def published(self) -> list[TriedCell]:
        """The published cells, in the order of the search."""
        cells = {cell.slot.cell: cell for cell in published_cells(self.tried, self.search.published)}
        return [cells[name] for name in self.search.published if name in cells]

    def repeats(self, cell: TriedCell) -> list[dict[str, Any]]:
        """The outcomes of the further trainings of a cell's best settings."""
        trials = finished(self.progress.slots).items()
        repeats = {s.number: t for s, t in trials if (s.cell, s.of) == (cell.slot.cell, cell.slot.number)}
        return [outcome_of(repeats[number]) for number in sorted(repeats)]

    @property
    def finalists(self) -> list[TriedCell]:
        """The published cells and candidates that were trained again."""
        return [cell for cell in [*self.published, *self.best] if self.repeats(cell)]


def results_of(study: optuna.Study) -> SearchResults:
    """Read the results of a search."""
    stored, progress = study.user_attrs, progress_of(study)
    name = study.study_name.removeprefix("search ")
    return SearchResults(name, stored["title"], stored["identity"], stored["facts"], stored["corpus"], progress)


def write_cell(results: SearchResults, rank: int, path: Path | None) -> tuple[Path, str]:
    """Write the candidate of a rank, from 1, as a file for `--plugin`; the file and the cell's name.

    Raises ConfigError for a rank without a candidate, and OutputError.
    """
    cells = trained_candidates(results.tried)
    if rank > len(cells):
        count = f"{len(cells)} candidates" if cells else "no candidate"
        tried = f"after {len(results.tried)} of {results.progress.total} cells; continue it for more"
        raise ConfigError(f"rank {rank}: the search {results.name!r} has trained {count} to the end, {tried}")
    cell = cells[rank - 1]
    path = path or Path(f"{cell.label}.py")
    if path.suffix != ".py":
        raise ConfigError(f"{path} is not the name of a Python file; give --out FILE.py")
    draw, title = cell.best, f"rank {rank} of the search {results.name}"
    story = (
        f"The cell of {title}, a descendant of {ancestor(results, cell)}: "
        f"{percent(draw['validation']['accuracy'])} of the validation split, {percent(draw['testing']['accuracy'])} "
        f"of the testing split, {draw['parameters']:,} parameters; {STAGES[cell.stage]}."
    )
    write_text(path, source(cell.graph, title, story))
    return path, cell.label


def ancestor(results: SearchResults, cell: TriedCell) -> str:
    """The published cell that a candidate descends from."""
    cells = {other.label: other for other in results.tried}
    while cell.outcome["parent"]:
        cell = cells[cell.outcome["parent"]]
    return cell.label
