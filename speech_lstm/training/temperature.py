"""Probabilities that mean what they say: one temperature for all logits, fitted on recordings that the training has
not learnt from (temperature scaling; Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks").
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from speech_lstm.model.checkpoint import Model

HIGHEST = 10.0  # and 1/10 the lowest: a network that knows nothing would get an infinite temperature


def fit_temperature(logits: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """The T at which softmax(logits / T) costs the least cross-entropy, from 0.1 to 10.

    `logits` are floats [n, labels], `truth` the numbers of the right labels [n]. As in Platt (1999), eq. 4, the
    targets are not quite 0 and 1: beside the n recordings stands one more, whose label nobody knows. A few
    recordings that are all heard rightly would else ask for infinite confidence.
    """
    rows, unsure = np.arange(len(truth)), 1 / (len(truth) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits.astype(np.float64) / math.exp(log_temperature), axis=1)
        return float(-((1 - unsure) * logs[rows, truth] + unsure * logs.mean(axis=1)).mean())

    edge = math.log(HIGHEST)
    return math.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6}).x)


def calibrated(model: Model, logits: NDArray[Any], truth: NDArray[np.int64]) -> Model:
    """The model with the temperature fitted to these answers of it folded into its last layer.

    Its answers stay the same, only their probabilities change: z / T = (W / T) h + b / T. The whole temperature,
    of this and of earlier calls, stands in the training facts as "temperature". `model` itself is left as it is.
    """
    temperature = fit_temperature(logits, truth)
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for weight in network.head.parameters():
            weight.div_(temperature)
    whole = temperature * model.training.get("temperature", 1.0)
    return replace(model, network=network, training={**model.training, "temperature": whole})
