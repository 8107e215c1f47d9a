"""Calibration of a model's probabilities on recordings outside the training set: one temperature for all logits
(temperature scaling; Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks"), and how often
`_unknown_` occurs, which training has drawn otherwise than the recordings have it.
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

from speech_lstm.config import UNKNOWN
from speech_lstm.model.checkpoint import Model

PRIOR = 3.0  # at most, added to the logit of _unknown_: twenty times as rare or as common
HIGHEST = 10.0  # and 1/10 the lowest: the answers of an untrained network would give an infinite temperature


def fit_temperature(logits: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """The T, from 0.1 to 10, at which the cross-entropy of softmax(logits / T) is least.

    `logits` are floats [n, labels], `truth` the numbers of the right labels [n]. As in Platt (1999), eq. 4, the
    targets are not quite 0 and 1: they include one more recording of unknown label. Without it, a few recordings that
    are all recognised would give infinite confidence.
    """

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits / math.exp(log_temperature), truth)

    edge = math.log(HIGHEST)
    return math.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-6}).x)


def cross_entropy(logits: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """Of logits [n, labels] and the right labels [n], with one more recording of unknown label."""
    unsure = 1 / (len(truth) + 1)
    logs = log_softmax(logits.astype(np.float64), axis=1)
    return float(-((1 - unsure) * logs[np.arange(len(truth)), truth] + unsure * logs.mean(axis=1)).mean())


def fit_prior(logits: NDArray[Any], truth: NDArray[np.int64], label: int) -> float:
    """What to add to a label's logits [n, labels] so that their cross-entropy with the right labels [n] is least.

    It moves the prior of the label alone. As in `fit_temperature` there is one more recording of unknown label, which
    keeps it finite; it is at most PRIOR.
    """
    one = np.eye(logits.shape[1])[label]

    def loss(bias: float) -> float:
        return cross_entropy(logits + bias * one, truth)

    return float(minimize_scalar(loss, bounds=(-PRIOR, PRIOR), method="bounded", options={"xatol": 1e-6}).x)


def calibrate(model: Model, logits: NDArray[Any], truth: NDArray[np.int64]) -> Model:
    """A copy of the model with its calibration, fitted to these logits of its own, folded into its last layer.

    First the temperature T, z / T = (W / T) h + b / T, then what is added to the logit of `_unknown_`, which changes
    some answers. The product of the temperatures, of this and of earlier calls, is in the training facts as
    "temperature", what was added in this one as "unknown_bias".
    """
    temperature, bias = fit_temperature(logits, truth), 0.0
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for weight in network.head.parameters():
            weight.div_(temperature)
        if UNKNOWN in model.labels:
            unknown = model.labels.index(UNKNOWN)
            bias = fit_prior(logits / temperature, truth, unknown)
            network.head.bias[unknown] += bias
    total = temperature * model.training.get("temperature", 1.0)
    return replace(model, network=network, training={**model.training, "temperature": total, "unknown_bias": bias})
