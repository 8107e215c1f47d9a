"""Models of random weights that are exported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import Network
from speech_lstm.recurrent.registry import find_cell
from support.cell_networks import randomise

NOISE = (np.random.default_rng(2).uniform(-0.3, 0.3, (8, 8_000)) * np.logspace(-3, 0, 8)[:, None]).astype(np.float32)


def model_of(name: str, **changes: Any) -> Model:
    """A model of random weights, whose features have mean 0 and variance 1 so that everything heard counts."""
    kind: Any = "log-mel" if find_cell(name).reads_bands else "mfcc"
    features = FeatureConfig(kind=kind, mels=16, coefficients=8, hop_ms=25.0)
    small = NetworkConfig(cell=name, layers=2, hidden=8, clocks=2, bands=2, heads=2, dropout=0.0)
    config = replace(small, **changes)
    torch.manual_seed(3)
    network = randomise(Network(features, config, 3)).eval().requires_grad_(False)
    if config.normalise == "batch":
        heard = FrontEnd(features)(torch.from_numpy(NOISE)).flatten(0, 1)
        network.normalise.mean.copy_(heard.mean(0))
        network.normalise.variance.copy_(heard.var(0))
    model = Model(network, features, config, ("yes", "no", "ünd"))
    if name == "noaf":  # without a bound on h large weights make chaos: torch itself is then 0.02 off in float32
        calm(model)
    return model


def calm(model: Model) -> Model:
    """Make the weights of the layers smaller: what is rounded in one frame then fades in the next."""
    for layer in model.network.stack.layers:
        for name in layer.specs:
            layer.get_parameter(name).data.mul_(0.3)
    return model
