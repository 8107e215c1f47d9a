"""Another network's vectors in the place of a model's; used by make_bank.py and bench_teach.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from speech_lstm.config import FeatureConfig
from speech_lstm.training.onnx_teacher import OnnxNetwork


class Embedder(OnnxNetwork):
    """A network in a file as `train --embedder` takes it; `features` are those that takes are varied with."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError for a file that is not such a network."""
        super().__init__(path, "embedder")
        self.source, self.features = self.digest, FeatureConfig()

    def vectors(self, windows: np.ndarray) -> np.ndarray:
        """What it gives for windows float32 [n, CLIP_SAMPLES]: float32 [n, size]."""
        return self.answers(windows)
