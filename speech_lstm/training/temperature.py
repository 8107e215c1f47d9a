"""Calibration of a model's probabilities on recordings outside the training set: one temperature for all logits
(temperature scaling; Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks"), and a bias for
`_unknown_`, which training draws more often than it is heard.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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


def cross_entropy(
    logits: NDArray[Any], truth: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> float:
    """Of logits [n, labels] and the right labels [n], with one more recording of unknown label.

    `weights` float64 [n] say how much each recording counts; None: all the same.
    """
    unsure = 1 / (len(truth) + 1)
    logs = log_softmax(logits.astype(np.float64), axis=1)
    losses = (1 - unsure) * logs[np.arange(len(truth)), truth] + unsure * logs.mean(axis=1)
    return float(-np.average(losses, weights=weights))


def fit_prior(logits: NDArray[Any], truth: NDArray[np.int64], label: int) -> float:
    """What to add to a label's logits [n, labels] so that their cross-entropy with the right labels [n] is least.

    It moves the prior of the label alone. The label counts as much as all others together: a test set has few
    recordings of `_unknown_`, and whoever listens hears more other words than commands. As in `fit_temperature` there
    is one more recording of unknown label, which keeps it finite; it is at most PRIOR.
    """
    one, own = np.eye(logits.shape[1])[label], truth == label
    count = int(own.sum())
    weights = np.where(own, (len(truth) - count) / count, 1.0) if 0 < count < len(truth) else None

    def loss(bias: float) -> float:
        return cross_entropy(logits + bias * one, truth, weights)

    return float(minimize_scalar(loss, bounds=(-PRIOR, PRIOR), method="bounded", options={"xatol": 1e-6}).x)


@dataclass(frozen=True)
class Calibration:
    """What makes the probabilities of a model believable; `fit_calibration` chooses it."""

    temperature: float
    unknown: int | None  # the number of the label _unknown_, if there is one
    unknown_bias: float  # added to its logit after the temperature

    def apply(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Logits [n, labels] of the model → of the calibrated model."""
        calibrated = logits.astype(np.float64) / self.temperature
        if self.unknown is not None:
            calibrated[:, self.unknown] += self.unknown_bias
        return calibrated

    def fold(self, model: Model) -> Model:
        """A copy of the model with this in its last layer: z / T = (W / T) h + b / T, and a bias.

        The product of the temperatures, of this and of earlier calls, is in the training facts as "temperature", what
        was added in this one as "unknown_bias".
        """
        network = copy.deepcopy(model.network)
        with torch.no_grad():
            for weight in network.head.parameters():
                weight.div_(self.temperature)
            if self.unknown is not None:
                network.head.bias[self.unknown] += self.unknown_bias
        total = self.temperature * model.training.get("temperature", 1.0)
        facts = {**model.training, "temperature": total, "unknown_bias": self.unknown_bias}
        return replace(model, network=network, training=facts)


def fit_calibration(labels: Sequence[str], logits: NDArray[Any], truth: NDArray[np.int64]) -> Calibration:
    """The calibration for these logits [n, labels] of recordings with the right labels [n]: first the temperature,
    which changes no answer, then the prior of `_unknown_`, which changes some."""
    temperature = fit_temperature(logits, truth)
    if UNKNOWN not in labels:
        return Calibration(temperature, None, 0.0)
    unknown = labels.index(UNKNOWN)
    return Calibration(temperature, unknown, fit_prior(logits / temperature, truth, unknown))
