"""The front end as ONNX nodes: waveforms to log-mel bands, with the values of `audio.mfcc` and half its products."""

from __future__ import annotations

import numpy as np
import torch

from speech_lstm.audio.mfcc import LOG_OFFSET, FrontEnd, fft_length
from speech_lstm.config import FeatureConfig
from speech_lstm.export.graph import Graph

LAST = np.iinfo(np.int64).max  # as the end of a slice: up to the end


def blocked(graph: Graph, waveforms: str, config: FeatureConfig) -> str:
    """Waveforms [batch, samples] → blocks of a hop [batch, blocks, hop], of which a frame is a few that follow each
    other. Where the last window needs more of its last block than there is, zeros fill it up: they are in no frame.
    """
    hop, window = config.hop, config.window
    room = -window % hop  # of the last block of a window, that the window leaves
    over = graph("Mod", graph("Add", graph.dim(waveforms, 1), [room]), [hop])
    missing = graph("Sub", [room], over)  # negative where samples are left over
    return graph("Reshape", graph("Pad", waveforms, graph("Concat", [0], missing, axis=0), None, [1]), [0, -1, hop])


def halves(graph: Graph, waveforms: str, config: FeatureConfig) -> tuple[str, str]:
    """Waveforms [batch, samples] → of every window the samples after its middle and those before it, from the middle
    outwards: both [batch, frames, window // 2]. They are cut out of the blocks without laying whole windows down."""
    hop, window = config.hop, config.window
    rows, blocks = blocked(graph, waveforms, config), -(-window // hop)

    def stretches(first: int, last: int) -> list[tuple[int, int, int]]:
        """Where samples `first` to `last` of a window lie: the number of a block, and from where to where in it."""
        return [(i, max(0, first - i * hop), min(hop, last - i * hop)) for i in range(first // hop, -(-last // hop))]

    def cut(i: int, start: int, end: int, step: int) -> str:
        """Of the blocks that are number i of a window, the samples from `start` to `end`."""
        if step < 0:  # from the last to the first; an end before the first can't be told as −1
            start, end = end - 1, start - 1 - hop
        return graph("Slice", rows, [i, start], [i + 1 - blocks or LAST, end], [1, 2], [1, step])

    after = [cut(*stretch, 1) for stretch in stretches(window - window // 2, window)]
    before = [cut(*stretch, -1) for stretch in reversed(stretches(1, window // 2 + 1))]
    return graph.joined(after, 2), graph.joined(before, 2)


def waves(graph: Graph, config: FeatureConfig, first: int, last: int) -> tuple[str, str]:
    """The windowed cosines and sines of the bins `first` to `last`: both [window // 2, bins], from a table of one
    period, so that the file need not hold them."""
    window, n_fft = config.window, fft_length(config)
    table = np.cos(np.pi / n_fft * np.arange(2 * n_fft)).astype(np.float32)  # a step is half of one of the samples
    half = torch.hann_window(window, dtype=torch.float64).numpy()[(window + 1) // 2 :].astype(np.float32)
    if window % 2 == 0:
        half[0] /= 2  # the sample in the middle is added to itself
    # Twice the distance of each sample from the middle of the window, in samples.
    distance = graph("Range", np.array(window % 2), np.array(window), np.array(2))
    bins = graph("Range", np.array(first), np.array(last + 1), np.array(1))
    angle = graph("Mul", graph("Unsqueeze", distance, [1]), bins)
    shifted = graph("Add", angle, np.array(3 * n_fft // 2))  # a sine is a cosine a quarter later
    turns = [graph("Mod", each, np.array(2 * n_fft)) for each in (angle, shifted)]
    cosine, sine = (graph("Mul", graph("Gather", table, turn), half[:, None]) for turn in turns)
    return cosine, sine


def log_mel(graph: Graph, waveforms: str, front_end: FrontEnd) -> str:
    """Waveforms [batch, samples] → logarithms of the mel bands' power [batch, frames, mels].

    The power of a bin doesn't change when its waves start elsewhere. With their start in the middle of the window,
    about which it is symmetric, the cosine belongs to the sum of each two samples as far before as after it and
    the sine to their difference: half the products of a transform of all samples. Bins that no band reads are
    left out. The first sample of a Hann window weighs nothing and has no counterpart.
    """
    config = front_end.config
    after, before = halves(graph, waveforms, config)
    bands = front_end.mel_scale.fb.numpy()
    (read,) = bands.any(1).nonzero()
    first, last = int(read[0]), int(read[-1])
    cosine, sine = waves(graph, config, first, last)
    real = graph("MatMul", graph("Add", after, before), cosine)
    imaginary = graph("MatMul", graph("Sub", after, before), sine)
    power = graph("Add", graph("Mul", real, real), graph("Mul", imaginary, imaginary))
    return graph("Log", graph("Add", graph("MatMul", power, graph.spread(bands[first : last + 1])), LOG_OFFSET))
