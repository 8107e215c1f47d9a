"""The points of recordings, and of variations of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.progress import Bar
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.teaching.bank import Floats, Space
from speech_lstm.teaching.variations import draw, vary

VARIATIONS = 16  # points of a take: itself and 15 others
MOST_POINTS = 500  # of a word: of many takes there are fewer variations
COLOURS = (0.0, 2.0)  # of noise: from white to brown


def take_points(model: OnnxModel, space: Space, clips: Sequence[Floats], desc: str = "") -> list[Floats]:
    """The points [variations, dimensions] of each clip float32 [CLIP_SAMPLES], the first of it as it is.

    The variations of a clip are always the same ones.
    """
    count = max(1, min(VARIATIONS, MOST_POINTS // max(1, len(clips))))
    takes = []
    for clip in Bar(clips, desc=desc, unit="take", disable=not desc):
        random = np.random.default_rng(0)
        others = [vary(clip, draw(random), noise(random), model.features) for _ in range(count - 1)]
        takes.append(space.points(model.vectors(np.stack([clip, *others]))))
    return takes


def noise(random: np.random.Generator) -> Floats:
    """A second of steady noise of a random colour, of level 1: float32 [CLIP_SAMPLES]."""
    hertz = np.fft.rfftfreq(CLIP_SAMPLES, 1 / SAMPLE_RATE)
    power = np.maximum(hertz, 20.0) ** -random.uniform(*COLOURS)
    spectrum = np.fft.rfft(random.standard_normal(CLIP_SAMPLES)) * np.sqrt(power)
    samples = np.fft.irfft(spectrum, CLIP_SAMPLES)
    return np.asarray(samples / samples.std(), np.float32)
