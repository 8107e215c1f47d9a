"""A graph as equations: the names of nodes, the biases of linear maps, and the text of each line."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from speech_lstm.search.graph import LEAVES, LINEAR, CellGraph, topological_order

SUMS = ("add", "one-plus")  # written as one sum
SHARES = ("sigmoid",)  # activations with values from 0 to 1


@dataclass(frozen=True)
class Outline:
    """What all notations of a graph have in common. Nodes are given by their indices."""

    graph: CellGraph

    @cached_property
    def uses(self) -> list[int]:
        """How often each node is used, uses as an output included."""
        counts = [self.graph.outputs.count(index) for index in range(len(self.graph.nodes))]
        for node in self.graph.nodes:
            for parent in node.parents:
                counts[parent] += 1
        return counts

    @cached_property
    def names(self) -> dict[int, str]:
        """The names of the nodes with their own equation, in the order of the equations.

        g are sigmoids of weighted sums, n other activations of them, s what several equations use.
        """
        names: dict[int, str] = {}
        counts = dict.fromkeys("gns", 0)
        new = dict(zip(reversed(self.graph.outputs), reversed(self.graph.state), strict=True))
        for index in topological_order(
            self.graph.nodes, reversed(self.graph.outputs)
        ):  # h after the c that it may need
            node = self.graph.nodes[index]
            kind = ""
            if index in new:
                names[index] = new[index]
            elif node.op in ("sigmoid", "tanh", "relu") and self.weighted(node.parents[0]):
                kind = "g" if node.op in SHARES else "n"
            elif node.op not in LEAVES and self.uses[index] > 1:
                kind = "s"
            if kind:
                counts[kind] += 1
                names[index] = f"{kind}{counts[kind]}"
        return names

    def weighted(self, index: int) -> bool:
        """Whether a node is a linear map, or a sum with one in it."""
        node = self.graph.nodes[index]
        return node.op in LINEAR or (node.op in SUMS and any(self.weighted(parent) for parent in node.parents))

    def terms(self, index: int) -> list[int]:
        """The terms of a sum; of another node the node itself. `one-plus` among them is the 1 that it adds."""
        node = self.graph.nodes[index]
        if node.op not in SUMS:
            return [index]
        terms = [index] if node.op == "one-plus" else []
        for parent in node.parents:
            terms += [parent] if parent in self.names else self.terms(parent)
        return terms

    @cached_property
    def roots(self) -> list[int]:
        """The sums, of one term or more, that have a linear map in them, in the order of the equations."""
        nodes, inner = self.graph.nodes, set()
        for node in nodes:
            if node.op in SUMS:
                inner |= {parent for parent in node.parents if parent not in self.names}
        return [i for i in topological_order(nodes, self.names) if i not in inner and self.maps(i)]

    def maps(self, index: int) -> list[int]:
        """The linear maps among the terms of a sum; one with its own name is a sum itself."""
        nodes = self.graph.nodes
        return [t for t in self.terms(index) if nodes[t].op in LINEAR and (t == index or t not in self.names)]

    @cached_property
    def inputs(self) -> dict[int, str]:
        """The names of the linear maps of x, each of which has a bias."""
        places = [term for root in self.roots for term in self.maps(root) if self.of_x(term)]
        return {place: f"x{k}" for k, place in enumerate(places, 1)}

    @cached_property
    def matrices(self) -> dict[int, str]:
        """The names of the other linear maps."""
        places = [term for root in self.roots for term in self.maps(root) if not self.of_x(term)]
        return {place: f"u{k}" for k, place in enumerate(places, 1)}

    @cached_property
    def biases(self) -> dict[int, str]:
        """The names of the biases of weighted sums without a map of x, whose bias they would share."""
        bare = [root for root in self.roots if not any(term in self.inputs for term in self.maps(root))]
        return {root: f"b{k}" for k, root in enumerate(bare, 1)}

    @property
    def bare_input(self) -> bool:
        """Whether x itself enters the equations."""
        return any(
            self.graph.nodes[parent].op == "x" and node.op not in LINEAR
            for node in self.graph.nodes
            for parent in node.parents
        )

    @property
    def gates(self) -> dict[str, str]:
        """The roles of the values that can be plotted, by name. A sigmoid is a gate, anything else a candidate."""
        is_gate = {
            name: self.graph.nodes[index].op in SHARES for index, name in self.names.items() if name[0] in "gns"
        }
        ordered = sorted(is_gate, key=lambda name: not is_gate[name])
        return {name: f"gate {name}" if is_gate[name] else f"candidate {name}" for name in ordered}

    def of_x(self, index: int) -> bool:
        return self.graph.nodes[self.graph.nodes[index].parents[0]].op == "x"


@dataclass
class Notation:
    """Equations as in mathematics; a subclass may write another notation."""

    outline: Outline
    leaves: ClassVar[dict[str, str]] = {"x": "x", "h": "h⁻", "c": "c⁻"}
    functions: ClassVar[dict[str, str]] = {"sigmoid": "σ", "tanh": "tanh", "relu": "relu"}
    times: ClassVar[str] = "⊙"
    minus: ClassVar[str] = "−"
    sums: set[str] = field(default_factory=set, init=False)  # texts that need parentheses in a product
    products: set[str] = field(default_factory=set, init=False)  # and these only after a matrix

    @property
    def lines(self) -> dict[str, str]:
        """The right sides of the equations by name."""
        return {name: self.value(index) for index, name in self.outline.names.items()}

    def text(self, index: int) -> str:
        """A node where it is used."""
        return self.outline.names.get(index) or self.value(index)

    def value(self, index: int) -> str:
        """A node as an expression of others."""
        node = self.outline.graph.nodes[index]
        if node.op in LEAVES:
            return self.leaves[node.op]
        if node.op in SUMS or node.op in LINEAR:
            return self.sum(index)
        if node.op in self.functions:
            return f"{self.functions[node.op]}({self.text(node.parents[0])})"
        if node.op == "multiply":
            return add_to(self.products, f" {self.times} ".join(self.factor(parent) for parent in node.parents))
        first = "1" if node.op == "one-minus" else self.text(node.parents[0])
        return add_to(self.sums, f"{first} {self.minus} {self.factor(node.parents[-1])}")

    def sum(self, index: int) -> str:
        """A sum, with one bias for all its linear maps."""
        plain, weighted = self.parts(index)
        maps = [self.map(term) for term in sorted(weighted, key=lambda term: not self.outline.of_x(term))]
        return add_to(self.sums, " + ".join(plain + maps + ["b"] * bool(maps)))

    def parts(self, index: int) -> tuple[list[str], list[int]]:
        """The texts of a sum's terms that are not linear maps, and the linear maps."""
        terms, nodes = self.outline.terms(index), self.outline.graph.nodes
        ones = [t for t in terms if nodes[t].op == "one-plus" and (t == index or t not in self.outline.names)]
        maps = self.outline.maps(index)
        return ["1"] * len(ones) + [self.text(t) for t in terms if t not in ones + maps], maps

    def map(self, index: int) -> str:
        """A linear map: W of the input, V if it starts as the identity, U of anything else."""
        node = self.outline.graph.nodes[index]
        letter = "W" if self.outline.of_x(index) else "V" if node.op == "linear-identity" else "U"
        of = self.text(node.parents[0])
        return f"{letter} ({of})" if of in self.sums | self.products else f"{letter} {of}"

    def factor(self, index: int) -> str:
        """A node, in parentheses if a product or a difference needs them."""
        text = self.text(index)
        return f"({text})" if text in self.sums else text


def add_to(texts: set[str], text: str) -> str:
    """Add a text to a set, and return it."""
    texts.add(text)
    return text


def equations(graph: CellGraph) -> list[str]:
    """The equations, in the order in which they are computed."""
    return [f"{name} = {value}" for name, value in Notation(Outline(graph)).lines.items()]
