"""Cells as graphs: one form for the same equations, mutants that are cells, and code that computes what they say."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.recurrent.cell import Track
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.registry import find_cell
from speech_lstm.search.ancestors import PUBLISHED
from speech_lstm.search.equations import Outline, equations
from speech_lstm.search.graph import LINEAR, MOST_NODES, CellGraph, GraphError, Node, canonical, check, restore_graph
from speech_lstm.search.mutation import mutate
from speech_lstm.search.source import register, source

pytestmark = pytest.mark.usefixtures("forget_candidates")

HIDDEN, INPUTS, FRAMES, BATCH = 5, 7, 6, 3
DOUBLE = torch.float64

seeds = st.sampled_from(sorted(PUBLISHED))
numbers = st.integers(0, 2**32)


def chain(seed: str, length: int, number: int) -> CellGraph:
    """A published cell after some mutations."""
    graph, draw = PUBLISHED[seed](), random.Random(number)
    for _ in range(length):
        graph = mutate(graph, 0.5, draw)
    return graph


def layer_of(cell: str, both: bool = False, inputs: int = INPUTS) -> Layer:
    """A layer of a cell with weights, biases too, that are all drawn."""
    torch.manual_seed(0)
    config = NetworkConfig(cell=cell, layers=1, hidden=HIDDEN, bidirectional=both)
    layer = Layer(find_cell(cell)(HIDDEN, config), inputs).to(DOUBLE)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-0.7, 0.7)
    return layer


def frames(inputs: int = INPUTS) -> Tensor:
    return torch.randn(FRAMES, BATCH, inputs, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)


# --- the form ----------------------------------------------------------------------------------------------------


def shuffled(graph: CellGraph, draw: random.Random) -> tuple[list[Node], list[int]]:
    """The same equations written otherwise: another order of nodes, other sides of sums and products."""
    order = list(range(len(graph.nodes)))
    draw.shuffle(order)
    at = {old: new for new, old in enumerate(order)}
    nodes = []
    for old in order:
        node = graph.nodes[old]
        parents = [at[parent] for parent in node.parents]
        if node.op in ("add", "multiply"):
            draw.shuffle(parents)
        nodes.append(Node(node.op, tuple(parents)))
    return nodes, [at[output] for output in graph.outputs]


@given(seeds, st.integers(0, 4), numbers)
@settings(max_examples=30, deadline=None)
def test_the_same_equations_have_one_form(seed: str, length: int, number: int) -> None:
    graph = chain(seed, length, number)
    again = canonical(*shuffled(graph, random.Random(number)))
    assert again == graph
    assert again.name == graph.name
    assert hash(again) == hash(graph)
    assert canonical(graph.nodes, graph.outputs) == graph
    assert restore_graph(graph.stored()) == graph


def test_one_form_where_nodes_look_alike() -> None:
    """Two indistinguishable maps, used together twice: whichever comes first, the graph is the same."""
    x, h = Node("x"), Node("h")
    forms = set()
    for first, second in ((4, 5), (5, 4)):
        nodes = [x, h, Node("linear", (0,)), Node("linear", (0,)), Node("tanh", (2,)), Node("tanh", (3,))]
        nodes += [Node("add", (first, second)), Node("sigmoid", (second,)), Node("sigmoid", (first,))]
        nodes += [Node("multiply", (7, 8)), Node("subtract", (6, 9)), Node("multiply", (1, 10))]
        forms.add(canonical(nodes, [11]))
    assert len(forms) == 1


def test_what_is_equal_is_written_once() -> None:
    nodes = [Node("x"), Node("h"), Node("linear", (0,)), Node("tanh", (2,)), Node("tanh", (2,)), Node("relu", (1,))]
    nodes += [Node("multiply", (3, 4)), Node("one-minus", (6,)), Node("one-minus", (7,)), Node("add", (8, 1))]
    graph = canonical(nodes, [9])
    assert [node.op for node in graph.nodes].count("tanh") == 1
    assert "relu" not in [node.op for node in graph.nodes]
    assert "one-minus" not in [node.op for node in graph.nodes]
    assert len({canonical([Node("h"), Node("x"), Node(op, (1,)), Node("add", (2, 0))], [3]) for op in LINEAR}) == 1
    maps = [Node("x"), Node("h"), Node("linear", (1,)), Node("linear", (1,)), Node("linear", (0,))]
    maps += [Node("multiply", (2, 3)), Node("add", (5, 4))]
    assert len(canonical(maps, [6]).nodes) == len(maps)  # two maps of h have weights of their own


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ([[["x"], ["linear", 0]], [1]], "does not depend on h"),
        ([[["h"], ["linear", 0]], [1]], "does not depend on x"),
        ([[["x"], ["h"], ["add", 0, 1]], [2]], "without weights"),
        ([[["x"], ["h"], ["linear", 0], ["add", 1, 2], ["subtract", 3, 3]], [4]], "always 0"),
        ([[["x"], ["h"], ["linear", 0], ["add", 1, 2]], [1]], "copy of an input"),
        ([[["x"], ["h"], ["c"], ["linear", 0], ["add", 1, 3], ["add", 2, 4]], [5]], "no memory"),
        ([[["x"], ["h"], ["linear", 0], ["add", 1, 2], ["tanh", 3]], [3, 4]], "does not depend on c"),
        ([[["x"], ["h"], ["log", 0], ["add", 1, 2]], [3]], "no such operation"),
        ([[["x"], ["h"], ["linear", 3], ["add", 1, 2]], [3]], "before its parents"),
        ([[["x"], ["h"], ["linear", 0, 1], ["add", 1, 2]], [3]], "linear of 2"),
        ([[["x"], ["h"], ["linear", 0], ["add", 1, 2]], []], "one or two outputs"),
        (
            [[["x"], ["h"], ["linear", 0], ["add", 1, 2], *(["tanh", i] for i in range(3, 3 + MOST_NODES))], [4]],
            "more",
        ),
        ("cell", "not the graph of a cell"),
    ],
)
def test_graphs_that_are_no_cells(stored: object, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        restore_graph(stored)


# --- mutation ----------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 8), numbers)
@settings(max_examples=30, deadline=None)
def test_any_chain_of_mutations_is_a_cell(seed: str, length: int, number: int) -> None:
    before, graph = chain(seed, length - 1, number), chain(seed, length, number)
    check(graph)
    assert graph != before
    assert len(graph.outputs) == len(PUBLISHED[seed]().outputs)
    assert graph == chain(seed, length, number)  # the same draws give the same cell


@given(seeds, st.integers(1, 6), numbers)
@settings(max_examples=15, deadline=None)
def test_a_mutant_runs_and_learns_in_both_directions(seed: str, length: int, number: int) -> None:
    graph = chain(seed, length, number)
    layer = layer_of(register(graph), both=True)
    assert set(layer.cell.gates) | set(layer.cell.state) == set(layer.cell.roles)
    x = frames().requires_grad_()
    lengths = torch.tensor([FRAMES, FRAMES - 2, 1])
    track, state = layer(Track(x), lengths=lengths)
    assert track.hidden.shape == (FRAMES, BATCH, 2 * HIDDEN)
    assert [part.shape for part in state] == [(2, BATCH, HIDDEN)] * len(graph.outputs)
    track.hidden.sum().backward()
    assert x.grad is not None
    assert (x.grad[FRAMES - 1, 1] == 0).all()
    assert all(weight.grad is not None for weight in layer.parameters())


def test_mutations_are_of_all_kinds() -> None:
    """Smaller and larger cells, other operations, cells with one map less."""
    start, draw = PUBLISHED["lstm"](), random.Random(0)
    mutants = [mutate(start, 0.2, draw) for _ in range(100)]
    sizes = {len(graph.nodes) for graph in mutants}
    assert min(sizes) < len(start.nodes) < max(sizes) <= MOST_NODES
    ops = {node.op for graph in mutants for node in graph.nodes}
    assert {"relu", "subtract", "linear-identity"} <= ops
    assert len(set(mutants)) > 90


# --- code --------------------------------------------------------------------------------------------------------


def by_hand(graph: CellGraph, layer: Layer, x: Tensor, state: dict[str, Tensor]) -> list[Tensor]:
    """One step of the graph, node by node: x [batch, inputs], the state [batch, hidden]; the new state."""
    outline = Outline(graph)
    bare = x if layer.front is None else x @ layer.front[0].T
    values: list[Tensor] = []
    functions = {"one-minus": lambda a: 1 - a, "one-plus": lambda a: 1 + a}
    pairs = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul}
    assert layer.bias is not None
    for index, node in enumerate(graph.nodes):
        of = [values[parent] for parent in node.parents]
        if node.op in ("x", "h", "c"):
            values.append(bare if node.op == "x" else state[node.op])
        elif index in outline.inputs:
            rows = layer.cell.block(outline.inputs[index])
            values.append(of[0] @ layer.input[0][rows].T + layer.bias[0][rows])
        elif index in outline.matrices:
            root = next(root for root in outline.roots if index in outline.maps(root))
            first = next(term for term in outline.maps(root) if term in outline.matrices)
            owned = root in outline.biases and index == first
            bias = layer.get_parameter(outline.biases[root])[0] if owned else 0.0
            values.append(of[0] @ layer.get_parameter(outline.matrices[index])[0].T + bias)
        elif node.op in pairs:
            values.append(pairs[node.op](*of))
        else:
            values.append(functions.get(node.op, getattr(torch, node.op, None))(*of))
    return [values[output] for output in graph.outputs]


@given(seeds, st.integers(0, 6), numbers)
@settings(max_examples=25, deadline=None)
def test_the_code_computes_the_graph(seed: str, length: int, number: int) -> None:
    graph = chain(seed, length, number)
    layer = layer_of(register(graph))
    x = frames()
    track, _ = layer(Track(x))
    state = {name: torch.zeros(BATCH, HIDDEN, dtype=DOUBLE) for name in graph.state}
    for frame, seen in zip(x, track.hidden, strict=True):
        state = dict(zip(graph.state, by_hand(graph, layer, frame, state), strict=True))
        torch.testing.assert_close(seen, state["h"], rtol=1e-9, atol=1e-9)


def copied(own: Layer, other: Layer, parts: dict[str, tuple[str, int]], blocks: dict[str, str]) -> None:
    """Give a graph's layer the weights of the program's cell: `parts` says matrix and block of each matrix, `blocks`
    the input block of each input block."""
    with torch.no_grad():
        for block, source_block in blocks.items():
            to, of = own.cell.block(block), other.cell.block(source_block)
            own.input[:, to] = other.input[:, of]
            own.bias[:, to] = other.bias[:, of]  # type: ignore[index]
        for name, (matrix, block) in parts.items():
            rows = slice(block * HIDDEN, (block + 1) * HIDDEN)
            own.get_parameter(name).copy_(other.get_parameter(matrix)[:, rows])


# In the order of the equations: g1 f, g2 i, n1 z, g3 o; g1 z, g2 r, n1 n.
PARTS = {
    "lstm": {f"u{k}": ("recurrent", "ifzo".index(gate)) for k, gate in enumerate("fizo", 1)},
    "gru-cho": {"u1": ("gates", 1), "u2": ("gates", 0), "u3": ("candidate", 0)},
    "mut1": {"u1": ("reset", 0), "u2": ("candidate", 0)},
    "mut2": {"u1": ("gates", 0), "u2": ("gates", 1), "u3": ("candidate", 0)},
    "mut3": {"u1": ("update", 0), "u2": ("reset", 0), "u3": ("candidate", 0)},
    "rnn": {"u1": ("recurrent", 0)},
}
BLOCKS = {"lstm": "fizo", "gru-cho": "zrn", "mut1": "zr", "mut2": "zn", "mut3": "zrn", "rnn": "h"}
VECTORS = {"mut1": "candidate_bias", "mut2": "reset_bias"}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
@pytest.mark.parametrize("both", [False, True])
def test_a_seed_is_the_programs_cell(name: str, both: bool) -> None:
    """The same weights give the same hidden states and the same gradient of the input."""
    graph = PUBLISHED[name]()
    own, other = layer_of(register(graph), both), layer_of(name, both)
    copied(own, other, PARTS[name], {f"x{k}": block for k, block in enumerate(BLOCKS[name], 1)})
    with torch.no_grad():
        if own.front is not None:
            assert other.front is not None
            own.front.copy_(other.front)
        if name in VECTORS:
            own.get_parameter("b1").copy_(other.get_parameter(VECTORS[name]))
        if name == "lstm":
            own.bias[:, own.cell.block("x1")] -= 1  # type: ignore[index]  # the graph adds it
    given_x = [frames().requires_grad_() for _ in range(2)]
    outputs = [layer(Track(x))[0].hidden for layer, x in zip((own, other), given_x, strict=True)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out, x in zip(outputs, given_x, strict=True)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-8, atol=1e-9)


def test_equations_read_like_those_of_the_paper() -> None:
    assert equations(PUBLISHED["mut1"]()) == [
        "g1 = σ(W x + b)",
        "g2 = σ(W x + U h⁻ + b)",
        "n1 = tanh(tanh(x) + U (g2 ⊙ h⁻) + b)",
        "h = g1 ⊙ n1 + (1 − g1) ⊙ h⁻",
    ]


def test_a_file_is_readable(tmp_path: Path) -> None:
    text = source(PUBLISHED["lstm"](), "a title", "A story of it.")
    assert text.startswith('"""A story of it.\n\n    g1 = σ(1 + W x + U h⁻ + b)\n')
    assert '        g1 = frame.tap("g1", sigmoid(1 + u1(x1, h_old)))\n' in text
    assert "        c = g1 * c_old + g2 * n1\n" in text
    assert text.endswith("        return h, c\n")


@given(seeds, st.integers(0, 6), numbers)
@settings(max_examples=15, deadline=None)
def test_a_file_is_python_without_surprises(seed: str, length: int, number: int) -> None:
    graph = chain(seed, length, number)
    text = source(graph, "t", "S.")
    compile(text, "cell.py", "exec")
    for line in equations(graph):
        assert f"    {line}\n" in text
