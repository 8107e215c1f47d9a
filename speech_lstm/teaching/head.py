"""The head of taught words: a soft-max regression from points to labels, fitted with NumPy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PENALTY = 2e-3  # of the squared weights
STEPS = 60


class PointHead(NamedTuple):
    """Logits [labels] = point [dimensions] · weights + biases."""

    weights: Floats  # [dimensions, labels]
    biases: Floats  # [labels]

    def logits(self, points: Floats) -> Floats:
        """Points float32 [n, dimensions] → float32 [n, labels]."""
        return points @ self.weights + self.biases


def fit(points: Floats, labels: NDArray[np.intp], shares: Floats, count: int) -> PointHead:
    """The head of `count` labels that makes the given ones likeliest, with small weights.

    `points` float32 [n, dimensions] have these `labels` [n], and count by `shares` [n], which add up to 1. The
    gradient is divided by a bound of the curvature that all labels share (Böhning 1992), and accelerated (Nesterov).
    """
    inputs = np.column_stack([points, np.ones(len(points), np.float32)])
    penalty = np.full(inputs.shape[1], PENALTY)
    penalty[-1] = 1e-6  # of the biases
    bound = 0.5 * (inputs.T @ (inputs * shares[:, None])) + np.diag(penalty)
    inverse = np.linalg.inv(bound).astype(np.float32)
    truth = np.zeros((len(points), count), np.float32)
    truth[np.arange(len(points)), labels] = shares
    weights = ahead = np.zeros((inputs.shape[1], count), np.float32)
    for step in range(STEPS):
        error = softmax(inputs @ ahead) * shares[:, None] - truth
        gradient = inputs.T @ error + penalty[:, None].astype(np.float32) * ahead
        after = ahead - inverse @ gradient
        ahead = after + np.float32(step / (step + 3)) * (after - weights)
        weights = after
    return PointHead(weights[:-1], weights[-1])


def softmax(logits: Floats) -> Floats:
    """Logits float32 [n, labels] → probabilities."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True))


def margins(logits: Floats) -> Floats:
    """The logarithm of the odds of each label against all others: float32 [n, labels]."""
    probabilities = softmax(logits)
    return np.log(probabilities + 1e-12) - np.log(1 - probabilities + 1e-12)
