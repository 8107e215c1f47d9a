"""What the C computes, in NumPy, bit for bit: the export compares a model with it, and the tests compare the C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, DetectionConfig
from speech_lstm.export.c.integers import (
    EXP2,
    FACTOR_Q,
    LOG2,
    LOG2_E,
    LOG_CENTRE,
    LOG_Q,
    MOST_SUM,
    POWER_SHIFT,
    SIGMOID,
    IntegerFrontEnd,
    IntegerLayer,
    IntegerModel,
    Integers,
    Rows,
)
from speech_lstm.recognition.posteriors import Stream
from speech_lstm.recognition.trigger import HOP_SECONDS

ONE = 1 << 15  # 1 in Q15
MOST_PART = 1 << 28  # of a scaled sum

State = list[tuple[Integers, Integers]]  # h [batch, units] Q15 and c [batch, units] Q20, of each layer


def sigmoid(x: Integers) -> Integers:
    """Q12 → Q15."""
    size = np.minimum(np.abs(x), (16 << 12) - 1)
    place, part = size >> 8, size & 255
    value = SIGMOID[place] + ((SIGMOID[place + 1] - SIGMOID[place]) * part >> 8)
    return np.where(x < 0, ONE - value, value)


def tanh(x: Integers) -> Integers:
    """Q12 → Q15: 2 σ(2 x) − 1."""
    return 2 * sigmoid(2 * np.clip(x, -ONE, ONE)) - ONE


def exponential(distance: Integers) -> Integers:
    """e⁻ˣ of Q12 of at least 0 → Q15."""
    turns = np.minimum(distance, 16 << 12) * LOG2_E >> 14
    place, part = (turns & 4095) >> 6, turns & 63
    return (EXP2[place] - ((EXP2[place] - EXP2[place + 1]) * part >> 6)) >> (turns >> 12)


def softmax(values: Integers, axis: int) -> Integers:
    """Q12 → Q15."""
    powers = exponential(values.max(axis, keepdims=True) - values)
    total = powers.sum(axis, keepdims=True)
    return (powers * ONE + total // 2) // total


def exponent_of(power: NDArray[np.uint64]) -> Integers:
    """The place of the highest bit of whole numbers above 0, from 0."""
    exponent = np.zeros(power.shape, np.int64)
    for bits in (32, 16, 8, 4, 2, 1):
        large = power >> np.uint64(bits) > 0
        exponent += np.where(large, bits, 0)
        power = np.where(large, power >> np.uint64(bits), power)
    return exponent


def log2_of(power: NDArray[np.uint64]) -> Integers:
    """The binary logarithm of whole numbers above 0 in Q10, less LOG_CENTRE."""
    exponent = exponent_of(power)
    top = power << (63 - exponent).astype(np.uint64)
    place = (top >> np.uint64(56)).astype(np.int64) & 127
    part = (top >> np.uint64(40)).astype(np.int64) & 0xFFFF
    value = LOG2[place] + ((LOG2[place + 1] - LOG2[place]) * part >> 16)
    return ((exponent - LOG_CENTRE) << LOG_Q) + (value >> (15 - LOG_Q))


def spectrum(front: IntegerFrontEnd, frames: Integers) -> NDArray[np.uint64]:
    """The power of the bins of frames int16 [n, window]: [n, fft / 2 + 1].

    Even and odd samples are the real and imaginary parts of a transform of half the length.
    """
    half = front.fft // 2
    padded = np.zeros((len(frames), front.fft), np.int64)
    padded[:, : frames.shape[1]] = frames * front.window
    bits = half.bit_length() - 1
    order = np.array([int(f"{i:0{bits}b}"[::-1], 2) for i in range(half)])
    real, imaginary = padded[:, 0::2][:, order], padded[:, 1::2][:, order]
    size = 1
    while size < half:
        real, imaginary = (part.reshape(len(frames), -1, 2, size) for part in (real, imaginary))
        turn = np.arange(size) * (half // size)
        cosine, sine = front.cosine[turn], front.sine[turn]
        a, b, c, d = real[:, :, 0] << 30, imaginary[:, :, 0] << 30, real[:, :, 1], imaginary[:, :, 1]
        e, f = c * cosine + d * sine, d * cosine - c * sine
        real = np.stack([a + e >> 31, a - e >> 31], 2).reshape(len(frames), -1)
        imaginary = np.stack([b + f >> 31, b - f >> 31], 2).reshape(len(frames), -1)
        size *= 2
    k = np.arange(half + 1)
    a, b = real[:, k % half], imaginary[:, k % half]
    c, d = real[:, -k % half], imaginary[:, -k % half]
    # X = (Z + Z*) / 2 − j W (Z − Z*) / 2, halved once more
    cosine, sine = (np.append(part, end) for part, end in ((front.cosine, -(1 << 30)), (front.sine, 0)))
    p, q = b + d, c - a
    whole = ((a + c) << 30) + p * cosine + q * sine
    other = ((b - d) << 30) + q * cosine - p * sine
    whole, other = whole >> 32, other >> 32
    return (whole * whole + other * other).astype(np.uint64)


def features(front: IntegerFrontEnd, frames: Integers) -> Integers:
    """The features of frames int16 [n, window]: [n, size] Q11."""
    power = spectrum(front, frames) >> np.uint64(POWER_SHIFT)
    ends = np.cumsum(front.count)
    bands = np.stack(
        [
            (power[:, first : first + count] * front.shares[end - count : end].astype(np.uint64)).sum(1)
            for first, count, end in zip(front.first, front.count, ends, strict=True)
        ],
        1,
    )
    logs = log2_of(bands + np.uint64(front.offset))
    sums = logs @ front.matrix.T
    return np.clip((sums + (1 << (front.shift - 1)) >> front.shift) + front.bias, -ONE, ONE - 1)


def product(rows: Rows, x: Integers) -> Integers:
    """x [batch, inputs] → [batch, rows] Q12. The products are exact in float64, which is faster."""
    sums = (x.astype(np.float64) @ rows.weights.T.astype(np.float64)).astype(np.int64)
    scaled = (sums * rows.factors.astype(np.int64) + (1 << (FACTOR_Q - 1))) >> FACTOR_Q
    return np.clip(scaled, -MOST_PART, MOST_PART)


def remember(old: Integers, forget: Integers, new: Integers, enter: Integers) -> Integers:
    """The new memory in Q20, of the old one, two gates in Q15 and the candidate in Q15."""
    return np.clip(
        (forget * old + (1 << 14) >> 15) + (enter * new + (1 << 9) >> 10),
        -MOST_SUM,
        MOST_SUM,
    )


def hidden_of(value: Integers) -> Integers:
    """Q30 → a hidden state in Q15."""
    return np.clip(value + (1 << 14) >> 15, 1 - ONE, ONE - 1)


def step(cell: str, layer: IntegerLayer, x: Integers, h: Integers, c: Integers) -> tuple[Integers, Integers]:
    """A layer's state after one frame of input x [batch, inputs]."""
    from_input = product(layer.input, x) + layer.bias
    from_state = product(layer.recurrent, h)
    units = layer.units
    if cell == "rnn":
        return hidden_of(tanh(from_input + from_state) << 15), c
    if cell == "gru":
        r, z = (sigmoid((from_input + from_state)[:, i * units : (i + 1) * units]) for i in (0, 1))
        inner = r * (from_state[:, 2 * units :] + layer.extra) + (1 << 14) >> 15
        n = tanh(from_input[:, 2 * units :] + inner)
        return hidden_of(z * h + (ONE - z) * n), c
    sums = (from_input + from_state).reshape(len(x), 4, units).transpose(1, 0, 2)
    peep = layer.extra.reshape(-1, units).astype(np.int64) if cell == "peephole" else np.zeros((3, units), np.int64)

    def seen(number: int, memory: Integers) -> Integers:
        return np.clip(peep[number] * memory + (1 << 19) >> 20, -MOST_PART, MOST_PART)

    i, f = sigmoid(sums[0] + seen(0, c)), sigmoid(sums[1] + seen(1, c))
    c = remember(c, f, tanh(sums[2]), i)
    o = sigmoid(sums[3] + seen(2, c))
    return hidden_of(o * tanh(c >> 8)), c


