"""The mutations of Jozefowicz et al. 2015, section 3.2: small changes of some nodes of a cell's graph."""

from __future__ import annotations

import random
from collections.abc import Callable

from speech_lstm.search.graph import (
    ACTIVATIONS,
    LEAVES,
    OPERATIONS,
    CellGraph,
    GraphError,
    Node,
    canonical,
    check,
    topological_order,
)

TRIES = 1000  # at drawing a mutant that is a cell: of a hundred draws some are


class Draft:
    """A graph under change: its nodes are in any order, but without cycles."""

    def __init__(self, graph: CellGraph) -> None:
        self.nodes, self.outputs = list(graph.nodes), list(graph.outputs)

    def add(self, op: str, *parents: int) -> int:
        self.nodes.append(Node(op, parents))
        return len(self.nodes) - 1

    def replace(self, index: int, by: int) -> None:
        """Use another node wherever one is used."""
        for place, node in enumerate(self.nodes):
            if index in node.parents:
                self.nodes[place] = Node(node.op, tuple(by if parent == index else parent for parent in node.parents))
        self.outputs = [by if output == index else output for output in self.outputs]

    def dependencies(self, index: int) -> list[int]:
        """The nodes that a node depends on, without itself."""
        return topological_order(self.nodes, self.nodes[index].parents)

    def used(self) -> list[int]:
        """The nodes that the outputs need."""
        return topological_order(self.nodes, self.outputs)


def mutate(graph: CellGraph, most: float, draw: random.Random) -> CellGraph:
    """A different cell: each node is changed with a probability that is drawn first, up to `most`; at least one is.

    Raises GraphError if TRIES draws give no cell.
    """
    for _ in range(TRIES):
        draft, chance = Draft(graph), draw.uniform(0, most)
        inner = [index for index, node in enumerate(graph.nodes) if node.op not in LEAVES]
        chosen = [index for index in inner if draw.random() < chance] or [draw.choice(inner)]
        for index in chosen:
            if index in draft.used():  # an earlier change may have cut it off
                draw.choice(TRANSFORMATIONS)(draft, index, draw)
        mutant = canonical(draft.nodes, draft.outputs)
        try:
            check(mutant)
        except GraphError:
            continue
        if mutant != graph:
            return mutant
    raise GraphError(f"no mutant of {graph.name} in {TRIES} draws")


def change_activation(draft: Draft, index: int, draw: random.Random) -> None:
    """Replace an activation by another one."""
    node = draft.nodes[index]
    if node.op in ACTIVATIONS:
        draft.nodes[index] = Node(draw.choice([op for op in ACTIVATIONS if op != node.op]), node.parents)


def change_operation(draft: Draft, index: int, draw: random.Random) -> None:
    """Replace a sum, difference or product by another one of them."""
    node = draft.nodes[index]
    if node.op in OPERATIONS:
        draft.nodes[index] = Node(draw.choice([op for op in OPERATIONS if op != node.op]), node.parents)


def insert(draft: Draft, index: int, draw: random.Random) -> None:
    """Insert an activation between a node and one of its parents."""
    node = draft.nodes[index]
    place = draw.randrange(len(node.parents))
    between = draft.add(draw.choice(ACTIVATIONS), node.parents[place])
    draft.nodes[index] = Node(node.op, (*node.parents[:place], between, *node.parents[place + 1 :]))


def remove(draft: Draft, index: int, draw: random.Random) -> None:
    """Remove a node with one parent and one child."""
    node = draft.nodes[index]
    uses = sum(draft.nodes[i].parents.count(index) for i in draft.used()) + draft.outputs.count(index)
    if len(node.parents) == 1 and uses == 1:
        draft.replace(index, node.parents[0])


def replace_by_dependency(draft: Draft, index: int, draw: random.Random) -> None:
    """Replace a node by one that it depends on, which makes the graph smaller."""
    draft.replace(index, draw.choice(draft.dependencies(index)))


def replace_by_combination(draft: Draft, index: int, draw: random.Random) -> None:
    """Replace a node by sum, difference or product of a node that it depends on and one that another depends on."""
    other = draw.choice([i for i in draft.used() if draft.nodes[i].parents])
    first = draw.choice(draft.dependencies(index))
    seconds = [i for i in draft.dependencies(other) if i != index and index not in draft.dependencies(i)]
    draft.nodes[index] = Node(draw.choice(OPERATIONS), (first, draw.choice(seconds)))


TRANSFORMATIONS: tuple[Callable[[Draft, int, random.Random], None], ...] = (
    change_activation,
    change_operation,
    insert,
    remove,
    replace_by_dependency,
    replace_by_combination,
)
