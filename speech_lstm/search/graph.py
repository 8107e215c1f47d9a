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
LINEAR = ("linear", "linear-identity")  # W v + b, each with its own weights; the second starts as the identity
COMMUTATIVE = ("add", "multiply")
MOST_NODES = 40  # the LSTM has 25


class GraphError(SpeechLSTMError):
    """A graph that is not a cell."""


@dataclass(frozen=True)
class Node:
    """A leaf, an activation of one node, or an operation on two; parents are indices of the graph's nodes."""

    op: str
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class CellGraph:
    """A cell: nodes, each after its parents, and which of them are the new state: h, and c if the cell has a memory.

    `canonical` gives graphs of the same equations the same nodes in the same order, so that they are equal.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the state, the output first."""
        return ("h", "c")[: len(self.outputs)]

    @property
    def name(self) -> str:
        """`cell-` and 7 hexadecimal digits, the same for the same canonical graph on any machine."""
        return f"cell-{hashlib.sha256(repr(self.stored()).encode()).hexdigest()[:7]}"

    def stored(self) -> list[Any]:
        """The graph in the types that JSON has; `restore_graph` reads it."""
        return [[[node.op, *node.parents] for node in self.nodes], list(self.outputs)]

    def children(self) -> list[list[int]]:
        """The nodes that read each node."""
        children: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for parent in dict.fromkeys(node.parents):
                children[parent].append(index)
        return children

    def dependencies(self, index: int) -> set[int]:
        """The nodes that a node depends on, without itself."""
        return set(topological_order(self.nodes, self.nodes[index].parents))

    def leaves(self, index: int) -> set[str]:
        """The leaves that a node depends on."""
        return {self.nodes[i].op for i in topological_order(self.nodes, [index])} & set(LEAVES)


def restore_graph(stored: Any) -> CellGraph:
    """The graph of `CellGraph.stored`; raises GraphError for anything else."""
    try:
        nodes, outputs = stored
        graph = CellGraph(tuple(Node(op, tuple(parents)) for op, *parents in nodes), tuple(outputs))
    except (TypeError, ValueError):
        raise GraphError("not the graph of a cell") from None
    check(graph)
    return graph


def topological_order(nodes: Sequence[Node], starts: Iterable[int]) -> list[int]:
    """The start nodes and all that they depend on, each node after its parents."""
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


# --- conditions on a cell -----------------------------------------------------------------------------------------


def check(graph: CellGraph) -> None:
    """Raise GraphError, with the reason, for a graph that is not a recurrent cell, or is too large."""
    for index, node in enumerate(graph.nodes):
        if node.op not in LEAVES + ACTIVATIONS + OPERATIONS:
            raise GraphError(f"no such operation: {node.op!r}")
        if len(node.parents) != (0 if node.op in LEAVES else 1 if node.op in ACTIVATIONS else 2):
            raise GraphError(f"{node.op} of {len(node.parents)} nodes")
        if not all(isinstance(parent, int) and 0 <= parent < index for parent in node.parents):
            raise GraphError("a node is before its parents")
    if len(graph.outputs) not in (1, 2) or not all(0 <= output < len(graph.nodes) for output in graph.outputs):
        raise GraphError("a cell has one or two outputs")
    if len(graph.nodes) > MOST_NODES:
        raise GraphError(f"{len(graph.nodes)} nodes are more than {MOST_NODES}")
    if any(node.op == "subtract" and len(set(node.parents)) == 1 for node in graph.nodes):
        raise GraphError("a − a is always 0")
    check_dependence(graph)


def check_dependence(graph: CellGraph) -> None:
    """Raise GraphError unless the new h depends on x and on all of the state, possibly over several steps."""
    if any(graph.nodes[output].op in LEAVES for output in graph.outputs):
        raise GraphError("a part of the new state is a copy of an input")
    places = dict(zip(graph.state, graph.outputs, strict=True))
    reached: set[str] = set()
    pending = ["h"]
    while pending:
        new = graph.leaves(places[pending.pop()]) - reached
        reached |= new
        pending += [name for name in new if name in places]
        if new - {"x"} - set(places):
            raise GraphError("it has no memory c")
    for name in ("x", *graph.state):
        if name not in reached:
            raise GraphError(f"the new h does not depend on {name}")
    if not any(node.op in LINEAR and graph.nodes[node.parents[0]].op == "x" for node in graph.nodes):
        raise GraphError("x enters without weights")


