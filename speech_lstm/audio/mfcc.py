"""The one front end: 16 kHz waveforms become sequences of MFCC or log-mel vectors, in batches, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import create_dct
from torchaudio.transforms import MelScale, Spectrogram

from speech_lstm.audio.mel import band_edges
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.errors import ConfigError, RecordingError

LOG_OFFSET = 1e-6  # added to the mel power before the logarithm: 16-bit quantisation noise lies about here
ROWS_PER_THREAD = 8  # of one second: half a MiB as float32, what a core's second-level cache holds twice
LONGEST_FFT = 1 << 14  # bins 1 Hz apart; bands that need finer ones make no sense


class FrontEnd(torch.nn.Module):
    """MFCC: Hann window, power spectrum, HTK mel bands, natural logarithm, orthonormal DCT-II.

    A frame is a whole window of samples, with no padding at the ends: `frames(samples)` is
    1 + (samples − window) // hop. With `kind="log-mel"` there is no DCT. Raises ConfigError for mel bands too narrow
    to have a bin each.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        n_fft = fft_length(config)
        # The window is at the end of the n_fft samples of a transform, after zeros. With as many zeros before the
        # recording, the first window begins at its first sample.
        missing = n_fft - config.window
        self.spectrogram = Spectrogram(
            n_fft=n_fft,
            hop_length=config.hop,
            pad=missing,
            window_fn=lambda _: torch.nn.functional.pad(torch.hann_window(config.window), (missing, 0)),
            power=None,
            center=False,
        )
        self.mel_scale = MelScale(config.mels, SAMPLE_RATE, config.low_hz, config.high_hz, n_fft // 2 + 1)
        dct = create_dct(config.coefficients, config.mels, norm="ortho") if config.kind == "mfcc" else None
        self.register_buffer("dct", dct, persistent=False)
        self.dct: Tensor | None

    def frames(self, samples: int) -> int:
        """Frames in a recording of so many samples; 0 where it is shorter than one window."""
        return max(0, 1 + (samples - self.config.window) // self.config.hop)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms float32 [batch, samples] in ±1 → features float32 [batch, frames, size].

        Raises RecordingError for waveforms shorter than one window.
        """
        batch, samples = waveforms.shape
        if samples < self.config.window:
            raise RecordingError(
                f"a waveform of {samples} samples is shorter than one window of {self.config.window}; "
                "pad it with zeros"
            )
        features = waveforms.new_empty(batch, self.frames(samples), self.config.size)
        for rows in row_slices(waveforms):
            features[rows] = self.features(waveforms[rows])
        return features

    def features(self, waveforms: Tensor) -> Tensor:
        """As `forward`, for a part of a batch."""
        # The real and imaginary parts squared: the absolute value of complex numbers takes twice as long.
        real, imaginary = torch.view_as_real(self.spectrogram(waveforms)).unbind(-1)
        power = real.square().addcmul_(imaginary, imaginary)[..., : self.frames(waveforms.shape[1])]
        logs = self.mel_scale(power).add_(LOG_OFFSET).log_().transpose(1, 2)
        return logs if self.dct is None else logs @ self.dct


def fft_length(config: FeatureConfig) -> int:
    """The power of two that holds a window and whose bins are so close that every mel band has one."""
    edges = band_edges(config.low_hz, config.high_hz, config.mels)
    width = edges[2] - edges[0]  # of the lowest band, which is the narrowest
    length = 1 << (config.window - 1).bit_length()
    while SAMPLE_RATE / length >= width:
        length *= 2
        if length > LONGEST_FFT:
            raise ConfigError(
                f"{config.mels} mel bands from {config.low_hz:g} to {config.high_hz:g} Hz are too narrow for "
                "a bin each; lower mels or widen the range"
            )
    return length


def row_slices(batch: Tensor) -> list[slice]:
    """The rows of a batch [batch, …] in parts of a few for each thread; on a GPU in one part.

    Intermediate results then stay in the processor's cache.
    """
    rows = ROWS_PER_THREAD * torch.get_num_threads() if batch.device.type == "cpu" else max(1, len(batch))
    return [slice(start, start + rows) for start in range(0, len(batch), rows)]
