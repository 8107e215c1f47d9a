"""Raw PCM in pieces, as a network brings it → mono float32 at 16 kHz."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech_lstm.audio.inputs import BLOCK_SECONDS
from speech_lstm.audio.recording import check_format, frame_blocks, resample_blocks
from speech_lstm.errors import RecordingError

NAME = "the audio"
SUBTYPES = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}  # by bytes of a sample, as in WAV


class PcmStream:
    """Call it with bytes of little-endian samples, cut anywhere; it yields float32 [samples] of at most 0.1 s.

    Channels are averaged. Joined, the blocks do not depend on the cuts. Raises RecordingError for impossible layouts.
    """

    def __init__(self, rate: int, width: int, channels: int) -> None:
        """`rate` in Hz; `width` is the bytes of a sample."""
        check_format(NAME, channels, rate)
        if width not in SUBTYPES:
            raise RecordingError(f"{NAME}: has samples of {width} bytes; 1 to 4 are supported")
        self.layout = {"samplerate": rate, "channels": channels, "subtype": SUBTYPES[width]}
        self.frame_bytes = width * channels
        self.values = round(BLOCK_SECONDS * rate) * channels  # of a block
        self.rest = b""
        self.block: NDArray[np.float32] | None = None  # the next one for the resampler; None at the end
        self.pieces = resample_blocks(self.blocks(), rate, NAME)  # it yields once for each block

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        while self.block is not None:
            yield self.block

    def __call__(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        data = self.rest + data
        whole = len(data) - len(data) % self.frame_bytes
        self.rest = data[whole:]
        if not whole:
            return
        with soundfile.SoundFile(io.BytesIO(data[:whole]), format="RAW", endian="LITTLE", **self.layout) as sound:
            for block in frame_blocks(sound, NAME, self.values):
                self.block = block
                yield next(self.pieces)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """The samples that the resampler still holds. The stream cannot be continued."""
        if self.block is not None:
            self.block = None
            yield from self.pieces
