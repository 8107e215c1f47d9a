"""Every recurrent cell a second time, straight from the papers: NumPy, float64, one recording, frame by frame.

Nothing here is shared with the package but the weights, which are taken from a layer by their names. A cell is a
function from a frame and the values of the step before to the values of this step; all of them are vectors
[hidden] with the names that the equations give them. ⊙ is NumPy's `*`, U·h its `@`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.stack import Stack

Array = NDArray[np.float64]
Values = dict[str, Any]
Tap = Callable[[str, Array], Array]


def untouched(name: str, value: Array) -> Array:
    return value


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def same(x: Array) -> Array:
    return x


class Step:
    """One frame as a cell sees it: x, the values before, and the weights of one layer and direction."""

    def __init__(self, layer: Layer, direction: int, tap: Tap = untouched) -> None:
        self.layer, self.direction, self.tap = layer, direction, tap
        self.hidden, self.blocks = layer.cell.hidden, layer.cell.inputs
        self.x, self.below, self.index = np.zeros(0), np.zeros(self.hidden), 0

    def weight(self, name: str) -> Array:
        return self.layer.get_parameter(name).detach().double().cpu().numpy()[self.direction]

    def part(self, block: int) -> slice:
        return slice(block * self.hidden, (block + 1) * self.hidden)

    def W(self, block: str) -> Array:
        """The input product of a block, its bias added where the cell has one."""
        rows = self.part(self.blocks.index(block))
        total = self.weight("input")[rows] @ self.x
        if self.layer.normalise is not None:
            total = self.normalised(total, rows)
        return total if self.layer.bias is None else total + self.weight("bias")[rows]

    def normalised(self, total: Array, rows: slice) -> Array:
        """Batch normalisation as recognition does it, with the averages that were kept."""
        norm = self.layer.normalise
        start = self.direction * len(self.blocks) * self.hidden
        rows = slice(start + rows.start, start + rows.stop)
        mean, variance, weight, bias = (
            tensor.detach().double().cpu().numpy()[rows]
            for tensor in (norm.mean, norm.variance, norm.weight, norm.bias)
        )
        return (total - mean) / np.sqrt(variance + 1e-5) * weight + bias

    def U(self, name: str, h: Array, row: int | str = 0, column: int = 0) -> Array:
        """A block of a recurrent matrix times h; `row` may be the name of an input block."""
        at = self.blocks.index(row) if isinstance(row, str) else row
        return self.weight(name)[self.part(at), self.part(column)] @ h

    def p(self, name: str, block: int = 0) -> Array:
        return self.weight(name)[self.part(block)]


# --- Greff et al. 2015, section II, and its eight ablations ------------------------------------------------------


def greff(
    s: Step,
    old: Values,
    without: str = "",
    peepholes: bool = True,
    g: Callable[[Array], Array] = np.tanh,
    h: Callable[[Array], Array] = np.tanh,
    coupled: bool = False,
    feedback: bool = False,
) -> Values:
    """`without` names gates that are 1; a coupled forget gate is 1 − i."""
    seen = [name for name in "ifo" if name not in without and not (coupled and name == "f")]

    def total(name: str) -> Array:
        return s.W(name) + s.U("recurrent", old["h"], name)

    def gate(name: str, memory: Array) -> Array:
        if name in without:
            return np.ones(s.hidden)
        whole = total(name)
        if peepholes:
            whole = whole + s.p("peepholes", seen.index(name)) * memory
        if feedback:
            for column, other in enumerate("ifo"):
                whole = whole + s.U("feedback", old[other], "ifo".index(name), column)
        return sigmoid(whole)

    z = s.tap("z", g(total("z")))
    i = s.tap("i", gate("i", old["c"]))
    f = s.tap("f", 1 - i if coupled else gate("f", old["c"]))
    c = z * i + old["c"] * f
    o = s.tap("o", gate("o", c))
    return {"h": h(c) * o, "c": c, "i": i, "f": f, "o": o, "z": z}


# --- plain networks ----------------------------------------------------------------------------------------------


def elman(s: Step, old: Values, activation: Callable[[Array], Array] = np.tanh) -> Values:
    return {"h": activation(s.W("h") + s.U("recurrent", old["h"]))}


# --- gated recurrent units and what a search found beside them ---------------------------------------------------


def cho(s: Step, old: Values) -> Values:
    """Cho et al. 2014: the reset gate acts before the product."""
    h = old["h"]
    r = s.tap("r", sigmoid(s.W("r") + s.U("gates", h, 0)))
    z = s.tap("z", sigmoid(s.W("z") + s.U("gates", h, 1)))
    n = s.tap("n", np.tanh(s.W("n") + s.U("candidate", r * h)))
    return {"h": z * h + (1 - z) * n, "r": r, "z": z, "n": n}


def gru(s: Step, old: Values) -> Values:
    """As in cuDNN: the reset gate acts on the product and its own bias."""
    h = old["h"]
    r = s.tap("r", sigmoid(s.W("r") + s.U("recurrent", h, 0)))
    z = s.tap("z", sigmoid(s.W("z") + s.U("recurrent", h, 1)))
    n = s.tap("n", np.tanh(s.W("n") + r * (s.U("recurrent", h, 2) + s.p("recurrent_bias"))))
    return {"h": (1 - z) * n + z * h, "r": r, "z": z, "n": n}


def mut1(s: Step, old: Values) -> Values:
    """Jozefowicz et al. 2015."""
    h = old["h"]
    z = s.tap("z", sigmoid(s.W("z")))
    r = s.tap("r", sigmoid(s.W("r") + s.U("reset", h)))
    n = s.tap("n", np.tanh(s.U("candidate", r * h) + np.tanh(s.x) + s.p("candidate_bias")))
    return {"h": n * z + h * (1 - z), "r": r, "z": z, "n": n}


def mut2(s: Step, old: Values) -> Values:
    """Jozefowicz et al. 2015; the rows of `gates` are z, r."""
    h = old["h"]
    z = s.tap("z", sigmoid(s.W("z") + s.U("gates", h, 0)))
    r = s.tap("r", sigmoid(s.x + s.U("gates", h, 1) + s.p("reset_bias")))
    n = s.tap("n", np.tanh(s.U("candidate", r * h) + s.W("n")))
    return {"h": n * z + h * (1 - z), "r": r, "z": z, "n": n}


def mut3(s: Step, old: Values) -> Values:
    """Jozefowicz et al. 2015."""
    h = old["h"]
    z = s.tap("z", sigmoid(s.W("z") + s.U("update", np.tanh(h))))
    r = s.tap("r", sigmoid(s.W("r") + s.U("reset", h)))
    n = s.tap("n", np.tanh(s.U("candidate", r * h) + s.W("n")))
    return {"h": n * z + h * (1 - z), "r": r, "z": z, "n": n}


# --- cells that leave something out ------------------------------------------------------------------------------


def ligru(s: Step, old: Values) -> Values:
    """Ravanelli et al. 2018; the batch normalisation is in `Step.W`."""
    h = old["h"]
    z = s.tap("z", sigmoid(s.W("z") + s.U("recurrent", h, 0)))
    n = s.tap("n", relu(s.W("n") + s.U("recurrent", h, 1)))
    return {"h": z * h + (1 - z) * n, "z": z, "n": n}


def indrnn(s: Step, old: Values) -> Values:
    """Li et al. 2018: |u| ≤ 2^(1/T) for T frames, here a second's 100."""
    limit = 2 ** (1 / 100)
    return {"h": relu(s.W("h") + np.clip(s.p("recurrent"), -limit, limit) * old["h"])}


