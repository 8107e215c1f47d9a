"""What a search has found so far, read from its storage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from speech_lstm.errors import ConfigError
from speech_lstm.files import write_text
from speech_lstm.report.tables import percent
from speech_lstm.search.definition import SearchConfig
from speech_lstm.search.population import best_of, seeds_of, tried
from speech_lstm.search.progress import SearchProgress, progress_of
from speech_lstm.search.source import source
from speech_lstm.search.stages import Tried
from speech_lstm.study.progress import kept


@dataclass(frozen=True)
class SearchResults:
    """A search as far as it is done."""

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
    def tried(self) -> list[Tried]:
        """All cells that are done."""
        return tried(self.progress.there)

    @cached_property
    def best(self) -> list[Tried]:
        """The best hundred candidates that passed all stages, the best first."""
        return best_of(self.tried)

    @cached_property
    def published(self) -> list[Tried]:
        """The published cells, in the order of the search."""
        found = {one.slot.cell: one for one in seeds_of(self.tried, self.search.published)}
        return [found[name] for name in self.search.published if name in found]

    def repeats(self, one: Tried) -> list[dict[str, Any]]:
        """The further trainings of a cell's best settings."""
        there = self.progress.there.items()
        places = [(s, t) for s, t in there if (s.cell, s.of) == (one.slot.cell, one.slot.number)]
        return [kept(trial) for _, trial in sorted(places) if trial.state == TrialState.COMPLETE]

    @property
    def finalists(self) -> list[Tried]:
        """The published cells and candidates that were trained again."""
        return [one for one in [*self.published, *self.best] if self.repeats(one)]


def results_of(study: optuna.Study) -> SearchResults:
    """Read a search's storage."""
    told, progress = study.user_attrs, progress_of(study)
    name = study.study_name.removeprefix("search ")
    return SearchResults(name, told["title"], told["identity"], told["facts"], told["corpus"], progress)


def write_cell(results: SearchResults, rank: int, path: Path | None) -> tuple[Path, str]:
    """Write the candidate of a rank, from 1, as a file for `--plugin`; the file and the cell's name.

    Raises ConfigError where there is none, and OutputError.
    """
    if rank > len(results.best):
        have = f"{len(results.best)} cells that passed all stages" if results.best else "no such cell yet"
        raise ConfigError(f"rank {rank}: the search {results.name!r} has {have}")
    one = results.best[rank - 1]
    path = path or Path(f"{one.label}.py")
    if path.suffix != ".py":
        raise ConfigError(f"{path} is not the name of a Python file; give --out FILE.py")
    draw, title = one.best, f"rank {rank} of the search {results.name}"
    story = (
        f"The cell of {title}, a descendant of {ancestor(results, one)}: "
        f"{percent(draw['validation']['accuracy'])} of the validation split, {percent(draw['testing']['accuracy'])} "
        f"of the testing split, {draw['parameters']:,} parameters."
    )
    write_text(path, source(one.graph, title, story))
    return path, one.label


def ancestor(results: SearchResults, one: Tried) -> str:
    """The published cell that a candidate comes from."""
    by_label = {other.label: other for other in results.tried}
    while one.kept["parent"]:
        one = by_label[one.kept["parent"]]
    return one.label
