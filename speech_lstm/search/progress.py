"""How far a search is: cells tried, where the others failed, the ten best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from speech_lstm.report.tables import align, percent
from speech_lstm.search.definition import SearchConfig, SearchDefinition
from speech_lstm.search.equations import equations
from speech_lstm.search.population import repeated_slots, total, trained_candidates, tried_cells
from speech_lstm.search.stages import CANDIDATE, PASSED, STAGES, TriedCell
from speech_lstm.trials.progress import TrialsProgress, progress_line
from speech_lstm.trials.slots import TARGET, current_slots, filled_slots

SHOWN = 10  # of the best
UNIT = "cells and repeats"  # what is counted


@dataclass(frozen=True)
class SearchProgress(TrialsProgress):
    """The content of a search's storage at one moment."""

    search: SearchConfig

    @property
    def total(self) -> int:
        return total(self.search, self.target["candidates"])


def progress_of(study: optuna.Study) -> SearchProgress:
    """Read the progress of a search."""
    stored, slots = study.user_attrs, filled_slots(study.get_trials(deepcopy=False))
    search = SearchConfig.from_dict(SearchDefinition.from_stored(stored["identity"]["search"]))
    target = SearchDefinition.from_stored(stored[TARGET])
    return SearchProgress(current_slots(slots, repeated_slots(search, slots)), target, search)


def tried_line(cell: TriedCell) -> str:
    """One line about a cell that has gone through its stages."""
    outcome = cell.outcome
    line = f"{cell.label}  " + (f"from {outcome['parent']}  " if outcome["parent"] else "")
    line += f"memory {percent(outcome['memory'])}  "
    if "first" in outcome:
        line += f"first {percent(outcome['first'])}  "
    if outcome["draws"]:
        best = cell.best
        line += f"validation {percent(best['validation']['accuracy'])}  {best['parameters']:,} parameters  "
    return line + f"{STAGES[cell.stage]}  {outcome['seconds']:.0f} s"


def progress_text(study: optuna.Study) -> str:
    """The progress of a search, for the terminal, with its best candidates and the published cells."""
    progress = progress_of(study)
    cells = tried_cells(progress.slots)
    best = trained_candidates(cells)[:SHOWN]
    published = sorted((cell for cell in cells if cell.slot.cell != CANDIDATE), key=lambda cell: cell.rank)
    rows = [["", "cell", "validation", "loss", "parameters", "equations"]]
    for number, cell in enumerate([*best, *published], 1):
        draw = cell.best
        scores = [percent(draw["validation"]["accuracy"]), f"{draw['validation']['loss']:.3f}"]
        rank = str(number) if cell in best else "–"
        name = cell.label if cell.stage == PASSED else f"{cell.label} (behind)"
        rows.append([rank, name, *scores, f"{draw['parameters']:,}", "; ".join(equations(cell.graph))])
    lines = align(rows, "rlrrrl")
    return "\n".join([*lines, "", fallen_sentence(cells), progress_line(progress, UNIT)])


def fallen(cells: Sequence[TriedCell]) -> dict[str, int]:
    """The number of candidates that ended at each stage."""
    counts = Counter(cell.stage for cell in cells if cell.slot.cell == CANDIDATE)
    return {stage: counts[stage] for stage in STAGES}


def fallen_sentence(cells: Sequence[TriedCell]) -> str:
    """The number of candidates that ended at each stage, as a sentence."""
    counts = fallen(cells)
    parts = ", ".join(f"{counts[stage]:,} {reason}" for stage, reason in STAGES.items())
    return f"Of {sum(counts.values()):,} candidates {parts}."