# --- canonical form ------------------------------------------------------------------------


def canonical(nodes: Sequence[Node], outputs: Sequence[int]) -> CellGraph:
    """The graph that all ways to write the same equations have in common.

    The nodes may be in any order, and some unused. Equal nodes are merged, except linear maps, each of which has its
    own weights; 1 − (1 − a) becomes a; operands of sums and products are sorted. The form is unique: if refinement
    cannot distinguish some nodes, every order of them is tried.
    """
    nodes, outputs = merge_equal(nodes, outputs)
    return canonical_order(nodes, outputs, refine_colours(nodes, outputs, [node.op for node in nodes]))


def merge_equal(nodes: Sequence[Node], outputs: Sequence[int]) -> tuple[list[Node], list[int]]:
    """The nodes that the outputs need, each after its parents, without duplicates."""
    unique: list[Node] = []
    places: dict[int, int] = {}  # index of each old node among the unique
    known: dict[Node, int] = {}
    for index in topological_order(nodes, outputs):
        op, parents = nodes[index].op, tuple(places[parent] for parent in nodes[index].parents)
        if op == "one-minus" and unique[parents[0]].op == op:
            places[index] = unique[parents[0]].parents[0]
            continue
        if op == "linear-identity" and unique[parents[0]].op == "x":
            op = "linear"  # x has another size than h, so the map cannot be the identity
        node = Node(op, tuple(sorted(parents)) if op in COMMUTATIVE else parents)
        if op in LINEAR or node not in known:
            known[node] = len(unique)
            unique.append(node)
        places[index] = known[node]
    needed = topological_order(unique, [places[output] for output in outputs])
    new = {old: place for place, old in enumerate(needed)}
    ordered = [Node(unique[old].op, tuple(new[parent] for parent in unique[old].parents)) for old in needed]
    return ordered, [new[places[output]] for output in outputs]


def refine_colours(nodes: Sequence[Node], outputs: Sequence[int], labels: Sequence[Any]) -> list[int]:
    """A colour for each node from its label and its neighbours: colour refinement (Weisfeiler & Leman 1968)."""
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
    """The rank of each key among the distinct keys."""
    texts = [repr(key) for key in keys]
    places = {text: place for place, text in enumerate(sorted(set(texts)))}
    return [places[text] for text in texts]


def canonical_order(nodes: Sequence[Node], outputs: Sequence[int], colours: list[int]) -> CellGraph:
    """The graph in the order of its colours. If nodes share a colour, the smallest of the graphs of each choice."""
    shared = [colour for colour in colours if colours.count(colour) > 1]
    if not shared:
        return order_nodes(nodes, outputs, colours)
    choices = [i for i, colour in enumerate(colours) if colour == min(shared)]
    single = [[(colour, i == chosen) for i, colour in enumerate(colours)] for chosen in choices]
    graphs = [canonical_order(nodes, outputs, refine_colours(nodes, outputs, labels)) for labels in single]
    return min(graphs, key=lambda graph: repr(graph.stored()))


def order_nodes(nodes: Sequence[Node], outputs: Sequence[int], colours: Sequence[int]) -> CellGraph:
    """The graph with sorted operands of sums and products and then sorted nodes; the colours decide."""
    sorted_nodes = []
    for node in nodes:
        parents = sorted(node.parents, key=lambda i: colours[i]) if node.op in COMMUTATIVE else node.parents
        sorted_nodes.append(Node(node.op, tuple(parents)))
    order = topological_order(sorted_nodes, outputs)
    new = {old: place for place, old in enumerate(order)}
    ordered = tuple(
        Node(sorted_nodes[old].op, tuple(new[parent] for parent in sorted_nodes[old].parents)) for old in order
    )
    return CellGraph(ordered, tuple(new[output] for output in outputs))
