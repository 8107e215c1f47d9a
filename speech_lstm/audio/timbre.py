"""Another speaker, another microphone: features as another vocal tract and another response would give them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchaudio.functional import create_dct

from speech_lstm.config import FeatureConfig

CURVES = 4  # cosines over the mel bands that a microphone's response is made of: a tilt, a bow, two waves
NEPERS_PER_DB = math.log(10) / 10  # features are natural logarithms of power


class Timbre:
    """Changes the spectrum of features after the fact, by their mel bands: MFCC are led back to them and on again.

    What the DCT left out of MFCC stays left out.
    """

    def __init__(self, config: FeatureConfig, device: torch.device) -> None:
        self.dct: Tensor | None = None
        if config.kind == "mfcc":
            self.dct = create_dct(config.coefficients, config.mels, norm="ortho").to(device)
        low, high = mel(torch.tensor([config.low_hz, config.high_hz], dtype=torch.float64))
        self.low, self.step = float(low), float(high - low) / (config.mels + 1)
        band = torch.arange(config.mels, device=device)
        self.hertz = hertz(self.low + self.step * (band + 1))  # of the bands' centres
        order = torch.arange(1, CURVES + 1, device=device)[:, None]
        self.curves = torch.cos(math.pi / config.mels * order * (band + 0.5))

    def __call__(self, features: Tensor, stretch: Tensor, response: Tensor) -> Tensor:
        """Features [batch, frames, size] → the same shape.

        `stretch` [batch] multiplies every frequency (vocal tract length perturbation, Jaitly & Hinton 2013);
        `response` [batch, CURVES] are the amplitudes, in dB, of the cosines that are added to the log spectrum.
        """
        bands = features if self.dct is None else features @ self.dct.T
        bands = self.stretched(bands, stretch) + (NEPERS_PER_DB * response @ self.curves)[:, None]
        return bands if self.dct is None else bands @ self.dct

    def stretched(self, bands: Tensor, stretch: Tensor) -> Tensor:
        """What stands in a band comes from where it was before: linear between the bands' centres."""
        source = (mel(self.hertz / stretch[:, None]) - self.low) / self.step - 1
        source = source.clamp(0, bands.shape[2] - 1)[:, None].expand(bands.shape)
        below = source.floor().clamp(max=bands.shape[2] - 2)
        index = below.long()
        return bands.gather(2, index).lerp(bands.gather(2, index + 1), source - below)


def mel(hertz: Tensor) -> Tensor:
    """Hertz on the HTK mel scale, which the front end uses."""
    return 2595 * torch.log10(1 + hertz / 700)


def hertz(mel: Tensor) -> Tensor:
    """The inverse of `mel`."""
    return 700 * (10 ** (mel / 2595) - 1)
