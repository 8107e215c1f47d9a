"""How far a search is: cells tried, where the others fell, the ten best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from speech_lstm.report.tables import aligned, percent
from speech_lstm.search.definition import SearchConfig
from speech_lstm.search.equations import equations
from speech_lstm.search.population import CANDIDATE, best_of, finals, total, tried
from speech_lstm.search.stages import STAGES, Tried
from speech_lstm.study.progress import Progress, left
from speech_lstm.trials.slots import ASKED, current, filled

SHOWN = 10  # of the best


@dataclass(frozen=True)
class SearchProgress(Progress):
    """What a search's storage says at one moment; `cells` are the published ones."""

    search: SearchConfig

    @property
    def total(self) -> int:
        """Cells and further trainings there are to be."""
        return total(self.search, self.asked["candidates"])


def progress_of(study: optuna.Study) -> SearchProgress:
    """The progress of a search."""
    told = study.user_attrs
    search = SearchConfig.from_dict(told["identity"]["search"])
    there = filled(study.get_trials(deepcopy=False))
    return SearchProgress(search.published, told[ASKED], current(there, finals(search, there)), search)


def tried_line(one: Tried) -> str:
    """A cell that has been through its stages, in one line."""
    found = one.kept
    line = f"{one.label}  " + (f"from {found['parent']}  " if found["parent"] else "")
    line += f"memory {percent(found['memory'])}  "
    if "first" in found:
        line += f"first {percent(found['first'])}  "
    if found["draws"]:
        best = one.best
        line += f"validation {percent(best['validation']['accuracy'])}  {best['parameters']:,} parameters  "
    return line + f"{STAGES[one.stage]}  {found['seconds']:.0f} s"


def text(progress: SearchProgress) -> str:
    """The progress for the terminal: the best candidates, the published cells, and how many fell where."""
    found = tried(progress.there)
    best = best_of(found)[:SHOWN]
    published = sorted((one for one in found if one.slot.cell != CANDIDATE), key=lambda one: one.rank)
    rows = [["", "cell", "validation", "loss", "parameters", "equations"]]
    for number, one in enumerate([*best, *published], 1):
        draw = one.best
        score = [percent(draw["validation"]["accuracy"]), f"{draw['validation']['loss']:.3f}"]
        place = str(number) if one in best else "–"
        rows.append([place, one.label, *score, f"{draw['parameters']:,}", "; ".join(equations(one.graph))])
    done, running = progress.done, progress.count(TrialState.RUNNING)
    lines = [line.rstrip() for line in aligned(rows, "rlrrrl")]
    lines += ["", fallen_sentence(found)]
    lines.append(
        f"{done:,} of {progress.total:,} cells and further trainings done, {running} under way, {left(progress)}"
    )
    return "\n".join(lines)


def fallen(found: Sequence[Tried]) -> dict[str, int]:
    """How many candidates ended at each stage."""
    counts = Counter(one.stage for one in found if one.slot.cell == CANDIDATE)
    return {stage: counts[stage] for stage in STAGES}


def fallen_sentence(found: Sequence[Tried]) -> str:
    """How many candidates ended where, in words."""
    counts = fallen(found)
    told = ", ".join(f"{counts[stage]:,} {what}" for stage, what in STAGES.items())
    return f"Of {sum(counts.values()):,} candidates {told}."
