"""The cells of a search: which are the best so far, and which is tried next."""

from __future__ import annotations

import random
from collections.abc import Iterable

from optuna.trial import TrialState

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.search.ancestors import PUBLISHED
from speech_lstm.search.definition import SearchConfig
from speech_lstm.search.graph import CellGraph, restore_graph
from speech_lstm.search.mutation import TRIES, mutate
from speech_lstm.search.stages import CANDIDATE, PASSED, TriedCell
from speech_lstm.trials.slots import Slot, Slots, all_finished, finished, outcome_of
from speech_lstm.trials.space import draw_seed

CELL = "cell"  # attribute of a trial: the graph of its candidate
BEST = 100  # cells in the list of the best, as in the paper
AHEAD = 16  # candidates that may run at once: none depends on the 16 before it


def tried_cells(slots: Slots) -> list[TriedCell]:
    """The cells that have gone through their stages: the published ones, then the candidates in order."""
    cells = [TriedCell(slot, outcome_of(trial)) for slot, trial in finished(slots).items() if slot.of is None]
    return sorted(cells, key=lambda cell: (cell.slot.cell == CANDIDATE, cell.slot.number))


def published_cells(cells: Iterable[TriedCell], names: Iterable[str]) -> tuple[TriedCell, ...]:
    """The published cells of these names, in the order of `cells`."""
    chosen = set(names)
    return tuple(cell for cell in cells if cell.slot.cell in chosen)


def best_cells(cells: Iterable[TriedCell], ancestors: Iterable[str] = ()) -> list[TriedCell]:
    """The best hundred candidates and ancestors that passed all stages, the best first."""
    names = {CANDIDATE, *ancestors}
    passed = (cell for cell in cells if cell.slot.cell in names and cell.stage == PASSED)
    return sorted(passed, key=lambda cell: cell.rank)[:BEST]


def trained_candidates(cells: Iterable[TriedCell]) -> list[TriedCell]:
    """The candidates trained to the end, the best first: those that passed all stages, then those behind."""
    trained = (cell for cell in cells if cell.slot.cell == CANDIDATE and cell.outcome["draws"])
    return sorted(trained, key=lambda cell: (cell.stage != PASSED, cell.rank))


def propose(search: SearchConfig, number: int, slots: Slots) -> tuple[CellGraph, str]:
    """Candidate `number`, a mutant of one of the best cells that was not tried before, and its parent's label.

    It follows from the search's seed and the outcomes of the candidates before `number` − AHEAD, which must be
    finished: it is the same whichever workers run. Raises SpeechLSTMError if no new cell is found.
    """
    cells = tried_cells(slots)
    known = {PUBLISHED[name]().name for name in search.published}
    for earlier in range(number):
        slot = Slot(CANDIDATE, earlier)
        stored = slots[slot].user_attrs.get(CELL) if slot in slots else None
        graph = restore_graph(stored) if stored else draw_mutant(search, earlier, cells, known)[0]
        known.add(graph.name)
    return draw_mutant(search, number, cells, known)


def draw_mutant(search: SearchConfig, number: int, cells: list[TriedCell], known: set[str]) -> tuple[CellGraph, str]:
    """The graph drawn for candidate `number`, none of the `known` names, and its parent's label."""
    draw = random.Random(draw_seed("candidate", search.seed, number))
    settled = [cell for cell in cells if cell.slot.cell != CANDIDATE or cell.slot.number < number - AHEAD]
    parents = best_cells(settled, search.ancestor_names)[: search.parents]
    for _ in range(TRIES):
        parent = draw.choice(parents)
        graph = mutate(parent.graph, search.mutation, draw)
        if graph.name not in known:
            return graph, parent.label
    raise SpeechLSTMError(f"no new cell in {TRIES} draws: increase mutation or parents")


def repeated_slots(search: SearchConfig, slots: Slots) -> list[Slot]:
    """The slots of the published cells and of the best candidates, whose trainings are repeated at the end."""
    cells = tried_cells(slots)
    finalists = best_cells(cells)[: search.finalists]
    return [cell.slot for cell in (*published_cells(cells, search.published), *finalists)]


def planned_slots(search: SearchConfig, candidates: int, slots: Slots) -> list[Slot]:
    """The slots to be filled, as far as they are known.

    First the ancestors; then the candidates, each queued only when a worker is free to draw it; then the further
    published cells; at the end the repeats of the finalists.
    """
    ancestors = [Slot(name, 0) for name in search.ancestor_names]
    if not all_finished(ancestors, slots):
        return ancestors
    drawn = [Slot(CANDIDATE, number) for number in range(candidates)]
    if any(slots[slot].state == TrialState.WAITING for slot in drawn if slot in slots):
        return ancestors
    if missing := [slot for slot in drawn if slot not in slots]:
        ready = all_finished(drawn[: max(0, missing[0].number - AHEAD)], slots)
        return [*ancestors, missing[0]] if ready else ancestors
    published = [Slot(name, 0) for name in search.published]
    if not all_finished([*drawn, *published], slots):
        return published
    repeated = repeated_slots(search, slots)
    return published + [Slot(slot.cell, k, slot.number) for k in range(search.repeats) for slot in repeated]


def total(search: SearchConfig, candidates: int) -> int:
    """The number of planned cells and repeats, if enough candidates become finalists."""
    published = len(search.published)
    return published + candidates + search.repeats * (published + search.finalists)
