"""The inside of a network while it reads a recording: every gate, memory and output of every layer and frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.audio.wav_file import wav_bytes
from speech_lstm.config import SAMPLE_RATE, FeatureConfig
from speech_lstm.errors import ConfigError, printable
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recurrent.cell import Cell, Tap, Track
from speech_lstm.report.notebook import card, heat_map, paragraph, pictures, player
from speech_lstm.report.plotting import SHARES, SIGNED, symmetric
from speech_lstm.report.tables import percent, quantity

if TYPE_CHECKING:
    from speech_lstm.model.torch_model import TorchModel

Floats = NDArray[np.float32]
Direction = Literal["forward", "backward"]
SHUT = 1e-12  # takes the place of a gate of 0, whose logarithm would be infinite
BATCH = 128  # copies of a recording that run at a time
DIRECTIONS: tuple[Direction, Direction] = ("forward", "backward")


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction. Row t of every array is frame t of the recording, in both directions."""

    layer: int  # from 1
    direction: Direction
    cell: Cell
    values: dict[str, Floats]  # [frames, units] each: the gates, the candidate, then the state

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the gates, whose values are from 0 to 1."""
        return tuple(name for name in self.internals if not self.role(name).startswith("candidate"))

    @property
    def internals(self) -> tuple[str, ...]:
        """The names of gates and candidates, in the cell's order."""
        return tuple(name for name in self.values if name not in self.state)

    @property
    def state(self) -> tuple[str, ...]:
        """The names of the parts of the state, which the next frame reads; the first is the output."""
        return self.cell.state

    def role(self, name: str) -> str:
        """The full name of a value; its short name if the cell does not give one."""
        return self.cell.roles.get(name, name)

    def __repr__(self) -> str:
        return f"<LayerTrace: layer {self.layer}, {self.direction}, {self.size}: {', '.join(self.values)}>"

    @property
    def size(self) -> str:
        """The cell and the shape of the values, for people."""
        frames, units = next(iter(self.values.values())).shape
        return f"{self.cell.name}, {quantity(frames, 'frame')} of {quantity(units, 'unit')}"

    def heat_map(self, name: str) -> str:
        """A picture of a gate, candidate or part of the state, for notebooks."""
        values = self[name]
        return (
            heat_map(values, (0.0, 1.0), SHARES)
            if name in self.gates
            else heat_map(values, symmetric([values]), SIGNED)
        )

    def __getitem__(self, name: str) -> Floats:
        """The values of a gate, candidate or part of the state, float32 [frames, units]; raises ConfigError."""
        if name not in self.values:
            raise ConfigError(
                f"the cell {self.cell.name!r} has no {name!r} in layer {self.layer}; it has {', '.join(self.values)}"
            )
        return self.values[name]

    @property
    def retention(self) -> Floats | None:
        """The share of its memory that each unit keeps at each frame [frames, units]; None without such a gate."""
        keeps = self.cell.keeps
        return (1 - self[keeps[2:]] if keeps.startswith("1-") else self[keeps]) if keeps else None

    def half_lives(self, hop_seconds: float) -> NDArray[np.float64] | None:
        """The time in seconds in which a unit's memory falls to half, at its mean rate over the recording: [units].

        The share kept over T frames is the product of `retention`, so the rate is the mean of its logarithms.
        """
        if self.retention is None:
            return None
        loss = -np.log(np.clip(self.retention.astype(np.float64), SHUT, 1)).mean(0)
        return hop_seconds * np.log(2) / np.maximum(loss, SHUT)