def start(model: IntegerModel, batch: int) -> State:
    """The state before the first frame."""
    return [(np.zeros((batch, layer.units), np.int64),) * 2 for layer in model.layers]


def run(model: IntegerModel, frames: Integers, state: State) -> tuple[Integers, State]:
    """Features [batch, frames, size] → hidden states of the highest layer [batch, frames, units], and the state."""
    hidden = []
    for x in frames.transpose(1, 0, 2):
        after = []
        for layer, (h, c) in zip(model.layers, state, strict=True):
            h, c = step(model.model.config.cell, layer, x, h, c)
            after.append((h, c))
            x = h
        state = after
        hidden.append(x)
    return np.stack(hidden, 1), state


def logits(model: IntegerModel, hidden: Integers) -> Integers:
    """Hidden states of a window [batch, frames, units] → [batch, labels] Q12."""
    hidden = hidden[:, -model.pooled :]
    if model.score is None:
        scores = np.zeros((*hidden.shape[:2], 1), np.int64)
    else:
        flat = product(model.score, hidden.reshape(-1, hidden.shape[2]))
        scores = flat.reshape(*hidden.shape[:2], -1)
    shares = softmax(scores, 1)  # [batch, frames, heads]
    pooled = np.clip((shares.transpose(0, 2, 1) @ hidden) >> 15, 1 - ONE, ONE - 1)
    return product(model.head, pooled.reshape(len(hidden), -1)) + model.head_bias


