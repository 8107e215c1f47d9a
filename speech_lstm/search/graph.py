"""A recurrent cell as a graph of expressions over x, h and c: Jozefowicz, Zaremba & Sutskever 2015, section 3.2."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from speech_lstm.errors import SpeechLSTMError

LEAVES = ("x", "h", "c")  # the input, and the state before the step
ACTIVATIONS = ("sigmoid", "tanh", "relu", "one-minus", "one-plus", "linear", "linear-identity")
OPERATIONS = ("add", "subtract", "multiply")  # element by element
LINEAR = ("linear", "linear-identity")  # W v + b, each with weights of its own; the second starts as the identity
COMMUTATIVE = ("add", "multiply")
MOST_NODES = 40  # the LSTM has 25


class GraphError(SpeechLSTMError):
    """A graph that is no cell."""


@dataclass(frozen=True)
class Node:
    """A leaf, an activation of one node, or an operation on two; parents are places in the graph's nodes."""

    op: str
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class CellGraph:
    """A cell: nodes, each after its parents, and which of them are the new state: h, and c where there is a memory.

    `canonical` brings graphs of the same equations to the same nodes in the same order, so that they are equal.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the state, the output first."""
        return ("h", "c")[: len(self.outputs)]

    @property
    def name(self) -> str:
        """`cell-` and 7 digits that are the same for the same canonical graph, on any machine."""
        return f"cell-{hashlib.sha256(repr(self.stored()).encode()).hexdigest()[:7]}"

    def stored(self) -> list[Any]:
        """The graph in the types that JSON has; `restore_graph` reads it."""
        return [[[node.op, *node.parents] for node in self.nodes], list(self.outputs)]

    def children(self) -> list[list[int]]:
        """The nodes that each node enters."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for parent in dict.fromkeys(node.parents):
                found[parent].append(index)
        return found

    def dependencies(self, index: int) -> set[int]:
        """Everything that a node depends on, without itself."""
        return set(topological_order(self.nodes, self.nodes[index].parents))

    def leaves(self, index: int) -> set[str]:
        """The leaves that a node depends on."""
        return {self.nodes[i].op for i in topological_order(self.nodes, [index])} & set(LEAVES)


def restore_graph(stored: Any) -> CellGraph:
    """The graph of `CellGraph.stored`; raises GraphError for what is none."""
    try:
        nodes, outputs = stored
        graph = CellGraph(tuple(Node(op, tuple(parents)) for op, *parents in nodes), tuple(outputs))
    except (TypeError, ValueError):
        raise GraphError("not a cell's graph") from None
    check(graph)
    return graph


def topological_order(nodes: Sequence[Node], starts: Iterable[int]) -> list[int]:
    """The nodes that can be reached from some through their parents, each after its parents."""
    order: dict[int, None] = {}
    stack = [(start, False) for start in reversed(list(starts))]
    while stack:
        index, ready = stack.pop()
        if ready:
            order[index] = None
        elif index not in order:
            stack.append((index, True))
            stack += [(parent, False) for parent in reversed(nodes[index].parents)]
    return list(order)


# --- what a cell must be -----------------------------------------------------------------------------------------


def check(graph: CellGraph) -> None:
    """Raise GraphError, saying why, for a graph that is no recurrent cell or too large a one."""
    for index, node in enumerate(graph.nodes):
        if node.op not in LEAVES + ACTIVATIONS + OPERATIONS:
            raise GraphError(f"no such operation: {node.op!r}")
        if len(node.parents) != (0 if node.op in LEAVES else 1 if node.op in ACTIVATIONS else 2):
            raise GraphError(f"{node.op} of {len(node.parents)} nodes")
        if not all(isinstance(parent, int) and 0 <= parent < index for parent in node.parents):
            raise GraphError("a node stands before its parents")
    if len(graph.outputs) not in (1, 2) or not all(0 <= output < len(graph.nodes) for output in graph.outputs):
        raise GraphError("a cell has one or two outputs")
    if len(graph.nodes) > MOST_NODES:
        raise GraphError(f"{len(graph.nodes)} nodes are more than {MOST_NODES}")
    if any(node.op == "subtract" and len(set(node.parents)) == 1 for node in graph.nodes):
        raise GraphError("a − a is nothing")
    check_dependence(graph)


def check_dependence(graph: CellGraph) -> None:
    """Raise GraphError unless the new h depends on x and on all of the state, from step to step."""
    if any(graph.nodes[output].op in LEAVES for output in graph.outputs):
        raise GraphError("a part of the new state is what it was given")
    places = dict(zip(graph.state, graph.outputs, strict=True))
    seen: set[str] = set()
    ahead = ["h"]
    while ahead:
        new = graph.leaves(places[ahead.pop()]) - seen
        seen |= new
        ahead += [name for name in new if name in places]
        if new - {"x"} - set(places):
            raise GraphError("it has no memory c")
    for name in ("x", *graph.state):
        if name not in seen:
            raise GraphError(f"the new h does not depend on {name}")
    if not any(node.op in LINEAR and graph.nodes[node.parents[0]].op == "x" for node in graph.nodes):
        raise GraphError("x enters without weights")


# --- the same form for the same equations ------------------------------------------------------------------------


def canonical(nodes: Sequence[Node], outputs: Sequence[int]) -> CellGraph:
    """The graph that all ways to write the same equations share.

    The nodes may be in any order and some of no use. What is computed twice is computed once, but for linear maps,
    whose weights are their own; 1 − (1 − a) is a; operands of sums and products are in one order. No two forms stay
    apart: where nodes look alike every order is tried.
    """
    nodes, outputs = merge_equal(nodes, outputs)
    return canonical_order(nodes, outputs, refine_colours(nodes, outputs, [node.op for node in nodes]))


def merge_equal(nodes: Sequence[Node], outputs: Sequence[int]) -> tuple[list[Node], list[int]]:
    """The nodes that the outputs need, each after its parents, equal ones once."""
    kept: list[Node] = []
    places: dict[int, int] = {}  # of the old nodes among the new
    known: dict[Node, int] = {}
    for index in topological_order(nodes, outputs):
        op, parents = nodes[index].op, tuple(places[parent] for parent in nodes[index].parents)
        if op == "one-minus" and kept[parents[0]].op == op:
            places[index] = kept[parents[0]].parents[0]
            continue
        if op == "linear-identity" and kept[parents[0]].op == "x":
            op = "linear"  # x is of another size than h: there is no identity
        node = Node(op, tuple(sorted(parents)) if op in COMMUTATIVE else parents)
        if op in LINEAR or node not in known:
            known[node] = len(kept)
            kept.append(node)
        places[index] = known[node]
    needed = topological_order(kept, [places[output] for output in outputs])
    new = {old: place for place, old in enumerate(needed)}
    ordered = [Node(kept[old].op, tuple(new[parent] for parent in kept[old].parents)) for old in needed]
    return ordered, [new[places[output]] for output in outputs]


def refine_colours(nodes: Sequence[Node], outputs: Sequence[int], labels: Sequence[Any]) -> list[int]:
    """A number for each node by its label and everything around it: colour refinement (Weisfeiler & Leman 1968)."""
    colours = ranks(
        [(label, [o for o, output in enumerate(outputs) if output == i]) for i, label in enumerate(labels)]
    )
    while True:
        around: list[list[tuple[int, int]]] = [[] for _ in nodes]
        for index, node in enumerate(nodes):
            for place, parent in enumerate(node.parents):
                around[parent].append((0 if node.op in COMMUTATIVE else place, colours[index]))
        below = [[colours[parent] for parent in node.parents] for node in nodes]
        below = [sorted(b) if n.op in COMMUTATIVE else b for n, b in zip(nodes, below, strict=True)]
        finer = ranks([(colours[i], below[i], sorted(around[i])) for i in range(len(nodes))])
        if max(finer) == max(colours):
            return finer
        colours = finer


def ranks(keys: Sequence[Any]) -> list[int]:
    """The place of each key among the different ones."""
    texts = [repr(key) for key in keys]
    places = {text: place for place, text in enumerate(sorted(set(texts)))}
    return [places[text] for text in texts]


def canonical_order(nodes: Sequence[Node], outputs: Sequence[int], colours: list[int]) -> CellGraph:
    """The graph in the order of its colours; where several nodes share one, the least of what each choice gives."""
    shared = [colour for colour in colours if colours.count(colour) > 1]
    if not shared:
        return order_nodes(nodes, outputs, colours)
    choices = [i for i, colour in enumerate(colours) if colour == min(shared)]
    single = [[(colour, i == chosen) for i, colour in enumerate(colours)] for chosen in choices]
    found = [canonical_order(nodes, outputs, refine_colours(nodes, outputs, labels)) for labels in single]
    return min(found, key=lambda graph: repr(graph.stored()))


def order_nodes(nodes: Sequence[Node], outputs: Sequence[int], colours: Sequence[int]) -> CellGraph:
    """The graph with operands of sums and products, and then the nodes, in an order that the colours alone decide."""
    sides = []
    for node in nodes:
        parents = sorted(node.parents, key=lambda i: colours[i]) if node.op in COMMUTATIVE else node.parents
        sides.append(Node(node.op, tuple(parents)))
    order = topological_order(sides, outputs)
    new = {old: place for place, old in enumerate(order)}
    ordered = tuple(Node(sides[old].op, tuple(new[parent] for parent in sides[old].parents)) for old in order)
    return CellGraph(ordered, tuple(new[output] for output in outputs))
