"""The front end as ONNX nodes: waveforms to log-mel bands, the values of `audio.mfcc` with half its products."""

from __future__ import annotations

import numpy as np
import torch

from speech_lstm.audio.mfcc import LOG_OFFSET, FrontEnd, fft_length
from speech_lstm.config import FeatureConfig
from speech_lstm.export.graph import OnnxGraph

LAST = np.iinfo(np.int64).max  # the end of a slice to the end of the axis


def hop_blocks(graph: OnnxGraph, waveforms: str, config: FeatureConfig) -> str:
    """Waveforms [batch, samples] → blocks of a hop [batch, blocks, hop]; a frame is a few consecutive blocks.

    If the last window ends within its last block, zeros complete the block; they are in no frame.
    """
    hop, window = config.hop, config.window
    room = -window % hop  # samples of a window's last block after the window
    over = graph("Mod", graph("Add", graph.dim(waveforms, 1), [room]), [hop])
    missing = graph("Sub", [room], over)  # negative where samples are left over
    return graph("Reshape", graph("Pad", waveforms, graph("Concat", [0], missing, axis=0), None, [1]), [0, -1, hop])


def halves(graph: OnnxGraph, waveforms: str, config: FeatureConfig) -> tuple[str, str]:
    """Waveforms [batch, samples] → the samples after the middle of every window and those before it, from the middle
    outwards: both [batch, frames, window // 2]. They are slices of the blocks; whole windows are never formed."""
    hop, window = config.hop, config.window
    rows, blocks = hop_blocks(graph, waveforms, config), -(-window // hop)

    def stretches(first: int, last: int) -> list[tuple[int, int, int]]:
        """The places of samples `first` to `last` of a window: number of a block, start and end in it."""
        return [(i, max(0, first - i * hop), min(hop, last - i * hop)) for i in range(first // hop, -(-last // hop))]

    def cut(i: int, start: int, end: int, step: int) -> str:
        """The samples from `start` to `end` of the blocks that are number i of a window."""
        if step < 0:  # from the last to the first; an end of −1 would be the last
            start, end = end - 1, start - 1 - hop
        return graph("Slice", rows, [i, start], [i + 1 - blocks or LAST, end], [1, 2], [1, step])

    after = [cut(*stretch, 1) for stretch in stretches(window - window // 2, window)]
    before = [cut(*stretch, -1) for stretch in reversed(stretches(1, window // 2 + 1))]
    return graph.concatenate(after, 2), graph.concatenate(before, 2)


def waves(graph: OnnxGraph, config: FeatureConfig, first: int, last: int) -> tuple[str, str]:
    """The windowed cosines and sines of the bins `first` to `last`: both [window // 2, bins]. They are computed
    from a table of one period when the file is loaded, which keeps the file small."""
    window, n_fft = config.window, fft_length(config)
    table = np.cos(np.pi / n_fft * np.arange(2 * n_fft)).astype(np.float32)  # a step is half a sample
    half = torch.hann_window(window, dtype=torch.float64).numpy()[(window + 1) // 2 :].astype(np.float32)
    if window % 2 == 0:
        half[0] /= 2  # the sample in the middle is its own counterpart and counts twice
    # Twice the distance of each sample from the middle of the window, in samples.
    distance = graph("Range", np.array(window % 2), np.array(window), np.array(2))
    bins = graph("Range", np.array(first), np.array(last + 1), np.array(1))
    angle = graph("Mul", graph("Unsqueeze", distance, [1]), bins)
    shifted = graph("Add", angle, np.array(3 * n_fft // 2))  # a sine is a cosine a quarter of a period later
    turns = [graph("Mod", each, np.array(2 * n_fft)) for each in (angle, shifted)]
    cosine, sine = (graph("Mul", graph("Gather", table, turn), half[:, None]) for turn in turns)
    return cosine, sine


def log_mel(graph: OnnxGraph, waveforms: str, front_end: FrontEnd) -> str:
    """Waveforms [batch, samples] → logarithms of the mel bands' power [batch, frames, mels].

    The power of a bin does not depend on where its waves start. If they start in the middle of the window, which is
    symmetric about it, the cosine is multiplied by the sum of each two samples at the same distance from the
    middle and the sine by their difference: half the products of a transform of all samples. Bins that no band reads
    are omitted. The first sample of a Hann window has weight 0 and no counterpart.
    """
    config = front_end.config
    after, before = halves(graph, waveforms, config)
    bands = front_end.mel_scale.fb.numpy()
    (bins,) = bands.any(1).nonzero()
    first, last = int(bins[0]), int(bins[-1])
    cosine, sine = waves(graph, config, first, last)
    real = graph("MatMul", graph("Add", after, before), cosine)
    imaginary = graph("MatMul", graph("Sub", after, before), sine)
    power = graph("Add", graph("Mul", real, real), graph("Mul", imaginary, imaginary))
    return graph("Log", graph("Add", graph("MatMul", power, graph.sparse(bands[first : last + 1])), LOG_OFFSET))
