"""The cells of a search so far: which are done, which are the best, and what is tried next."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial, TrialState

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.search.definition import SearchConfig
from speech_lstm.search.graph import Graph, restored
from speech_lstm.search.mutation import TRIES, mutated
from speech_lstm.search.seeds import SEEDS
from speech_lstm.search.stages import PASSED, Tried
from speech_lstm.study.progress import kept
from speech_lstm.trials.slots import Slot, drawn_seed

CANDIDATE = "candidate"  # the cell of a candidate's place; a published cell's has its name
CELL = "cell"  # attribute of a trial: the graph of a candidate that is being tried
BEST = 100  # cells that a search keeps, as in the paper
AHEAD = 16  # candidates that may be under way at once: none knows what comes of the 16 before it

There = Mapping[Slot, FrozenTrial]


def tried(there: There) -> list[Tried]:
    """The cells that have been through their stages, in the order of their places."""
    done = [s for s, t in there.items() if s.of is None and t.state == TrialState.COMPLETE]
    return [Tried(slot, kept(there[slot])) for slot in sorted(done, key=lambda s: (s.cell == CANDIDATE, s.number))]


def seeds_of(found: Iterable[Tried], names: Iterable[str]) -> tuple[Tried, ...]:
    """The published cells of these names."""
    wanted = set(names)
    return tuple(one for one in found if one.slot.cell in wanted)


def best_of(found: Iterable[Tried], seeds: Iterable[str] = ()) -> list[Tried]:
    """The best hundred, the best first: candidates that were kept and, where they are named, published cells."""
    names = {CANDIDATE, *seeds}
    return sorted((one for one in found if one.slot.cell in names and one.stage == PASSED), key=lambda t: t.rank)[
        :BEST
    ]


def proposal(search: SearchConfig, number: int, there: There) -> tuple[Graph, str]:
    """Candidate `number`, a mutant of one of the best that was not tried before, and what its parent is called.

    It follows from the search's seed and what came of the candidates before `number` − AHEAD, which must be done:
    the same whichever workers are at it. Raises SpeechLSTMError where no new cell is found.
    """
    done = tried(there)
    known = {SEEDS[name]().name for name in search.published}
    for earlier in range(number):
        told = there[Slot(CANDIDATE, earlier)].user_attrs if Slot(CANDIDATE, earlier) in there else {}
        graph = restored(told[CELL]) if CELL in told else mutant(search, earlier, done, known)[0]
        known.add(graph.name)
    return mutant(search, number, done, known)


def mutant(search: SearchConfig, number: int, done: list[Tried], known: set[str]) -> tuple[Graph, str]:
    """What is drawn for candidate `number` where cells of these names are known, and what its parent is called."""
    draw = random.Random(drawn_seed("candidate", search.seed, number))
    settled = [one for one in done if one.slot.cell != CANDIDATE or one.slot.number < number - AHEAD]
    parents = best_of(settled, search.beginning)[: search.parents]
    for _ in range(TRIES):
        parent = draw.choice(parents)
        graph = mutated(parent.graph, search.mutation, draw)
        if graph.name not in known:
            return graph, parent.label
    raise SpeechLSTMError(f"no new cell in {TRIES} draws: let mutation or parents be larger")


def finals(search: SearchConfig, there: There) -> list[Slot]:
    """Whose best settings are trained again at the end: published cells, then the best candidates."""
    found = tried(there)
    return [one.slot for one in (*seeds_of(found, search.published), *best_of(found)[: search.finalists])]


def wanted(search: SearchConfig, candidates: int, there: There) -> list[Slot]:
    """The places to be filled that are known by now.

    First the published cells; then the candidates, each put into the queue only when a worker is free to draw it; at
    the end the further trainings of the finalists.
    """
    slots = [Slot(name, 0) for name in search.published]
    if not complete(slots, there):
        return slots
    places = [Slot(CANDIDATE, number) for number in range(candidates)]
    if any(there[slot].state == TrialState.WAITING for slot in places if slot in there):
        return slots
    if missing := [slot for slot in places if slot not in there]:
        ready = complete(places[: max(0, missing[0].number - AHEAD)], there)
        return [*slots, missing[0]] if ready else slots
    if not complete(places, there):
        return slots
    last = finals(search, there)
    return slots + [Slot(one.cell, k, one.number) for k in range(search.repeats) for one in last]


def complete(slots: list[Slot], there: There) -> bool:
    """Whether places are filled."""
    return all(slot in there and there[slot].state == TrialState.COMPLETE for slot in slots)


def total(search: SearchConfig, candidates: int) -> int:
    """Cells and further trainings there are to be, where all finalists are found."""
    published = len(search.published)
    return published + candidates + search.repeats * (published + search.finalists)
