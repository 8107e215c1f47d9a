"""Calibration of a model's probabilities: one temperature for all logits, fitted on recordings outside the training
set (temperature scaling; Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks").
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

HIGHEST = 10.0  # and 1/10 the lowest: the answers of an untrained network would give an infinite temperature


def fit_temperature(logits: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """The T, from 0.1 to 10, at which the cross-entropy of softmax(logits / T) is least.

    `logits` are floats [n, labels], `truth` the numbers of the right labels [n]. As in Platt (1999), eq. 4, the
    targets are not quite 0 and 1: they include one more recording of unknown label. Without it, a few recordings that
    are all recognised would give infinite confidence.
    """
    rows, unsure = np.arange(len(truth)), 1 / (len(truth) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits.astype(np.float64) / math.exp(log_temperature), axis=1)
        return float(-((1 - unsure) * logs[rows, truth] + unsure * logs.mean(axis=1)).mean())

    edge = math.log(HIGHEST)
    return math.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6}).x)


def calibrate(model: Model, logits: NDArray[Any], truth: NDArray[np.int64]) -> Model:
    """A copy of the model with the temperature, fitted to these logits of its own, folded into its last layer.

    Its answers stay the same, only their probabilities change: z / T = (W / T) h + b / T. The product of the
    temperatures, of this and of earlier calls, is in the training facts as "temperature".
    """
    temperature = fit_temperature(logits, truth)
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for weight in network.head.parameters():
            weight.div_(temperature)
    total = temperature * model.training.get("temperature", 1.0)
    return replace(model, network=network, training={**model.training, "temperature": total})
