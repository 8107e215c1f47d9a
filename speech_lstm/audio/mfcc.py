"""The one front end: 16 kHz waveforms become sequences of MFCC or log-mel vectors, in batches, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import create_dct
from torchaudio.transforms import MelSpectrogram

from speech_lstm.config import SAMPLE_RATE, FeatureConfig

LOG_OFFSET = 1e-6  # added to the mel power before the logarithm: 16-bit quantisation noise lies about here


class FrontEnd(torch.nn.Module):
    """MFCC: Hann window, power spectrum, HTK mel bands, natural logarithm, orthonormal DCT-II.

    A frame is a whole window of samples, with no padding at the ends: `frames(samples)` is
    1 + (samples − window) // hop. With `kind="log-mel"` the DCT is left out.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        n_fft = 1 << (config.window - 1).bit_length()  # the next power of two: fast, and fine enough for 80 bands
        self.mel = MelSpectrogram(
            sample_rate=SAMPLE_RATE,
            n_fft=n_fft,
            win_length=config.window,
            hop_length=config.hop,
            f_min=config.low_hz,
            f_max=config.high_hz,
            n_mels=config.mels,
            # torch.stft sets the window in the middle of n_fft samples; with these zeros at both ends the
            # first window begins at the first sample and the last one ends inside the recording.
            pad=(n_fft - config.window) // 2,
            center=False,
            power=2.0,
        )
        dct = create_dct(config.coefficients, config.mels, norm="ortho") if config.kind == "mfcc" else None
        self.register_buffer("dct", dct, persistent=False)
        self.dct: Tensor | None

    def frames(self, samples: int) -> int:
        """Frames in a recording of so many samples; 0 where it is shorter than one window."""
        return max(0, 1 + (samples - self.config.window) // self.config.hop)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] in ±1, at least one window long → float32 [batch, frames, size]."""
        logs = (self.mel(waveforms) + LOG_OFFSET).log().transpose(1, 2)
        frames = logs[:, : self.frames(waveforms.shape[-1])]
        return frames if self.dct is None else frames @ self.dct