@dataclass(frozen=True)
class Inside:
    """A recording of up to a second, and all values in the network that reads it."""

    waveform: Floats  # [samples] at 16 kHz
    start: float  # seconds from the beginning of the recording; below 0 if silence was added before it
    features: Floats  # [frames, size] MFCC or log-mel
    normalised: Floats  # [frames, size] the features as the first layer reads them
    posteriors: Floats  # [frames, labels]: the answer if the recording ended with that frame
    answer: Prediction
    labels: tuple[str, ...]
    config: FeatureConfig
    traces: tuple[LayerTrace, ...]  # layer by layer, forward before backward
    tracks: tuple[Track, ...]  # the input of each layer, for `influence`

    def __repr__(self) -> str:
        answer, trace = self.answer, self.traces[0]
        return (
            f"<Inside: {printable(answer.label)} {percent(answer.probability)}, {answer.place}; "
            f"{quantity(self.depth, 'layer')}, {trace.size}: {', '.join(trace.values)}>"
        )

    def _repr_html_(self) -> str:
        """The sound, the answer, and maps of the features and of the first layer, for notebooks."""
        trace = self.traces[0]
        caption = (
            f"layer {trace.layer} of {self.depth}, {trace.direction}, {trace.size}; {self.answer.place} to the right"
        )
        maps = [("features", heat_map(self.normalised, symmetric([self.normalised]), SIGNED))]
        maps += [(f"{name}  {trace.role(name)}", trace.heat_map(name)) for name in trace.values]
        return card(player(wav_bytes(self.waveform)), self.answer._repr_html_(), paragraph(caption), pictures(maps))

    @property
    def times(self) -> NDArray[np.float64]:
        """The middle of each frame, in seconds from the beginning of the recording: [frames]."""
        return self.start + (np.arange(len(self.features)) * self.config.hop + self.config.window / 2) / SAMPLE_RATE

    @property
    def depth(self) -> int:
        """Layers of the network."""
        return self.traces[-1].layer

    def trace(self, layer: int = 1, direction: str = "forward") -> LayerTrace:
        """One layer in one direction; raises ConfigError if the network does not have it."""
        for trace in self.traces:
            if (trace.layer, trace.direction) == (layer, direction):
                return trace
        if layer not in range(1, self.depth + 1):
            raise ConfigError(f"there is no layer {layer}; the network has layers 1 to {self.depth}")
        raise ConfigError(
            f"the network does not read {direction}; it reads {' and '.join({t.direction: 0 for t in self.traces})}"
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All arrays by name: `waveform`, `features`, `normalised`, `times`, `posteriors`, `labels`; and those of
        each layer and direction, with names such as `layer1.forward.f`."""
        arrays: dict[str, NDArray[np.generic]] = {
            "waveform": self.waveform,
            "features": self.features,
            "normalised": self.normalised,
            "times": self.times,
            "posteriors": self.posteriors,
            "labels": np.array(self.labels),
        }
        for trace in self.traces:
            arrays |= {f"layer{trace.layer}.{trace.direction}.{name}": array for name, array in trace.values.items()}
        return arrays


@torch.no_grad()
def look_inside(model: TorchModel, waveform: Floats, start: float = 0.0) -> Inside:
    """Run the network step by step over a waveform float32 [samples], 16 kHz, and record every value.

    `start` is the time in seconds at which the waveform begins in a longer recording. Raises RecordingError for a
    waveform shorter than one window.
    """
    network = model.network
    features = model.front_end(torch.from_numpy(waveform)[None].to(model.device))
    normalised = network.normalise(features)
    track = network.stack.begin(normalised)
    tracks, traces = [], []
    for number in range(network.stack.depth):
        tracks.append(track)
        steps: dict[str, list[Tensor]] = {}
        track, _ = network.stack.climb(number, track, tap=collector(steps))
        traces += list(traces_of(number + 1, network.stack.layer(number).cell, steps))
    scores = network.head(network.pooling(track.hidden.transpose(0, 1))).softmax(1)[0].cpu().numpy()
    return Inside(
        waveform=waveform,
        start=start,
        features=features[0].cpu().numpy(),
        normalised=normalised[0].cpu().numpy(),
        posteriors=posteriors_by_end(model, features),
        answer=Prediction.of(model.labels, scores, start, start + len(waveform) / SAMPLE_RATE),
        labels=model.labels,
        config=model.features,
        traces=tuple(traces),
        tracks=tuple(tracks),
    )


def collector(steps: dict[str, list[Tensor]]) -> Tap:
    """A tap that collects the values of every step, by name."""

    def tap(name: str, value: Tensor) -> Tensor:
        steps.setdefault(name, []).append(value)
        return value

    return tap


def traces_of(layer: int, cell: Cell, steps: dict[str, list[Tensor]]) -> Iterator[LayerTrace]:
    """The values of a layer for one recording, for each direction; the backward ones in the order of the frames.

    The bands of a gate, which the tap sees as `i.0`, `i.1` and so on, become the units of one gate `i`.
    """
    values: dict[str, Tensor] = {}
    for name in (*cell.gates, *cell.state):
        if name in steps:
            gate, value = name.partition(".")[0], torch.stack(steps[name])[:, :, 0].cpu()
            values[gate] = torch.cat([values[gate], value], -1) if gate in values else value
    directions = next(iter(values.values())).shape[1]
    for index, direction in enumerate(DIRECTIONS[:directions]):
        arrays = {name: value[:, index].numpy() for name, value in values.items()}
        by_frame = {name: np.ascontiguousarray(array[::-1] if index else array) for name, array in arrays.items()}
        yield LayerTrace(layer, direction, cell, by_frame)


def posteriors_by_end(model: TorchModel, features: Tensor) -> Floats:
    """The posteriors if the recording ended with each of its frames: features [1, frames, size] → float32
    [frames, labels]."""
    frames = features.shape[1]
    lengths = torch.arange(1, frames + 1, device=features.device)
    answers = [
        model.network(features[:, : int(part.max())].expand(len(part), -1, -1), part).softmax(1)
        for part in lengths.split(BATCH)
    ]
    return torch.cat(answers).cpu().numpy()
