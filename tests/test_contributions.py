"""The parts of a gate add up to what it is the activation of, and each part is the product that its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.insight.contributions import REST, Sum, add_parts, contributions, parts_of
from speech_lstm.insight.diagram import before, sum_of
from speech_lstm.insight.inside import DIRECTIONS
from speech_lstm.recurrent.cell import CELLS
from support.insight_models import example

Function = Callable[[NDArray[Any]], NDArray[Any]]
NAMED: dict[str, Function] = {
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "itself": lambda x: x,
}
LSTM, GRU = {"i": "σ", "f": "σ", "o": "σ", "z": "tanh"}, {"r": "σ", "z": "σ", "n": "tanh"}
GRID = {f"{gate}_{along}": function for gate, function in LSTM.items() for along in ("time", "depth")}
SCAN = {f"{gate}_{along}": function for gate, function in LSTM.items() for along in ("time", "frequency")}
# What has parts in the upper of two layers, and its activation. What isn't here is no activation of a sum.
SUMS: dict[str, dict[str, str]] = {
    "rnn": {"h": "tanh"},
    "rnn-relu": {"h": "relu"},
    "irnn": {"h": "relu"},
    "lstm": LSTM,
    "peephole": LSTM,
    "nig": {name: LSTM[name] for name in "foz"},
    "nfg": {name: LSTM[name] for name in "ioz"},
    "nog": {name: LSTM[name] for name in "ifz"},
    "niaf": LSTM | {"z": "itself"},
    "noaf": LSTM,
    "cifg": {name: LSTM[name] for name in "ioz"},
    "fgr": LSTM,
    "gru": GRU,
    "gru-cho": GRU,
    "mut1": GRU,
    "mut2": GRU,
    "mut3": GRU,
    "ligru": {"z": "σ", "n": "relu"},
    "indrnn": {"h": "relu"},
    "mingru": {"z": "σ"},
    "minlstm": {},
    "depth-gated": LSTM | {"d": "σ"},
    "clockwork": {},
    "grid": GRID,
    "grid-tf": LSTM,
}


@pytest.mark.parametrize("name", SUMS)
def test_the_parts_add_up_to_the_gate(name: str) -> None:
    model, inside = example(name)
    for direction in DIRECTIONS:
        trace = inside.trace(2, direction)
        parts = contributions(model, inside, trace)
        assert set(parts) == set(SUMS[name])
        for gate, function in SUMS[name].items():
            np.testing.assert_allclose(NAMED[function](sum_of(parts[gate])), trace[gate], rtol=0, atol=1e-5)


def test_every_cell_is_in_the_table() -> None:
    assert set(SUMS) == {name for name, cell in CELLS.items() if cell.__module__.startswith("speech_lstm.")}


def test_the_bands_of_a_gate_are_its_units() -> None:
    model, inside = example("grid-tf")
    trace = inside.trace(1, "backward")
    parts = contributions(model, inside, trace)
    assert set(parts) == set(SCAN)
    for gate, function in SCAN.items():
        np.testing.assert_allclose(NAMED[function](sum_of(parts[gate])), trace[gate], rtol=0, atol=1e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("layer", [1, 2])
def test_each_part_of_a_peephole_lstm_is_its_product(layer: int, direction: str) -> None:
    """W·x, U·h⁻, b and p ⊙ c formed from the weights and what was recorded."""
    model, inside = example("peephole")
    trace, d = inside.trace(layer, direction), DIRECTIONS.index(direction)  # type: ignore[arg-type]
    parts, weights = contributions(model, inside, trace), model.network.stack.layer(layer - 1)
    x = inside.tracks[layer - 1].hidden[:, 0].numpy()
    for gate in "ifzo":
        rows = weights.cell.block(gate)
        matrix, recurrent = weights.input[d, rows].numpy(), weights.get_parameter("recurrent")[d, rows].numpy()
        bias = weights.bias[d, rows].numpy()  # type: ignore[index]
        np.testing.assert_allclose(parts[gate]["x"], x @ matrix.T, rtol=0, atol=1e-5)
        np.testing.assert_allclose(parts[gate]["recurrent"], before(trace, "h") @ recurrent.T, rtol=0, atol=1e-5)
        np.testing.assert_allclose(parts[gate]["bias"], np.broadcast_to(bias, x[:, :8].shape), rtol=0, atol=1e-6)
    for gate, peephole in zip("ifo", weights.get_parameter("peepholes")[d].chunk(3), strict=True):
        memory = trace["c"] if gate == "o" else before(trace, "c")
        np.testing.assert_allclose(parts[gate]["peepholes"], peephole.numpy() * memory, rtol=0, atol=1e-6)
    assert "peepholes" not in parts["z"]


def test_the_reset_gate_scales_the_part_that_it_acts_on() -> None:
    model, inside = example("gru")
    trace = inside.trace(1)
    parts, weights = contributions(model, inside, trace), model.network.stack.layer(0)
    product = before(trace, "h") @ weights.get_parameter("recurrent")[0, weights.cell.block("n")].numpy().T
    np.testing.assert_allclose(parts["n"]["recurrent"], trace["r"] * product, rtol=0, atol=1e-5)
    bias = weights.get_parameter("recurrent_bias")[0].numpy()
    np.testing.assert_allclose(parts["n"]["recurrent_bias"], trace["r"] * bias, rtol=0, atol=1e-6)


def test_a_value_that_is_no_sum_loses_its_parts() -> None:
    """A product of two sums, and an activation: neither is a sum of the parts."""
    first, second = (Sum.of({"x": torch.randn(1, 2, 4), "bias": torch.ones(1, 2, 4)}) for _ in range(2))
    assert parts_of(first * second) is None
    assert parts_of(first.tanh()) is None
    assert parts_of(first.tanh().chunk(2, -1)[0]) is None
    assert isinstance(first, Tensor)
    torch.testing.assert_close(torch.Tensor(first * second), torch.Tensor(first) * torch.Tensor(second))


def test_a_value_without_parts_is_the_rest() -> None:
    value, other = torch.randn(1, 2, 4), torch.randn(1, 2, 4)
    total = add_parts(Sum.of({"x": value}), other)
    assert set(parts_of(total) or {}) == {"x", REST}
    torch.testing.assert_close(sum((parts_of(total) or {}).values()), value + other)
    assert set(parts_of(add_parts(Sum.of({"x": value}), torch.zeros(()))) or {}) == {"x"}


def test_parts_follow_a_change_of_shape() -> None:
    first, second = Sum.of({"x": torch.randn(1, 2, 4)}), Sum.of({"x": torch.randn(1, 2, 4), "p": torch.ones(1, 2, 4)})
    both = torch.cat([first, second], -1)
    parts = parts_of(both) or {}
    assert set(parts) == {"x", "p"}
    torch.testing.assert_close(parts["x"] + parts["p"], torch.Tensor(both))
    pieces = both.split([2, 6], -1)
    torch.testing.assert_close(torch.cat([parts_of(piece)["x"] for piece in pieces], -1), parts["x"])  # type: ignore[index]