def positive(x: Array) -> Array:
    """g of Feng et al. 2024, appendix B."""
    return np.where(x >= 0, x + 0.5, sigmoid(x))


def mingru(s: Step, old: Values) -> Values:
    """Feng et al. 2024."""
    z = s.tap("z", sigmoid(s.W("z")))
    n = s.tap("n", positive(s.W("n")))
    return {"h": (1 - z) * old["h"] + z * n, "z": z, "n": n}


def minlstm(s: Step, old: Values) -> Values:
    """Feng et al. 2024: the gates add up to one."""
    f, i = sigmoid(s.W("f")), sigmoid(s.W("i"))
    forget, take = s.tap("f'", f / (f + i)), s.tap("i'", i / (f + i))
    n = s.tap("n", positive(s.W("n")))
    return {"h": forget * old["h"] + take * n, "f'": forget, "i'": take, "n": n}


# --- memories that also run in depth or frequency ----------------------------------------------------------------


def depth_gated(s: Step, old: Values) -> Values:
    """Yao et al. 2015; in the first layer nothing is below."""
    h, c, values = old["h"], old["c"], {}
    i = s.tap("i", sigmoid(s.W("i") + s.U("recurrent", h, "i") + s.p("peepholes", 0) * c))
    f = s.tap("f", sigmoid(s.W("f") + s.U("recurrent", h, "f") + s.p("peepholes", 1) * c))
    z = s.tap("z", np.tanh(s.W("z") + s.U("recurrent", h, "z")))
    new = f * c + i * z
    if "d" in s.blocks:
        d = s.tap("d", sigmoid(s.W("d") + s.p("depth", 0) * c + s.p("depth", 1) * s.below))
        new, values["d"] = d * s.below + new, d
    o = s.tap("o", sigmoid(s.W("o") + s.U("recurrent", h, "o") + s.p("peepholes", 2) * new))
    return {"h": o * np.tanh(new), "c": new, "i": i, "f": f, "o": o, "z": z, **values}


