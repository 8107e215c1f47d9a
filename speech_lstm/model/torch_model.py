"""A model file in the form that training writes, run by torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.scorers import BATCH, CarriedScorer, WindowScorer


class TorchModel:
    """What scores windows, alone or of a stream."""

    def __init__(self, model: Model, device: str | torch.device = "cpu") -> None:
        self.model, self.device = model, torch.device(device)
        self.network = model.network
        self.labels, self.detection, self.features = model.labels, model.detection, model.features
        self.front_end = FrontEnd(model.features).to(self.device)

    def posteriors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of every label in windows float32 [n, CLIP_SAMPLES]: float32 [n, labels]."""
        return torch.from_numpy(self.logits(windows)).softmax(1).numpy()

    @torch.inference_mode()
    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the soft-max of the posteriors is taken of: windows float32 [n, CLIP_SAMPLES] → [n, labels]."""
        answers = [np.zeros((0, len(self.labels)), np.float32)]
        for start in range(0, len(windows), BATCH):
            # A copy: windows may overlap in memory, and torch wants to be able to write.
            batch = torch.from_numpy(np.array(windows[start : start + BATCH], np.float32)).to(self.device)
            answers.append(self.network(self.front_end(batch)).cpu().numpy())
        return np.concatenate(answers)

    def scorer(self, hop: int) -> CarriedScorer | WindowScorer:
        """What scores the windows of a stream, `hop` samples apart: a multiple of the front end's hop.

        A network that reads in one direction carries its state from hop to hop; of another, windows are read anew.
        """
        kind = WindowScorer if self.model.config.bidirectional else CarriedScorer
        return kind(self.model, self.front_end, self.device, hop)
