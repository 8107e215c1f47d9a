"""Every cell against others' implementations: naive ones in NumPy, torch.nn, ONNX Runtime, finite differences."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.cell import CELLS
from speech_lstm.recurrent.engine import Recurrent
from speech_lstm.recurrent.layer import Layer
from speech_lstm.recurrent.stack import Stack
from speech_lstm.training.hardware import choose_device
from support import naive_cells
from support.cell_networks import (
    DEVICES,
    EXACT,
    INPUTS,
    build,
    by_engine,
    frames,
    gradients,
    naively,
    settings_of,
)

VARIANTS: list[dict[str, Any]] = [
    {"layers": 3, "bidirectional": False},
    {"tied": True, "layers": 3},
    {"sizes": "8,4"},
]
IMPOSSIBLE = {("depth-gated", "sizes"), ("grid", "sizes"), ("grid-tf", "tied", "layers")}


# --- every cell, naively -----------------------------------------------------------------------------------------


def test_every_cell_has_a_naive_implementation() -> None:
    assert set(naive_cells.CELLS) == set(CELLS)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_a_cell_is_the_naive_one(name: str, device: str) -> None:
    """Two layers in both directions: by the fastest way, through the engine's loop, and with lengths."""
    stack = build(settings_of(name))
    want = naively(stack, frames()).to(device)
    stack, features = stack.to(device), frames().to(device)
    for how in ({}, {"taps": by_engine(stack)}, {"lengths": torch.tensor([7, 7], device=device)}):
        torch.testing.assert_close(stack(features, **how)[0], want, **EXACT)


@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_other_stacks_are_the_naive_ones(name: str) -> None:
    for changes in VARIANTS:
        if (name, *changes) in IMPOSSIBLE:
            with pytest.raises(ConfigError):
                build(settings_of(name, **changes))
            continue
        stack = build(settings_of(name, **changes))
        for taps in (None, by_engine(stack)):
            torch.testing.assert_close(stack(frames(), taps=taps)[0], naively(stack, frames()), **EXACT)


@pytest.mark.parametrize("changes", [{}, {"tied": True}])
def test_a_grid_with_time_first_is_the_naive_one(changes: dict[str, Any]) -> None:
    stack = build(settings_of("grid", time_first=True, layers=3, **changes))
    for taps in (None, by_engine(stack)):
        torch.testing.assert_close(stack(frames(), taps=taps)[0], naively(stack, frames()), **EXACT)


@pytest.mark.parametrize("name", ["clockwork", "grid-tf"])
@pytest.mark.parametrize("parts", [1, 3, 4])
def test_other_numbers_of_clocks_and_bands(name: str, parts: int) -> None:
    stack, features = build(settings_of(name, hidden=24, clocks=parts, bands=parts), 12), frames(size=12, length=9)
    for taps in (None, by_engine(stack)):
        torch.testing.assert_close(stack(features, taps=taps)[0], naively(stack, features), **EXACT)


# --- torch.nn ----------------------------------------------------------------------------------------------------

TORCH: dict[str, Any] = {
    "rnn": torch.nn.RNN,
    "rnn-relu": lambda *sizes, **more: torch.nn.RNN(*sizes, nonlinearity="relu", **more),
    "irnn": lambda *sizes, **more: torch.nn.RNN(*sizes, nonlinearity="relu", **more),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}


