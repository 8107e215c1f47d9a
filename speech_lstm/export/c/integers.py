"""A model of one direction in integers: weights of 8 bits with a factor for each row, and tables for the functions.

Qn is a fixed-point number: an integer that counts 2⁻ⁿ. Sums are 32 bits wide, activations 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.mel import mel_bands
from speech_lstm.audio.mfcc import LOG_OFFSET, FrontEnd, fft_length
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import AttentionPooling, InputBatchNorm, LastPooling
from speech_lstm.recurrent.layer import Layer

FEATURE_Q, HIDDEN_Q, SUM_Q, MEMORY_Q = 11, 15, 12, 20  # features, hidden states, sums before a function, memory
FACTOR_Q = 31  # of the factor of a row, which turns its sum of products into Q12
LOG_Q, LOG_CENTRE = 10, 45  # of a band's binary logarithm, and what is subtracted from it
POWER_SHIFT, BAND_Q = 8, 13  # bits of a bin's power that are dropped, and the shares of a bin in a band
MOST_SUM = (1 << 31) - 1
CELLS = ("lstm", "peephole", "gru", "rnn")  # that templates/ has

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """A matrix in 8 bits: a row's product with integers, times its factor, is a sum in Q12."""

    weights: NDArray[np.int8]  # [rows, inputs]
    factors: NDArray[np.int32]  # [rows] Q31


@dataclass(frozen=True)
class IntegerLayer:
    """A recurrent layer. Its rows are the cell's blocks, one after another."""

    input: Rows
    recurrent: Rows
    bias: NDArray[np.int32]  # [rows] Q12
    extra: NDArray[np.int32]  # [blocks · units] Q12: peepholes, or the GRU's second bias; else empty

    @property
    def units(self) -> int:
        return self.recurrent.weights.shape[1]


@dataclass(frozen=True)
class IntegerFrontEnd:
    """From a window of int16 samples to features in Q11."""

    fft: int  # samples of a transform
    window: NDArray[np.int64]  # [window] Q15
    cosine: NDArray[np.int64]  # [fft / 2] Q30, and the sine
    sine: NDArray[np.int64]
    first: NDArray[np.int64]  # [bands] the first bin of each band, and how many follow
    count: NDArray[np.int64]
    shares: NDArray[np.int64]  # Q13, of all bands one after another
    offset: int  # added to a band's power before the logarithm
    matrix: NDArray[np.int64]  # [features, bands]: discrete cosine transform and normalisation
    shift: int  # of its sums
    bias: NDArray[np.int64]  # [features] Q11


