"""Trained models whose answers a new one learns besides the labels: knowledge distillation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.errors import ConfigError
from speech_lstm.model.checkpoint import load_model


class Teachers:
    """Models of the same labels; each has its own front end."""

    def __init__(self, paths: tuple[str, ...], labels: tuple[str, ...], device: torch.device) -> None:
        """Raises ModelError for a file that is not a model, ConfigError for one with other labels."""
        self.models = [load_model(Path(path), device) for path in paths]
        for path, model in zip(paths, self.models, strict=True):
            if model.labels != labels:
                raise ConfigError(
                    f"the teacher {path} answers {', '.join(model.labels)}, not {', '.join(labels)}; "
                    "teachers need the labels of the run, in their order"
                )
        self.front_ends = [FrontEnd(model.features).to(device) for model in self.models]

    @torch.no_grad()
    def __call__(self, waveforms: Tensor, precision: torch.dtype) -> Tensor:
        """Waveforms float32 [batch, samples] → the mean of the posteriors, float32 [batch, labels]."""
        total = waveforms.new_zeros(())
        with torch.autocast(waveforms.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            for model, front_end in zip(self.models, self.front_ends, strict=True):
                total = total + model.network(front_end(waveforms)).float().softmax(1)
        return total / len(self.models)
