"""What the answer depends on: units held at 0, stretches hidden, the gradient, gates set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.insight.inside import BATCH, DIRECTIONS, Floats, Inside, LayerTrace
from speech_lstm.recurrent.cell import Tap, Track

if TYPE_CHECKING:
    from speech_lstm.model.torch_model import TorchModel

OCCLUDED_SECONDS = 0.1  # the stretch of the recording that is hidden at a time
# Changes values [copies, units] in place: in copy n those of the unit with the n-th of the numbers given.
Hold = Callable[[Tensor, NDArray[np.int64]], None]


def ablation(model: TorchModel, inside: Inside, trace: LayerTrace) -> Floats:
    """The probability that the answer loses when all state of a unit is held at 0: [units]."""

    def silent(value: Tensor, units: NDArray[np.int64]) -> None:
        value[range(len(units)), units] = 0

    count = trace[trace.state[0]].shape[1]
    holds = {name: silent for name in trace.state if trace[name].shape[1] == count}
    return np.float32(probability(inside)) - answers(model, inside, trace, holds, count)[:, best(inside)]


def intervention(model: TorchModel, inside: Inside, trace: LayerTrace, gate: str, to: float) -> Floats:
    """The posteriors when a gate is set to `to` at every frame: float32 [units + 1, labels].

    Row u is for unit u alone, the last row for all units at once.
    """
    count = trace[gate].shape[1]
    names = [name for name in trace.cell.gates if name.partition(".")[0] == gate]  # a gate in bands has one for each
    width = count // len(names)

    def hold(first: int, value: Tensor, units: NDArray[np.int64]) -> None:
        in_band = (units >= first) & (units < first + width)
        value[np.flatnonzero(in_band), units[in_band] - first] = to
        value[np.flatnonzero(units == count)] = to

    holds = {name: partial(hold, band * width) for band, name in enumerate(names)}
    return answers(model, inside, trace, holds, count + 1)


def answers(model: TorchModel, inside: Inside, trace: LayerTrace, holds: Mapping[str, Hold], count: int) -> Floats:
    """The posteriors [count, labels] of copies of the recording; in copy u, unit u is changed.

    `holds` maps names of values of the trace's layer and direction to the changes. Only that layer and those above
    it run again, many copies at a time.
    """
    copies = np.arange(count)
    parts = np.split(copies, range(BATCH, count, BATCH))
    return np.concatenate([part_answers(model, inside, trace, holds, part) for part in parts])


@torch.no_grad()
def part_answers(
    model: TorchModel, inside: Inside, trace: LayerTrace, holds: Mapping[str, Hold], units: NDArray[np.int64]
) -> Floats:
    """The rows of `answers` for the given units."""
    network, direction = model.network, DIRECTIONS.index(trace.direction)

    def tap(name: str, value: Tensor) -> Tensor:
        if name in holds:
            value = value.expand(-1, len(units), -1).clone()
            holds[name](value[direction], units)
        return value

    taps: Sequence[Tap | None] = (tap, *[None] * inside.depth)
    below = inside.tracks[trace.layer - 1]
    memory = below.memory
    track = Track(
        below.hidden.expand(-1, len(units), -1), memory.expand(-1, -1, len(units), -1) if memory is not None else None
    )
    for above, number in enumerate(range(trace.layer - 1, inside.depth)):
        track, _ = network.stack.climb(number, track, tap=taps[above])
    return network.head(network.pooling(track.hidden.transpose(0, 1))).softmax(1).cpu().numpy()


@torch.no_grad()
def occlusion(model: TorchModel, inside: Inside, seconds: float = OCCLUDED_SECONDS) -> Floats:
    """The probability that the answer loses when the stretch around a frame is hidden: [frames].

    The features of the hidden frames are replaced by the recording's mean, as SpecAugment's masks do.
    """
    features = torch.from_numpy(inside.features).to(model.device)
    frame = torch.arange(len(features), device=features.device)
    reach = max(seconds * SAMPLE_RATE / inside.config.hop, 1) / 2
    hidden = (frame - frame[:, None]).abs() < reach
    copies = torch.where(hidden[..., None], features.mean(0), features)
    scores = torch.cat([model.network(part).softmax(1) for part in copies.split(BATCH)])
    return (probability(inside) - scores[:, best(inside)]).cpu().numpy()


def saliency(model: TorchModel, inside: Inside) -> Floats:
    """The norm of ∂ log p(answer) / ∂ (normalised features) of each frame: [frames]."""
    network = model.network
    features = torch.from_numpy(inside.features)[None].to(model.device)
    with torch.enable_grad():
        normalised = network.normalise(features).detach().requires_grad_()
        hidden, _ = network.stack(normalised)
        score = network.head(network.pooling(hidden)).log_softmax(1)[0, best(inside)]
        (gradient,) = torch.autograd.grad(score, normalised)
    return gradient[0].norm(dim=1).cpu().numpy()


def best(inside: Inside) -> int:
    """The index of the answer's label."""
    return inside.labels.index(inside.answer.label)


def probability(inside: Inside) -> float:
    return inside.answer.probability