def pairs_with(stack: Stack, other: torch.nn.Module) -> Iterator[tuple[Tensor, int, Tensor, slice]]:
    """Each weight of the stack, a direction of it, and the rows of torch's weight that are the same."""
    every = slice(None)
    for number, layer in enumerate(stack.layers):
        for direction, suffix in enumerate(("", "_reverse")):
            ih, hh, bias_ih, bias_hh = (
                getattr(other, f"{kind}_l{number}{suffix}")
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            yield from ((layer.input, direction, ih, every), (layer.recurrent, direction, hh, every))
            yield layer.bias, direction, bias_ih, every
            if hasattr(layer, "recurrent_bias"):
                yield layer.recurrent_bias, direction, bias_hh, slice(-layer.cell.hidden, None)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
@pytest.mark.parametrize("name", TORCH)
def test_parity_with_torch(name: str, engine: bool, device: str) -> None:
    """Outputs, last states and every gradient; the other bias of torch is 0."""
    stack = build(settings_of(name)).to(device)
    other = TORCH[name](INPUTS, 4, 2, batch_first=True, bidirectional=True).double().to(device)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
        for ours, direction, theirs, rows in pairs_with(stack, other):
            theirs[rows] = ours[direction]
    (x, y), push = (frames().to(device).requires_grad_() for _ in range(2)), frames(size=8).to(device)
    hidden, carry = stack(x, taps=by_engine(stack) if engine else None)
    want, last = other(y)
    torch.testing.assert_close(hidden, want, **EXACT)
    lasts = last if isinstance(last, tuple) else (last,)
    for i, state in enumerate(lasts):
        torch.testing.assert_close(torch.cat([states[i] for states in carry.states]), state, **EXACT)
    ((hidden * push).sum() + sum(part.square().sum() for states in carry.states for part in states)).backward()
    ((want * push).sum() + sum(state.square().sum() for state in lasts)).backward()
    torch.testing.assert_close(x.grad, y.grad, **EXACT)
    for ours, direction, theirs, rows in pairs_with(stack, other):
        torch.testing.assert_close(ours.grad[direction], theirs.grad[rows], **EXACT)


# --- ONNX Runtime ------------------------------------------------------------------------------------------------


def onnx_lstm(layer: Layer, features: Tensor, lengths: Tensor) -> Tensor:
    """What the LSTM operator of ONNX makes of a peephole or coupled layer's weights; both directions."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    hidden, names = layer.cell.hidden, layer.cell.inputs
    coupled = "f" not in names

    def blocks(weight: Tensor, names: Sequence[str], order: str) -> np.ndarray:
        """The blocks [directions, blocks · hidden, …] in another order; a coupled f is never read."""
        parts = dict(zip(names, weight.detach().chunk(len(names), 1), strict=True))
        return torch.cat([parts.get(name, torch.full_like(parts["i"], 9.9)) for name in order], 1).numpy()

    bias = blocks(layer.bias, names, "iofz")
    feeds = {
        "X": features.transpose(0, 1).numpy(),
        "W": blocks(layer.input, names, "iofz"),
        "R": blocks(layer.recurrent, names, "iofz"),
        "B": np.concatenate([bias, np.zeros_like(bias)], 1),
        "lengths": lengths.int().numpy(),
        "P": blocks(layer.peepholes, [name for name in names if name != "z"], "iof"),
    }
    node = helper.make_node(
        "LSTM",
        ["X", "W", "R", "B", "lengths", "", "", "P"],
        ["Y"],
        hidden_size=hidden,
        direction="bidirectional",
        input_forget=int(coupled),
    )
    infos = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT32 if name == "lengths" else kind, array.shape)
        for name, array in feeds.items()
    ]
    graph = helper.make_graph([node], "lstm", infos, [helper.make_tensor_value_info("Y", kind, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, feeds)  # [frames, directions, batch, hidden]
    return torch.from_numpy(answer).permute(2, 0, 1, 3).flatten(2)


@pytest.mark.parametrize("name", ["peephole", "cifg"])
def test_parity_with_onnx_runtime(name: str) -> None:
    stack, features = build(settings_of(name, layers=1, hidden=8)).float(), frames(3, 20).float()
    for lengths in (torch.tensor([20, 20, 20]), torch.tensor([5, 20, 1])):
        want = onnx_lstm(stack.layers[0], features, lengths)
        with torch.no_grad():
            torch.testing.assert_close(stack(features, lengths)[0], want, rtol=0, atol=1e-5)
    whole = torch.tensor([20, 20, 20])
    for learning in (False, True):  # the way of training is another
        with torch.set_grad_enabled(learning):
            hidden = stack(features)[0].detach()
        torch.testing.assert_close(hidden, onnx_lstm(stack.layers[0], features, whole), rtol=0, atol=1e-5)


# --- gradients ---------------------------------------------------------------------------------------------------


class Plain(Recurrent):
    """The product x + U·h left to autograd, step by step."""

    def __init__(self, matrix: Tensor, dtype: torch.dtype | None = None) -> None:
        self.transposed = matrix.transpose(1, 2)

    def __call__(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.baddbmm(x, h, self.transposed)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_gradients_are_the_same_by_every_way(name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the fastest way, by the engine that puts the recurrent gradient off, and by autograd alone."""
    stack = build(settings_of(name)).to(device)
    fastest, engine = gradients(stack), gradients(stack, taps=by_engine(stack))
    monkeypatch.setattr("speech_lstm.recurrent.layer.Recurrent", Plain)
    for weight, want in gradients(stack, taps=by_engine(stack)).items():
        torch.testing.assert_close(engine[weight], want, **EXACT, msg=lambda text, at=weight: f"{at}: {text}")
        torch.testing.assert_close(fastest[weight], want, **EXACT, msg=lambda text, at=weight: f"{at}: {text}")


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_gradients_are_those_of_finite_differences(name: str, engine: bool) -> None:
    stack = build(settings_of(name, hidden=4 if name == "grid-tf" else 2), inputs=2)
    names = [name for name, _ in stack.named_parameters()]
    taps = by_engine(stack) if engine else None

    def outputs(features: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        arguments = (features,), {"taps": taps}
        hidden, carry = torch.func.functional_call(stack, dict(zip(names, weights, strict=True)), *arguments)
        return hidden, *carry.states[-1]

    inputs = (frames(2, 3, 2).requires_grad_(), *stack.parameters())
    assert torch.autograd.gradcheck(outputs, inputs, fast_mode=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", naive_cells.CELLS)
def test_single_precision_agrees_with_double(name: str, device: str) -> None:
    """Hidden states and gradients by the fastest way, whose tanh and library are others in float32."""
    chosen, close = choose_device(device), 1e-5 if device == "cpu" else 4e-5  # cuDNN's tanh is coarser
    double = build(settings_of(name, hidden=8)).to(chosen)
    single = copy.deepcopy(double).float()
    features = frames().to(chosen)
    pairs = {"hidden states": (single(features.float())[0], double(features)[0])}
    exact = gradients(double, taps=by_engine(double))
    pairs |= {name: (gradient, exact[name]) for name, gradient in gradients(single).items()}
    for what, (ours, want) in pairs.items():
        assert (ours - want).abs().max() < close * (1 + want.abs().max()), what


def test_a_pass_leaves_nothing_for_the_garbage_collector() -> None:
    """A remaining object would hold its tensors, and on a GPU tie the weights to the stream that it ran on."""
    stack = build(settings_of("mut3"))
    gc.collect()
    gc.disable()
    try:
        stack(frames(), taps=by_engine(stack))[0].sum().backward()
        assert not [item for item in gc.get_objects() if type(item) is Recurrent]
    finally:
        gc.enable()


def test_the_deferred_gradient_is_that_of_each_backward() -> None:
    """What an earlier backward through the same graph skipped or stored has no part in the next."""
    stack = build(settings_of("mut3"))
    features, matrix = frames().requires_grad_(), stack.layers[0].reset

    def loss() -> Tensor:
        return stack(features, taps=by_engine(stack))[0].square().sum()

    (want,) = torch.autograd.grad(loss(), matrix)
    again = loss()
    torch.autograd.grad(again, features, retain_graph=True)
    for _ in range(2):
        assert torch.equal(torch.autograd.grad(again, matrix, retain_graph=True)[0], want)


def test_a_matrix_that_is_not_used_has_no_gradient() -> None:
    matrix = torch.randn(1, 2, 2, dtype=torch.float64, requires_grad=True)
    x, h = (torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    product = Recurrent(matrix)
    product(x, h)
    x.sum().backward()
    assert matrix.grad is None
    assert torch.autograd.gradcheck(lambda x, h, m: Recurrent(m)(x, h), (x, h, matrix))


@pytest.mark.parametrize("name", ["rnn", "lstm", "mut1"])
def test_the_deferred_gradient_needs_no_path_through_the_first_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = build(settings_of(name, layers=1))

    def gradients_after_the_cut() -> tuple[Tensor, ...]:
        names: list[str] = []

        def cut(name: str, value: Tensor) -> Tensor:
            names.append(name)
            return value.detach() if names.count(name) == 1 else value

        return torch.autograd.grad(stack(frames(), taps=[cut])[0].square().sum(), list(stack.parameters()))

    deferred = gradients_after_the_cut()
    monkeypatch.setattr("speech_lstm.recurrent.layer.Recurrent", Plain)
    torch.testing.assert_close(deferred, gradients_after_the_cut(), **EXACT)