def frames_of(model: IntegerModel, samples: Integers) -> Integers:
    """The frames of int16 samples [n]: [frames, window]."""
    config = model.model.features
    return np.lib.stride_tricks.sliding_window_view(samples, config.window)[:: config.hop]


def whole(samples: NDArray[np.float32]) -> Integers:
    """Samples in ±1 as 16-bit integers."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int64)


def window_logits(model: IntegerModel, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits float32 [n, labels] of windows float32 [n, samples], each as the beginning of a stream."""
    read = np.stack([features(model.front_end, frames_of(model, row)) for row in whole(windows)])
    hidden, _ = run(model, read, start(model, len(windows)))
    return np.asarray(logits(model, hidden) / 4096, np.float32)


class IntegerScorer:
    """Scores the windows of a stream; see `recognition.posteriors.Scorer`. All windows must be selected."""

    def __init__(self, model: IntegerModel, hop: int) -> None:
        self.model, self.hop, self.labels = model, hop, model.model.labels
        self.reset()

    def reset(self) -> None:
        self.samples = np.zeros(0, np.int64)  # from the next frame's start
        self.rest = CLIP_SAMPLES - self.hop  # samples that the next window needs besides a hop
        self.state = start(self.model, 1)
        self.hidden = np.zeros((1, 0, self.model.layers[-1].units), np.int64)

    def __call__(self, samples: NDArray[np.float32], selected: NDArray[np.bool_]) -> NDArray[np.float32]:
        rows, at = [np.zeros((0, len(self.labels)), np.float32)], 0
        for _ in selected:
            size = self.hop + self.rest
            rows.append(self.row(whole(samples[at : at + size])))
            at, self.rest = at + size, 0
        return np.concatenate(rows)

    def row(self, samples: Integers) -> NDArray[np.float32]:
        """The posteriors [1, labels] after further samples."""
        self.samples = np.concatenate([self.samples, samples])
        frames = frames_of(self.model, self.samples)
        self.samples = self.samples[len(frames) * self.model.model.features.hop :]
        new, self.state = run(self.model, features(self.model.front_end, frames)[None], self.state)
        self.hidden = np.concatenate([self.hidden, new], 1)[:, -self.model.frames :]
        return np.asarray(softmax(logits(self.model, self.hidden), 1) / ONE, np.float32)


class IntegerRecognizer:
    """A recogniser by these integers, for `recognition.detector.Detector`."""

    def __init__(self, model: IntegerModel) -> None:
        self.model, self.labels = model, model.model.labels

    @property
    def detection(self) -> DetectionConfig:
        return self.model.model.detection

    def stream(self, hop_seconds: float = HOP_SECONDS) -> Stream:
        """Every window is scored: the C has no gate for quiet ones."""
        return Stream(IntegerScorer(self.model, hop_of(self.model)), gated=False)


def hop_of(model: IntegerModel) -> int:
    """Samples from row to row, as `Recognizer.stream` rounds them."""
    grid = model.model.features.hop
    return min(max(1, round(HOP_SECONDS * SAMPLE_RATE / grid)), CLIP_SAMPLES // grid) * grid
