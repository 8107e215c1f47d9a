"""All registered cells, as a table and one by one: what `speech-lstm cells` prints."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Any

from speech_lstm.config import COMMANDS_10, FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.model.sizing import match_parameters, shapes
from speech_lstm.recurrent.cell import CELLS, Cell
from speech_lstm.recurrent.registry import find_cell
from speech_lstm.report.tables import align, quantity

LABELS = len(COMMANDS_10) + 2  # with _unknown_ and _silence_: the standard task
SYMBOLS = "σ logistic function, ⊙ element-wise product, ⁻ of the step before; each gate has its own weights W, U, b"


@dataclass(frozen=True)
class Entry:
    """A cell with its network, or the reason why these settings give no network."""

    cell: type[Cell]
    config: NetworkConfig
    weights: dict[str, tuple[int, ...]]  # shapes by name, of the whole network
    parameters: int | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has."""
        cell, fits = self.cell, self.parameters is not None
        return {
            "name": cell.name,
            "title": cell.title,
            "paper": cell.paper,
            "equations": cell.equations,
            "gates": list(cell.gates),
            "state": list(cell.state),
            "sizes": list(self.config.layer_sizes) if fits else None,
            "parameters": self.parameters,
            "reason": self.reason or None,
        }


def entry(name: str, features: FeatureConfig, network: NetworkConfig, budget: int | None = None) -> Entry:
    """The cell of this name in a network of these settings, of about `budget` parameters if that is given.

    Raises ConfigError for an unknown cell and for an impossible network.
    """
    config = NetworkConfig.from_dict(network.to_dict() | {"cell": name})
    if budget is not None:
        config = match_parameters(features, config, LABELS, budget)
    shape = shapes(features, config, LABELS)
    weights = {name: tuple(weight.shape) for name, weight in shape.named_parameters()}
    return Entry(find_cell(name), config, weights, shape.parameter_count)


def entries(features: FeatureConfig, network: NetworkConfig, budget: int | None = None) -> list[Entry]:
    """All registered cells, oldest first; one that does not allow these settings has a reason."""
    cells = []
    for name, cell in sorted(CELLS.items(), key=lambda pair: year(pair[1].paper)):
        try:
            cells.append(entry(name, features, network, budget))
        except ConfigError as error:
            cells.append(Entry(cell, network, {}, reason=str(error)))
    return cells


def year(paper: str) -> int:
    """The year in the citation of a paper; 9999 if there is none."""
    match = re.search(r"\b(19|20)\d\d\b", paper)
    return int(match[0]) if match else 9999


def table(cells: list[Entry], features: FeatureConfig, network: NetworkConfig, budget: int | None, width: int) -> str:
    """All cells: name, parameters, paper, gates and equations, in lines of at most `width` columns where possible."""
    head = ["cell", "parameters"] if budget is None else ["cell", "hidden", "parameters"]
    rows = [head]
    for item in cells:
        count = "–" if item.parameters is None else f"{item.parameters:,}"
        hidden = "–" if item.parameters is None else str(item.config.hidden)
        rows.append([item.cell.name, count] if budget is None else [item.cell.name, hidden, count])
    first, *left = align(rows, "l" + "r" * (len(head) - 1))
    lines = [
        *textwrap.wrap("networks of " + describe(features, network, budget), width),
        "",
        f"{first}  paper · gates, equations",
    ]
    room = max(width - len(first) - 2, 20)
    for item, start in zip(cells, left, strict=True):
        cell = item.cell
        gates = f" · {', '.join(cell.gates)}" if cell.gates else ""
        text = textwrap.wrap(cell.paper + gates, room) + equation_lines(cell, room)
        if item.reason:
            text += textwrap.wrap(f"no network: {item.reason}", room)
        lines += [f"{start}  {text[0]}", *(" " * len(first) + f"  {line}" for line in text[1:])]
    return "\n".join([*lines, "", *textwrap.wrap(SYMBOLS, width)])


def detail(item: Entry, features: FeatureConfig, width: int) -> str:
    """One cell in full: its description, its equations line by line, and every weight of the network."""
    cell = item.cell
    facts = [("paper", [cell.paper]), ("equations", cell.equations.split("; "))]
    facts += [("gates", [", ".join(cell.gates)])] if cell.gates else []
    facts += [("state", [", ".join(cell.state)])]
    facts += [("network", textwrap.wrap(describe(features, item.config), max(width - 11, 20)))]
    lines = [f"{cell.name}: {cell.title}"]
    for name, texts in facts:
        lines += [f"{name:<9}  {texts[0]}", *(f"{'':<11}{text}" for text in texts[1:])]
    rows = [["weight", "shape", "parameters"]]
    for name, shape in item.weights.items():
        count = 1
        for size in shape:
            count *= size
        rows.append([name, " × ".join(map(str, shape)), f"{count:,}"])
    rows.append(["total", "", f"{item.parameters:,}"])
    return "\n".join([*lines, "", *align(rows, "llr"), "", *textwrap.wrap(SYMBOLS, width)])


def legend(name: str) -> str:
    """The equations of a cell and the meaning of their names; raises ConfigError for an unknown cell."""
    cell = find_cell(name)
    names = {"x": "input of the layer", **{key: cell.roles.get(key, "") for key in (*cell.gates, *cell.state)}}
    rows = align([[key, role] for key, role in names.items()], "ll")
    return "\n".join(
        [f"{cell.title} ({cell.paper})", "", *cell.equations.split("; "), "", *map(str.rstrip, rows), "", SYMBOLS, ""]
    )


def describe(features: FeatureConfig, network: NetworkConfig, budget: int | None = None) -> str:
    """The network whose parameters are counted, in words."""
    sizes = network.layer_sizes
    if budget is None:
        units = f"{sizes[0]}" if len(set(sizes)) == 1 else ", ".join(map(str, sizes))
    else:
        units = f"for about {budget:,} parameters"
    kind = "MFCC" if features.kind == "mfcc" else "log-mel bands"
    ways = "in both directions" if network.bidirectional else "in one direction"
    layers = quantity(len(sizes), "layer")
    return f"{features.size} {kind}, {layers}, hidden units {units}, {ways}, {LABELS} labels"


def equation_lines(cell: type[Cell], width: int) -> list[str]:
    """The equations, as many in a line as fit."""
    lines: list[str] = []
    for equation in cell.equations.split("; "):
        if lines and len(lines[-1]) + 3 + len(equation) <= width:  # with a trailing ;
            lines[-1] += f"; {equation}"
        else:
            lines[-1:] = [f"{lines[-1]};"] if lines else []
            lines.append(equation)
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  ")]
