"""The network: normalised features → recurrent stack → pooling over time → one logit for each label."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.recurrent.norm import RunningNorm
from speech_lstm.recurrent.registry import find_cell
from speech_lstm.recurrent.stack import Carry, Stack


class Network(torch.nn.Module):
    """Features of a batch of recordings → logits of the labels."""

    def __init__(self, features: FeatureConfig, config: NetworkConfig, labels: int) -> None:
        """Raises ConfigError for an unknown cell, and for features or sizes that the cell does not allow."""
        super().__init__()
        if find_cell(config.cell).reads_bands and features.kind == "mfcc":
            raise ConfigError(f"the cell {config.cell!r} scans mel bands, which MFCC mixes; set kind to log-mel")
        self.normalise = NORMALISATIONS[config.normalise](features.size)
        self.stack = Stack(features.size, config)
        self.pooling = pooling = POOLINGS[config.pooling](self.stack.size, config)
        self.dropout = torch.nn.Dropout(config.dropout)
        self.head = torch.nn.Linear(pooling.size, labels)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features float32 [batch, frames, size] → logits [batch, labels].

        For recordings of different lengths, `lengths` int64 [batch] are their frames without padding, at least 1.
        """
        return self.head(self.dropout(self.pooled(features, lengths)))

    def pooled(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features float32 [batch, frames, size] → the vector [batch, pooling.size] that the head reads."""
        return self.read(features, lengths)[0]

    def read(
        self, features: Tensor, lengths: Tensor | None = None, carry: Carry | None = None
    ) -> tuple[Tensor, Carry]:
        """As `pooled`, beginning with a state of the stack, and the state after the last frame."""
        hidden, after = self.stack(self.normalise(features, lengths), lengths, carry)
        return self.pooling(hidden, lengths), after

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


class InputBatchNorm(RunningNorm):
    """Batch normalisation (Ioffe & Szegedy 2015) of the input over recordings and frames.

    In training, mean and variance are of the whole batch, over all processes: the input has no gradient, so adding
    up the sums is enough. In recognition they are the running averages.
    """

    def __init__(self, size: int, momentum: float = 0.01) -> None:
        super().__init__(size, momentum)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features [batch, frames, size] → the same shape, mean 0 and variance 1 for each of the `size` features."""
        if self.training:
            frames = features.flatten(0, 1) if lengths is None else features[valid(lengths, features.shape[1])]
            mean, variance = self.statistics(frames)
        else:
            mean, variance = self.mean, self.variance
        scale = self.weight * torch.rsqrt(variance + self.epsilon)
        return features * scale + (self.bias - mean * scale)

    @torch.no_grad()
    def statistics(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of a batch's frames [frames, size]; updates the running averages."""
        flat = features.double()  # sums of squares over a large batch need the precision
        sums = torch.cat([flat.sum(0), flat.square().sum(0), flat.new_full((1,), len(flat))])
        if dist.is_initialized():
            dist.all_reduce(sums)
        total, squares, count = sums[: flat.shape[1]], sums[flat.shape[1] : -1], sums[-1]
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        self.average(mean, variance)
        return mean.to(features.dtype), variance.to(features.dtype)


class AttentionPooling(torch.nn.Module):
    """Multi-head attention: each head weighs the frames by a soft-max over its own learnt score."""

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.score = torch.nn.Linear(size, config.heads)
        self.size = size * config.heads

    def forward(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frames, size] → [batch, heads · size]; the weight of padding is 0."""
        return attend(self.score(hidden).transpose(1, 2), hidden, lengths)


class QueryPooling(torch.nn.Module):
    """The multi-head attention of MHAtt-RNN (Rybakov et al. 2020): each head computes a query from the middle frame,
    and weighs the frames by a soft-max over their products with it, scaled (Vaswani et al. 2017, equation 1)."""

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.query = torch.nn.Linear(size, size * config.heads)
        self.heads = config.heads
        self.size = size * config.heads

    def forward(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frames, size] → [batch, heads · size]; the weight of padding is 0."""
        batch, frames, size = hidden.shape
        rows = torch.arange(batch, device=hidden.device)
        middle = hidden[:, frames // 2] if lengths is None else hidden[rows, lengths // 2]
        queries = self.query(middle).view(batch, self.heads, size)
        return attend(queries @ hidden.transpose(1, 2).to(queries.dtype) * size**-0.5, hidden, lengths)


class MeanPooling(torch.nn.Module):
    """The mean over time."""

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.size = size

    def forward(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frames, size], 0 in padding → [batch, size]."""
        return hidden.mean(1) if lengths is None else hidden.sum(1) / lengths[:, None]


class LastPooling(torch.nn.Module):
    """The last hidden state of each direction, after it has read the whole recording."""

    def __init__(self, size: int, config: NetworkConfig) -> None:
        super().__init__()
        self.size = size
        self.forward_size = config.layer_sizes[-1]

    def forward(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Hidden states [batch, frames, size] → [batch, size]: the backward direction ends at the first frame."""
        rows = torch.arange(len(hidden), device=hidden.device)
        last = hidden[:, -1] if lengths is None else hidden[rows, lengths - 1]
        return torch.cat([last[:, : self.forward_size], hidden[:, 0, self.forward_size :]], dim=1)


def attend(scores: Tensor, hidden: Tensor, lengths: Tensor | None) -> Tensor:
    """The frames of hidden states [batch, frames, size], weighed by a soft-max of each head's scores [batch, heads,
    frames] over them → [batch, heads · size]. The weight of padding is 0."""
    if lengths is not None:
        scores = scores.masked_fill(~valid(lengths, hidden.shape[1])[:, None], -torch.inf)
    return (scores.softmax(dim=2).to(hidden.dtype) @ hidden).flatten(1)


def valid(lengths: Tensor, frames: int) -> Tensor:
    """True for frames that are not padding: bool [batch, frames]."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


class InputLayerNorm(torch.nn.LayerNorm):
    """Layer normalisation (Ba et al. 2016) of each frame, for which padding makes no difference."""

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Features [batch, frames, size] → the same shape."""
        return super().forward(features)


class NoNorm(torch.nn.Module):
    """No normalisation."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        return features


Pooling = AttentionPooling | QueryPooling | MeanPooling | LastPooling
NORMALISATIONS: dict[str, Callable[[int], torch.nn.Module]] = {
    "batch": InputBatchNorm,
    "layer": InputLayerNorm,
    "none": NoNorm,
}
POOLINGS: dict[str, type[Pooling]] = {
    "attention": AttentionPooling,
    "query": QueryPooling,
    "mean": MeanPooling,
    "last": LastPooling,
}
