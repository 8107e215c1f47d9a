"""A network scores the windows of a stream, whose features are computed once for each frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.header import check_posteriors
from speech_lstm.recurrent.stack import Carry

BATCH = 64  # windows at a time, to limit the memory of a long block


class Frames:
    """The features of a stream. Each frame is computed once, and only if it is used."""

    def __init__(self, front_end: FrontEnd, device: torch.device) -> None:
        self.front_end, self.device = front_end, device
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self.samples = np.zeros(0, np.float32)  # from the start of the first frame that is not computed
        self.features = torch.zeros(1, 0, self.front_end.config.size, device=self.device)
        self.start = 0  # number of the first computed frame that is kept

    @property
    def end(self) -> int:
        """The number of the first frame that is not computed."""
        return self.start + self.features.shape[1]

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add float32 [samples] to the stream."""
        self.samples = np.concatenate([self.samples, samples])

    def read(self, first: int, last: int) -> Tensor:
        """The features of the frames first … last−1: float32 [1, frames, size]."""
        if last > self.end:
            config = self.front_end.config
            size = (last - self.end - 1) * config.hop + config.window
            new = self.front_end(torch.from_numpy(self.samples[None, :size]).to(self.device))
            self.samples = self.samples[(last - self.end) * config.hop :]
            self.features = torch.cat([self.features, new], 1)
        return self.features[:, first - self.start : last - self.start]

    def forget(self, first: int) -> None:
        """Drop all frames before this one."""
        skipped = max(0, first - self.end)  # frames that were never used
        self.samples = self.samples[skipped * self.front_end.config.hop :].copy()
        self.features = self.features[:, first - self.start :].clone()
        self.start = first


class FrameScorer:
    """What the two scorers below share: they score the windows of a stream, `hop` samples apart."""

    def __init__(self, model: Model, front_end: FrontEnd, device: torch.device, hop: int) -> None:
        """`hop` is in samples, a multiple of the front end's."""
        self.network, self.labels, self.hop = model.network, model.labels, hop
        self.frames = Frames(front_end, device)
        self.step = hop // model.features.hop  # frames
        self.size = front_end.frames(CLIP_SAMPLES)  # frames of a window
        self.reset()

    def reset(self) -> None:
        self.frames.reset()
        self.row = 0  # number of the next window

    @torch.inference_mode()
    def __call__(self, samples: NDArray[np.float32], selected: NDArray[np.bool_]) -> NDArray[np.float32]:
        self.frames.append(samples)
        rows = [np.zeros((0, len(self.labels)), np.float32)]
        for first, last in runs(selected):
            for start in range(self.row + first, self.row + last, BATCH):
                logits = self.logits(start, min(start + BATCH, self.row + last))
                rows.append(logits.softmax(1).cpu().numpy())
        self.row += len(selected)
        self.frames.forget(self.row * self.step)
        return check_posteriors(np.concatenate(rows))

    def logits(self, first: int, last: int) -> Tensor:
        """The logits [windows, labels] of the windows first … last−1."""
        raise NotImplementedError


class WindowScorer(FrameScorer):
    """Runs the network over every whole window, in one or both directions."""

    def logits(self, first: int, last: int) -> Tensor:
        frames = self.frames.read(first * self.step, (last - 1) * self.step + self.size)
        return self.network(windows(frames, self.size, self.step))


class CarriedScorer(FrameScorer):
    """Runs every frame once, in one direction; a window's posteriors are pooled from the states of its frames."""

    def reset(self) -> None:
        super().reset()
        self.carry: Carry | None = None
        self.hidden: Tensor | None = None  # [1, frames, size], of the last window's frames
        self.next = 0  # number of the window after the last one scored

    def logits(self, first: int, last: int) -> Tensor:
        start, end = first * self.step, (last - 1) * self.step + self.size
        if first != self.next or self.hidden is None:  # after a gap, as in a stream that begins here
            self.carry, self.hidden = None, None
        overlap = self.hidden.shape[1] if self.hidden is not None else 0
        features = self.frames.read(start + overlap, end)
        new, self.carry = self.network.stack(self.network.normalise(features), carry=self.carry)
        hidden = new if self.hidden is None else torch.cat([self.hidden, new], 1)
        self.hidden, self.next = hidden[:, (last - first) * self.step :].clone(), last
        return self.network.head(self.network.pooling(windows(hidden, self.size, self.step)))


def windows(frames: Tensor, size: int, step: int) -> Tensor:
    """Runs of `size` frames, one every `step`: [1, frames, …] → [windows, size, …]."""
    return frames[0].unfold(0, size, step).transpose(1, 2)


def runs(selected: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The runs of selected windows: the first of each and the one after its last."""
    edges = np.flatnonzero(np.diff(selected, prepend=False, append=False))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
