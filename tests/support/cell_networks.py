"""Stacks of cells with random weights, and ways to run them that tests compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.recurrent.cell import Tap
from speech_lstm.recurrent.stack import Stack
from support import naive_cells

Module = TypeVar("Module", bound=torch.nn.Module)
EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-10}
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]
INPUTS = 6
SMALL = NetworkConfig(layers=2, hidden=4, clocks=2, bands=2, dropout=0.0)


def settings_of(name: str, **changes: Any) -> NetworkConfig:
    return replace(SMALL, cell=name, **changes)


@torch.no_grad()
def randomise(module: Module) -> Module:
    """None of the weights, biases and kept averages is what it started as."""
    for parameter in module.parameters():
        parameter.uniform_(-0.8, 0.8)
    for average in module.buffers():
        average.uniform_(0.5, 1.5)
    return module


def build(config: NetworkConfig, inputs: int = INPUTS, seed: int = 0) -> Stack:
    """A stack in float64 and for recognition, of random weights."""
    torch.manual_seed(seed)
    return randomise(Stack(inputs, config).double().eval())


def frames(batch: int = 2, length: int = 7, size: int = INPUTS, seed: int = 1) -> Tensor:
    return torch.randn(batch, length, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def look(name: str, value: Tensor) -> Tensor:
    """A tap that changes nothing: its presence takes the layer through the engine's own loop."""
    return value


def by_engine(stack: Stack) -> Sequence[Tap]:
    return [look] * stack.depth


def naively(stack: Stack, features: Tensor) -> Tensor:
    """Hidden states of the naive implementation, each recording on its own."""
    return torch.tensor(np.array([naive_cells.run_layers(stack, recording.numpy())[0] for recording in features]))


def gradients(stack: Stack, **how: Any) -> dict[str, Tensor]:
    """Of every weight and of the input, for a loss that depends on all hidden states and the last states."""
    features = frames().to(next(stack.parameters())).requires_grad_()
    hidden, carry = stack(features, **how)
    push = torch.linspace(-1, 1, hidden.numel(), dtype=hidden.dtype, device=hidden.device).view_as(hidden)
    loss = (hidden * push).sum() + sum((part * part).sum() for state in carry.states for part in state)
    names = [name for name, _ in stack.named_parameters()]
    found = torch.autograd.grad(loss, [features, *stack.parameters()])
    return dict(zip(["the input", *names], found, strict=True))
