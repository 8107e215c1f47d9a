"""The space of a bank: a projection of vectors in which recordings of the same word are close to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_lstm.teaching.bank import Floats, Space

DIMENSIONS = 160
WITHIN = 1.0  # of the mean variance, added to that within words: directions that hardly vary there are not trusted


def fit_space(vectors: Floats, words: NDArray[np.intp], dimensions: int = DIMENSIONS) -> Space:
    """The projection that separates words best, for their scatter over speakers (Fisher's discriminant).

    Vectors float32 [n, size] are of these words [n]; a negative number stands for speech that is no one word, and
    counts for the scatter as a whole.
    """
    mean = vectors.mean(0, dtype=np.float64)
    centred = (vectors - mean).astype(np.float32)
    # The vectors of a word about their mean; the words of one recording have no scatter of their own.
    known = words >= 0
    counts = np.bincount(words[known])
    sums = np.zeros((len(counts), vectors.shape[1]), np.float32)
    np.add.at(sums, words[known], centred[known])
    own = centred[known] - (sums / np.maximum(counts, 1)[:, None])[words[known]]
    within = (own.T @ own / max(1, len(own) - np.count_nonzero(counts))).astype(np.float64)
    within += WITHIN * np.trace(within) / len(within) * np.eye(len(within))
    values, axes = np.linalg.eigh(within)
    whitening = axes / np.sqrt(values)
    whole = whitening.T @ (centred.T @ centred / len(centred)) @ whitening
    _, axes = np.linalg.eigh(whole)
    projection = whitening @ axes[:, ::-1][:, :dimensions]
    return Space(projection.astype(np.float32), (-mean @ projection).astype(np.float32))
