"""A model in the form that training writes, run by torch."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.errors import ConfigError, ModelError, brief, foreign
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.header import check_logits
from speech_lstm.model.scorers import BATCH, CarriedScorer, WindowScorer

# A forked process has none of the threads of OpenMP that its parent computed with, and would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def usable_device(device: str | torch.device) -> torch.device:
    """The device on which torch is asked to compute; raises ConfigError if it cannot."""
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()  # torch names devices that are not there, and one without numbers
    except Exception as error:  # each kind of device has its own
        raise ConfigError(
            f"device {brief(device)} cannot be used ({foreign(error)}); give cpu, cuda or cuda:N"
        ) from None
    return chosen


class TorchModel:
    """Scores windows, single or of a stream."""

    def __init__(self, model: Model, device: str | torch.device = "cpu") -> None:
        if not isinstance(model, Model):
            raise ModelError(f"{brief(model)} is not a model; `speech_lstm.load(FILE)` returns a recogniser")
        self.model, self.device = model, usable_device(device)
        self.network = model.network
        self.labels, self.detection, self.features = model.labels, model.detection, model.features
        self.front_end = FrontEnd(model.features).to(self.device)

    def posteriors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Posteriors of windows float32 [n, CLIP_SAMPLES]: float32 [n, labels]."""
        return torch.from_numpy(self.logits(windows)).softmax(1).numpy()

    @torch.inference_mode()
    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of windows float32 [n, CLIP_SAMPLES] → [n, labels]."""
        return self.through(windows, self.network, len(self.labels))

    @torch.inference_mode()
    def vectors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the head reads of windows float32 [n, CLIP_SAMPLES]: float32 [n, size]."""
        return self.through(windows, self.network.pooled, self.network.pooling.size)

    def through(
        self, windows: NDArray[np.float32], network: Callable[[torch.Tensor], torch.Tensor], size: int
    ) -> NDArray[np.float32]:
        """The output of a network, or a part of it, for the features of windows: float32 [n, size]."""
        rows = [np.zeros((0, size), np.float32)]
        for start in range(0, len(windows), BATCH):
            # A copy: windows may overlap in memory, and torch needs writable arrays.
            batch = torch.from_numpy(np.array(windows[start : start + BATCH], np.float32)).to(self.device)
            rows.append(network(self.front_end(batch)).cpu().numpy())
        return check_logits(np.concatenate(rows))

    def scorer(self, hop: int) -> CarriedScorer | WindowScorer:
        """The scorer of a stream's windows, `hop` samples apart: a multiple of the front end's hop.

        A network of one direction carries its state from hop to hop; one of two runs over every window again.
        """
        kind = WindowScorer if self.model.config.bidirectional else CarriedScorer
        return kind(self.model, self.front_end, self.device, hop)
