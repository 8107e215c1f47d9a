"""Background noise for the scripts that make long recordings: recordings of it, or else generated noise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speech_lstm.audio.energy import rms
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.corpus.noise import generated_noise

QUIETEST = 1e-4  # RMS of a recording, −80 dBFS; a quieter one is not raised further


class Background:
    """Call it for noise of an RMS of about 1; `paths` are recordings or folders of them.

    Raises RecordingError for what cannot be read.
    """

    def __init__(self, paths: Sequence[Path], seed: int) -> None:
        noises = [read_recording(path) for path in find_recordings(paths)] or generated_noise(seed)
        self.noises = [noise / max(rms(noise), QUIETEST) for noise in noises]

    def __call__(self, samples: int, rng: np.random.Generator) -> np.ndarray:
        """float32 [samples] of a random recording from a random place on; a short one is repeated."""
        noise = self.noises[rng.integers(len(self.noises))]
        start = rng.integers(len(noise))
        return noise[np.arange(start, start + samples) % len(noise)]
