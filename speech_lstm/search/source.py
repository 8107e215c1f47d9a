"""A graph as an ordinary cell of this program: the Python source of its class, and its registration."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import ClassVar

from speech_lstm.files import write_text
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.recurrent.plugins import load_plugin
from speech_lstm.search.equations import Notation, Outline, add_to, equations
from speech_lstm.search.graph import CellGraph

WIDTH = 110  # columns of the generated text

SOURCE = Template('''\
"""$story

$equations

W, U, V and b are each equation's own; V starts as the identity, ⁻ marks the step before, ⊙ is element by element.

speech-lstm train --plugin FILE.py --cell $name --data DIR --out runs/$name
"""

from typing import ClassVar

${imported}from speech_lstm.recurrent.cell import Cell, Frame, Matrix, State, Vector, Weights, register


@register
class $class_name(Cell):
    """The cell of the equations above."""

    name = "$name"
    title = "$title"
    paper = "an architecture search in the manner of Jozefowicz et al. 2015"
    equations = (
$quoted
    )
    inputs: tuple[str, ...] = $inputs
    gates: tuple[str, ...] = $gates
    roles: ClassVar[dict[str, str]] = {
$roles
    }
    state: ClassVar[tuple[str, ...]] = $state
    bare_input = $bare

    def weights(self) -> dict[str, Matrix | Vector]:
        return $weights

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
$step
''')


class Code(Notation):
    """Equations as Python: u1(a, v) is a + U v with its own matrix U."""

    leaves: ClassVar[dict[str, str]] = {"x": "x", "h": "h_old", "c": "c_old"}
    functions: ClassVar[dict[str, str]] = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu"}
    times: ClassVar[str] = "*"
    minus: ClassVar[str] = "-"

    def sum(self, index: int) -> str:
        """A sum: the other terms are passed to the matrix that adds its product to them."""
        outline = self.outline
        plain, maps = self.parts(index)
        added = [outline.inputs[term] for term in maps if term in outline.inputs]
        added += [outline.biases[index]] if index in outline.biases else []
        matrices = [term for term in maps if term in outline.matrices]
        text = " + ".join(added + plain if not matrices else added + [term for term in plain if term != "1"])
        for term in matrices:
            text = f"{outline.matrices[term]}({text}, {self.text(outline.graph.nodes[term].parents[0])})"
        ones = ["1"] * (plain.count("1") if matrices else 0)
        whole = " + ".join([*ones, text])
        return add_to(self.sums, whole) if " + " in whole and (ones or not matrices) else whole


def source(graph: CellGraph, title: str, story: str) -> str:
    """The content of a cell's file for `--plugin`; `story`, a sentence, is at its top."""
    outline = Outline(graph)
    lines = equations(graph)
    gates, body = outline.gates, step(outline)
    roles = gates | {name: ROLES[name] for name in graph.state}
    return SOURCE.substitute(
        story=textwrap.fill(story, WIDTH),
        equations=textwrap.indent("\n".join(lines), "    "),
        name=graph.name,
        class_name=f"Cell{graph.name.removeprefix('cell-')}",
        title=title,
        quoted="\n".join(f'        "{line}{"; " if line != lines[-1] else ""}"' for line in lines),
        inputs=tuple_text(outline.inputs.values()),
        gates=tuple_text(gates),
        roles="\n".join(f'        "{name}": "{role}",' for name, role in roles.items()),
        state=tuple_text(graph.state),
        bare=outline.bare_input,
        weights=weights(outline),
        step=textwrap.indent("\n".join(body), " " * 8),
        imported=import_line(body),
    )


ROLES = {"h": "hidden state", "c": "memory"}


def import_line(body: list[str]) -> str:
    """The imports from torch that the code needs; a cell of linear maps alone needs none."""
    functions = [name for name in Code.functions if f"{name}(" in "".join(body)]
    return f"from torch import {', '.join(functions)}\n\n" if functions else ""


def tuple_text(names: Iterable[str]) -> str:
    """Names as a tuple of Python."""
    quoted = [f'"{name}"' for name in names]
    return f"({', '.join(quoted)}{',' * (len(quoted) == 1)})"


def dictionary_text(items: Iterable[tuple[str, str]], value: str) -> str:
    """Names and values as a dictionary of Python."""
    return "{" + ", ".join(f'"{name}": {value.format(text)}' for name, text in items) + "}"


def weights(outline: Outline) -> str:
    """The value of `Cell.weights`."""
    identity = {i: outline.graph.nodes[i].op == "linear-identity" for i in outline.matrices}
    made = {name: f"Matrix({'identity=True' * identity[i]})" for i, name in outline.matrices.items()}
    return dictionary_text([*made.items(), *((name, "Vector()") for name in outline.biases.values())], "{}")


def step(outline: Outline) -> list[str]:
    """The body of `Cell.step`."""
    graph, gates = outline.graph, outline.gates
    lines = [f"{names_text(f'{name}_old' for name in graph.state)} = state"]
    blocks = [*outline.inputs.values(), *(["x"] if outline.bare_input else [])]
    lines.append(f"{names_text(blocks)} = frame.x.chunk({len(blocks)}, -1)  # x1 is W x + b")
    if outline.matrices:
        lines.append(f"{names_text(outline.matrices.values())} = weights.product.values()  # u1(a, v) is a + U v")
    if outline.biases:
        lines.append(f"{names_text(outline.biases.values())} = weights.vector.values()")
    for name, value in Code(outline).lines.items():
        lines.append(f'{name} = frame.tap("{name}", {value})' if name in gates else f"{name} = {value}")
    new = [outline.names[output] for output in graph.outputs]
    lines.append(f"return {names_text(new)}")
    return lines


def names_text(names: Iterable[str]) -> str:
    """Names on the left of an assignment of a tuple."""
    texts = list(names)
    return f"({texts[0]},)" if len(texts) == 1 else ", ".join(texts)


def register(graph: CellGraph) -> str:
    """Register the graph's cell through its file, as a user's cell is registered; its name."""
    if graph.name not in CELLS:
        with tempfile.TemporaryDirectory(prefix="speech-lstm-") as folder:
            path = Path(folder) / f"{graph.name}.py"
            write_text(path, source(graph, "cell of a search", "A cell that a search is trying."))
            load_plugin(str(path))
    return graph.name
