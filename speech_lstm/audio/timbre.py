"""Another speaker and another microphone: features as a different vocal tract and frequency response give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchaudio.functional import create_dct

from speech_lstm.audio.mel import hertz_of, mel_of
from speech_lstm.config import FeatureConfig

CURVES = 4  # cosines over the mel bands that a microphone's response is made of: a tilt, a bow, two waves
NEPERS_PER_DB = math.log(10) / 10  # features are natural logarithms of power


class Timbre:
    """Changes the spectrum of features by their mel bands: MFCC are transformed back to bands and forth again.

    What the DCT has dropped from MFCC stays dropped.
    """

    def __init__(self, config: FeatureConfig, device: torch.device) -> None:
        self.dct: Tensor | None = None
        if config.kind == "mfcc":
            self.dct = create_dct(config.coefficients, config.mels, norm="ortho").to(device)
        self.low, high = float(mel_of(config.low_hz)), float(mel_of(config.high_hz))
        self.step = (high - self.low) / (config.mels + 1)
        band = torch.arange(config.mels, device=device)
        self.centres = hertz_of(self.low + self.step * (band + 1))  # of the bands, Hz
        order = torch.arange(1, CURVES + 1, device=device)[:, None]
        self.curves = torch.cos(math.pi / config.mels * order * (band + 0.5))

    def __call__(self, features: Tensor, stretch: Tensor, response: Tensor) -> Tensor:
        """Features [batch, frames, size] → the same shape.

        `stretch` [batch] multiplies every frequency (vocal tract length perturbation, Jaitly & Hinton 2013);
        `response` [batch, CURVES] are the amplitudes, in dB, of the cosines that are added to the log spectrum.
        """
        bands = features if self.dct is None else features @ self.dct.T
        bands = self.stretch(bands, stretch) + (NEPERS_PER_DB * response @ self.curves)[:, None]
        return bands if self.dct is None else bands @ self.dct

    def stretch(self, bands: Tensor, stretch: Tensor) -> Tensor:
        """Each band takes the value of the frequency that moves into it: linear between the bands' centres."""
        source = (mel_of(self.centres / stretch[:, None], torch.log10) - self.low) / self.step - 1
        source = source.clamp(0, bands.shape[2] - 1)[:, None].expand(bands.shape)
        below = source.floor().clamp(max=bands.shape[2] - 2)
        index = below.long()
        return bands.gather(2, index).lerp(bands.gather(2, index + 1), source - below)
