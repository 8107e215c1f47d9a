"""How the weights are changed: which of them decay, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from speech_lstm.config import TrainingConfig


def parameter_groups(network: torch.nn.Module, settings: TrainingConfig) -> list[dict[str, Any]]:
    """Matrices decay; biases, peepholes and the scales of a normalisation do not."""
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for name, weight in network.named_parameters():
        axes = weight.ndim - ("stack.layers." in name)  # the first of a layer's weights is the direction
        (matrices if axes > 1 else vectors).append(weight)
    return [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def learning_rate(step: int, steps: int, settings: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine down to zero (Loshchilov & Hutter 2017, eq. 5 with one period)."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