def clockwork(s: Step, old: Values) -> Values:
    """Koutník et al. 2014: module g, of period 2^g, sees itself and the slower ones."""
    h, clocks = old["h"], s.layer.cell.config.clocks
    size, new = s.hidden // clocks, h.copy()
    W, U = s.W("h"), s.weight("recurrent")
    clock = s.tap("clock", np.array([float(s.index % 2 ** (unit // size) == 0) for unit in range(s.hidden)]))
    for g in range(clocks):
        if clock[g * size] > 0:
            rows = slice(g * size, (g + 1) * size)
            total = W[rows]
            for j in range(g, clocks):
                columns = slice(j * size, (j + 1) * size)
                total = total + U[rows, columns] @ h[columns]
            new[rows] = np.tanh(total)
    return {"h": new, "clock": clock}


def grid(s: Step, old: Values) -> Values:
    """Kalchbrenner et al. 2015, time × depth, with o ⊙ tanh(m); the rows of `depth` are its input blocks'."""
    blocks = {"time": s.blocks[:4], "depth": s.blocks[4:]}

    def lstm(dimension: str, h: Array, m: Array) -> Values:
        def total(name: str) -> Array:
            block = f"{name}_{dimension}"
            return s.W(block) + s.U(dimension, h, blocks[dimension].index(block))

        z = s.tap(f"z_{dimension}", np.tanh(total("z")))
        i = s.tap(f"i_{dimension}", sigmoid(total("i")))
        values, m_new = {}, i * z
        if f"f_{dimension}" in s.blocks:
            f = s.tap(f"f_{dimension}", sigmoid(total("f")))
            values[f"f_{dimension}"], m_new = f, f * m + m_new
        o = s.tap(f"o_{dimension}", sigmoid(total("o")))
        found = {"z": z, "i": i, "o": o, "m": m_new, "h": o * np.tanh(m_new)}
        return {f"{name}_{dimension}": value for name, value in found.items()} | values

    time = lstm("time", old["h_time"], old["m_time"])
    seen = time["h_time"] if s.layer.cell.config.time_first else old["h_time"]
    return time | lstm("depth", seen, s.below)


def time_frequency(s: Step, old: Values) -> Values:
    """Sainath & Li 2016, without peepholes: every band of a frame after the one below it."""
    frame, values = s.x, {}
    bands = s.layer.cell.config.bands
    width = len(frame) // bands
    h_frequency = m_frequency = np.zeros(s.hidden)
    for b in range(bands):
        s.x = frame[b * width : (b + 1) * width]
        h_time, before = old[f"h.{b}"], {"time": old[f"m.{b}"], "frequency": m_frequency}
        new = {}
        for dimension, m in before.items():
            gates = {}
            for name in ("z", "i", "f", "o"):
                block = f"{name}_{dimension}"
                total = s.W(block) + s.U("recurrent", h_time, block, 0) + s.U("recurrent", h_frequency, block, 1)
                gates[name] = s.tap(f"{block}.{b}", np.tanh(total) if name == "z" else sigmoid(total))
                values[f"{block}.{b}"] = gates[name]
            memory = gates["f"] * m + gates["i"] * gates["z"]
            new[dimension] = gates["o"] * np.tanh(memory), memory
        values[f"h.{b}"], values[f"m.{b}"] = new["time"]
        h_frequency, m_frequency = new["frequency"]
        values[f"k.{b}"] = h_frequency
    values["h"] = np.concatenate([values[f"{part}.{b}"] for part in "hk" for b in range(bands)])
    values["m"] = np.concatenate([values[f"m.{b}"] for b in range(bands)])
    return values


CELLS: dict[str, Callable[..., Values]] = {
    "lstm": partial(greff, peepholes=False),
    "peephole": greff,
    "nig": partial(greff, without="i"),
    "nfg": partial(greff, without="f"),
    "nog": partial(greff, without="o"),
    "niaf": partial(greff, g=same),
    "noaf": partial(greff, h=same),
    "cifg": partial(greff, coupled=True),
    "fgr": partial(greff, feedback=True),
    "rnn": elman,
    "rnn-relu": partial(elman, activation=relu),
    "irnn": partial(elman, activation=relu),
    "gru": gru,
    "gru-cho": cho,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "ligru": ligru,
    "indrnn": indrnn,
    "mingru": mingru,
    "minlstm": minlstm,
    "depth-gated": depth_gated,
    "clockwork": clockwork,
    "grid": grid,
    "grid-tf": time_frequency,
}


# --- time, directions and layers ---------------------------------------------------------------------------------


class Zeros(dict[str, Any]):
    """What every value is before the first frame."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    def __missing__(self, name: str) -> Array:
        return np.zeros(self.hidden)


def run_direction(
    layer: Layer, direction: int, frames: Array, below: Array | None = None, tap: Tap = untouched
) -> list[Values]:
    """The values of every step over frames [frames, inputs], in the order in which the direction reads them."""
    step, steps = Step(layer, direction, tap), [Zeros(layer.cell.hidden)]
    for index, x in enumerate(frames):
        step.x = x if layer.front is None else step.weight("front") @ x
        step.index = index
        step.below = np.zeros(step.hidden) if below is None else below[index]
        steps.append(CELLS[layer.cell.name](step, steps[-1]))
    return steps[1:]


def run_layers(stack: Stack, recording: Array, tap: Tap = untouched) -> tuple[Array, list[list[list[Values]]]]:
    """Features [frames, inputs] of one recording → hidden states [frames, size], and of each layer and direction
    the values of every step in the order in which the direction reads them."""
    frames: Array = recording
    if stack.embed is not None:
        weight, bias = (p.detach().double().cpu().numpy() for p in (stack.embed.weight, stack.embed.bias))
        frames = np.array([weight @ x + bias for x in frames])
    belows: list[Array] | None = None
    every: list[list[list[Values]]] = []
    for i in range(stack.depth):
        layer = stack.layers[0 if stack.config.tied else i]
        assert isinstance(layer, Layer)
        orders = [slice(None, None, -1 if direction else 1) for direction in range(layer.directions)]
        every.append(
            [
                run_direction(layer, direction, frames[order], belows[direction][order] if belows else None, tap)
                for direction, order in enumerate(orders)
            ]
        )

        def sequences(name: str, orders: list[slice] = orders) -> list[Array]:
            return [
                np.array([step[name] for step in each])[order] for each, order in zip(every[-1], orders, strict=True)
            ]

        frames = np.concatenate(sequences(layer.cell.state[0]), 1)
        belows = sequences(layer.cell.hands_up) if layer.cell.hands_up else None
    return frames, every