@dataclass(frozen=True)
class IntegerModel:
    """Everything that the C computes with."""

    model: Model
    front_end: IntegerFrontEnd
    layers: tuple[IntegerLayer, ...]
    score: Rows | None  # of the attention; None: all frames count the same
    pooled: int  # frames that are pooled
    head: Rows
    head_bias: NDArray[np.int32]  # [labels] Q12

    @property
    def frames(self) -> int:
        """Frames of a window of a second."""
        features = self.model.features
        return 1 + (CLIP_SAMPLES - features.window) // features.hop

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights of 8 bits."""
        rows = [self.head, *(part for layer in self.layers for part in (layer.input, layer.recurrent))]
        return sum(part.weights.size for part in [*rows, *([self.score] if self.score else [])])


def integer_model(model: Model) -> IntegerModel:
    """The integers of a model; raises ConfigError for one that the C cannot compute, ModelError for weights that do
    not fit."""
    check(model)
    network = model.network
    layers = [integer_layer(network.stack.layer(i), HIDDEN_Q if i else FEATURE_Q) for i in range(network.stack.depth)]
    pooling = network.pooling
    score = rows_of(array(pooling.score.weight), HIDDEN_Q) if isinstance(pooling, AttentionPooling) else None
    last = isinstance(pooling, LastPooling)
    whole = FrontEnd(model.features).frames(CLIP_SAMPLES)
    head, bias = rows_of(array(network.head.weight), HIDDEN_Q), fixed(array(network.head.bias), SUM_Q)
    return IntegerModel(model, front_end(model), tuple(layers), score, 1 if last else whole, head, bias)


def check(model: Model) -> None:
    """Raise ConfigError unless the C can compute the model."""
    config = model.config
    if config.bidirectional:
        raise ConfigError(
            "the C listens frame by frame, and this network reads in both directions; export the bundled model "
            "small, or train one with --bidirectional false --carry 0.9"
        )
    if config.cell not in CELLS:
        raise ConfigError(f"the C has no cell {config.cell!r}; train one of {', '.join(CELLS)}")
    if not isinstance(model.network.normalise, InputBatchNorm):
        raise ConfigError("the C needs features of bounded size; train with --normalise batch")
    if config.pooling == "query":
        raise ConfigError("the C has no query pooling; train with --pooling attention")
    if config.tied:
        raise ConfigError("the C has no tied layers; train with --tied false")


def array(tensor: Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()


def fixed(values: Floats, bits: int, width: int = 29) -> NDArray[np.int32]:
    """Values in Qn; raises ModelError for one that takes more than `width` bits."""
    whole = np.round(values * 2.0**bits)
    if np.abs(whole).max(initial=0) >= 1 << (width - 1):
        raise too_large(float(np.abs(values).max()))
    return whole.astype(np.int32)


def too_large(value: float) -> ModelError:
    return ModelError(
        f"a weight of the model is {value:.3g}, which does not fit into 8 bits; train with more --weight-decay"
    )


def rows_of(matrix: Floats, input_q: int) -> Rows:
    """A matrix [rows, inputs], whose inputs are in Qn, in 8 bits. The largest weight of a row becomes 127, or less
    where the sum of its products could exceed 32 bits."""
    levels = np.maximum(np.abs(matrix).max(1) / 127, np.abs(matrix).sum(1) / (65_000 - matrix.shape[1] / 2))
    scale = np.where(levels > 0, levels, 1.0)
    weights = np.round(matrix / scale[:, None]).astype(np.int8)
    factors = scale * 2.0 ** (SUM_Q - input_q + FACTOR_Q)
    if factors.max() > MOST_SUM:
        raise too_large(float(np.abs(matrix).max()))
    return Rows(weights, np.round(factors).astype(np.int32))


def integer_layer(layer: Layer, input_q: int) -> IntegerLayer:
    """A layer in integers; its input is in Qn."""
    weight = {name: array(layer.get_parameter(name)[0]) for name in ("input", "recurrent", "bias")}
    extra = [array(layer.get_parameter(name)[0]) for name in layer.specs if name != "recurrent"]
    return IntegerLayer(
        rows_of(weight["input"], input_q),
        rows_of(weight["recurrent"], HIDDEN_Q),
        fixed(weight["bias"], SUM_Q),
        fixed(np.concatenate([np.zeros(0), *extra]), SUM_Q, 17),
    )


def front_end(model: Model) -> IntegerFrontEnd:
    """The front end and the normalisation in integers.

    A sample of 16 bits times its window is in Q30 of full scale. The transform halves at every stage, so a bin is in
    Q30 / fft, and a band's power in the square of that, with POWER_SHIFT bits less and BAND_Q more.
    """
    config, fft = model.features, fft_length(model.features)
    angle = 2 * np.pi * np.arange(fft // 2) / fft
    bands = mel_bands(config.low_hz, config.high_hz, config.mels, fft).T  # [bands, bins]
    shares = [np.round(band[band > 0] * 2**BAND_Q).astype(np.int64) for band in bands]
    scale = (2.0**30 / fft) ** 2 * 2.0 ** (BAND_Q - POWER_SHIFT)
    matrix, bias = transform(model)
    # log2(power · scale) is LOG_CENTRE + the integer; what is constant goes into the bias.
    bias = bias + matrix.sum(1) * (LOG_CENTRE - math.log2(scale))
    largest = float(np.abs(matrix).max())
    if not 2**-12 < largest < 2**12:
        raise too_large(largest)
    shift = 14 - math.ceil(math.log2(largest))
    return IntegerFrontEnd(
        fft,
        np.round(hann(config.window) * 2**15).astype(np.int64),
        np.round(np.cos(angle) * 2**30).astype(np.int64),
        np.round(np.sin(angle) * 2**30).astype(np.int64),
        np.array([int(np.flatnonzero(band)[0]) for band in bands]),
        np.array([len(share) for share in shares]),
        np.concatenate(shares),
        round(LOG_OFFSET * scale),
        np.round(matrix * 2.0**shift).astype(np.int64),
        shift + LOG_Q - FEATURE_Q,
        fixed(bias, FEATURE_Q).astype(np.int64),
    )


def transform(model: Model) -> tuple[Floats, Floats]:
    """From binary logarithms to normalised features: a matrix [features, bands] and a bias [features]."""
    dct, normalise = FrontEnd(model.features).dct, model.network.normalise
    matrix = math.log(2) * (np.eye(model.features.mels) if dct is None else array(dct).T)
    assert isinstance(normalise, InputBatchNorm)
    scale = array(normalise.weight) / np.sqrt(array(normalise.variance) + normalise.epsilon)
    return matrix * scale[:, None], array(normalise.bias) - array(normalise.mean) * scale


def hann(window: int) -> Floats:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)


# Tables of the functions, from one point to the next by straight lines.
SIGMOID = np.round(2**15 / (1 + np.exp(-np.arange(257) / 16))).astype(np.int64)  # Q15, of 0 to 16
EXP2 = np.round(2**15 * 2.0 ** (-np.arange(65) / 64)).astype(np.int64)  # Q15, 2⁻ˣ of 0 to 1
LOG2 = np.round(2**15 * np.log2(1 + np.arange(129) / 128)).astype(np.int64)  # Q15, log₂ of 1 to 2
LOG2_E = round(2**14 / math.log(2))  # Q14
