"""The published cells as graphs: a search starts from some of them, and its cells are compared with them."""

from __future__ import annotations

from collections.abc import Callable

from speech_lstm.search.graph import CellGraph, Node, canonical


class Sketch:
    """A graph under construction: each call adds a node and returns its index."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.x, self.h, self.c = (self(leaf) for leaf in ("x", "h", "c"))

    def __call__(self, op: str, *parents: int) -> int:
        self.nodes.append(Node(op, parents))
        return len(self.nodes) - 1

    def sum(self, first: int, *others: int) -> int:
        for other in others:
            first = self("add", first, other)
        return first

    def weighted(self, *terms: int) -> int:
        """W a + U b + …, with weights of its own."""
        return self.sum(*(self("linear", term) for term in terms))

    def gate(self, *terms: int) -> int:
        return self("sigmoid", self.weighted(*terms))

    def times(self, first: int, second: int) -> int:
        return self("multiply", first, second)

    def blend(self, share: int, first: int, second: int) -> int:
        """share ⊙ first + (1 − share) ⊙ second."""
        return self.sum(self.times(share, first), self.times(self("one-minus", share), second))

    def graph(self, *outputs: int) -> CellGraph:
        return canonical(self.nodes, outputs)


def rnn() -> CellGraph:
    """Elman 1990."""
    a = Sketch()
    return a.graph(a("tanh", a.weighted(a.x, a.h)))


def lstm() -> CellGraph:
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, whose bias is 1 at first."""
    a = Sketch()
    i, o = a.gate(a.x, a.h), a.gate(a.x, a.h)
    f = a("sigmoid", a("one-plus", a.weighted(a.x, a.h)))
    c = a.sum(a.times(f, a.c), a.times(i, a("tanh", a.weighted(a.x, a.h))))
    return a.graph(a.times(o, a("tanh", c)), c)


def gru() -> CellGraph:
    """Cho et al. 2014."""
    a = Sketch()
    r, z = a.gate(a.x, a.h), a.gate(a.x, a.h)
    n = a("tanh", a.weighted(a.x, a.times(r, a.h)))
    return a.graph(a.blend(z, a.h, n))


def mut1() -> CellGraph:
    """Jozefowicz et al. 2015, as are the next two."""
    a = Sketch()
    z, r = a.gate(a.x), a.gate(a.x, a.h)
    n = a("tanh", a.sum(a("linear", a.times(r, a.h)), a("tanh", a.x)))
    return a.graph(a.blend(z, n, a.h))


def mut2() -> CellGraph:
    a = Sketch()
    z, r = a.gate(a.x, a.h), a("sigmoid", a.sum(a.x, a("linear", a.h)))
    n = a("tanh", a.weighted(a.times(r, a.h), a.x))
    return a.graph(a.blend(z, n, a.h))


def mut3() -> CellGraph:
    a = Sketch()
    z, r = a.gate(a.x, a("tanh", a.h)), a.gate(a.x, a.h)
    n = a("tanh", a.weighted(a.times(r, a.h), a.x))
    return a.graph(a.blend(z, n, a.h))


# By the names of the program's own cells.
PUBLISHED: dict[str, Callable[[], CellGraph]] = {
    "lstm": lstm,
    "gru-cho": gru,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "rnn": rnn,
}
