"""Small networks of random weights, one for each cell, that tests look into."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.insight.inside import Inside, look_inside
from speech_lstm.insight.summary import Summary, summarise
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import Network
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recurrent.registry import find_cell
from support.cell_networks import randomise

LABELS = ("yes", "no", "<b>&")  # a label may be any text
CLIP = np.random.default_rng(1).uniform(-0.3, 0.3, 6_000).astype(np.float32)


def random_model(name: str, **changes: Any) -> TorchModel:
    """A model of two layers of a cell in both directions, or what `changes` say."""
    kind: Any = "log-mel" if find_cell(name).reads_bands else "mfcc"
    features = FeatureConfig(kind=kind, mels=16, coefficients=8, hop_ms=25.0)
    config = NetworkConfig(cell=name, layers=2, hidden=8, clocks=2, bands=2, heads=2, dropout=0.0)
    torch.manual_seed(3)
    config = replace(config, **changes)
    network = randomise(Network(features, config, len(LABELS)))
    for layer in network.stack.layers:
        layer.get_parameter("input").data.mul_(0.05)  # keeps the gates from being shut or open throughout
    return TorchModel(Model(network.eval().requires_grad_(False), features, config, LABELS))


@cache
def example(name: str) -> tuple[TorchModel, Inside]:
    """A model of a cell, and its values for a third of a second of noise."""
    model = random_model(name)
    return model, look_inside(model, CLIP)


@cache
def summary_of(name: str, layer: int = 1, direction: str = "forward") -> Summary:
    model, inside = example(name)
    return summarise(model, inside, inside.trace(layer, direction))
