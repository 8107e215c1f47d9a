"""What a recurrent cell is: its sizes, its state, its gates by name and the equations of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError

State = tuple[Tensor, ...]  # in the order of Cell.state, each [directions, batch, hidden]
Tap = Callable[[str, Tensor], Tensor]  # is told a value's name, and returns what the step goes on with


def untapped(name: str, value: Tensor) -> Tensor:
    """The tap of a step that nobody looks into."""
    return value


@dataclass(frozen=True)
class Matrix:
    """A recurrent matrix of blocks of hidden × hidden numbers, each block orthogonal or the identity at first."""

    rows: int = 1
    columns: int = 1
    identity: bool = False


@dataclass(frozen=True)
class Vector:
    """One number for each hidden unit in each of some blocks, drawn evenly between `low` and `high` at first."""

    blocks: int = 1
    low: float = 0.0
    high: float = 0.0


Product = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Weights:
    """The weights of a layer as its cell's step sees them, by the names that the cell gave.

    A Matrix U is a function: `product["U"](x, h)` is x + U·h, for every direction its own U, with h [directions,
    batch, columns · hidden] and x [directions, batch, rows · hidden] or what can be broadcast to that. A Vector
    is a tensor [directions, 1, blocks · hidden].
    """

    product: dict[str, Product]
    vector: dict[str, Tensor]


@dataclass(frozen=True)
class Frame:
    """What one step is given beside the state.

    `x` [directions, batch, blocks · hidden] holds the input products W·x + b, in the order of `Cell.inputs`;
    for a cell with `bare_input` the input itself, `hidden` wide, follows them. `below` [directions, batch,
    hidden] is the memory that the layer below handed up. `index` counts the steps from 0; it is a tensor where the
    step is written down for a loop outside torch.
    """

    x: Tensor
    below: Tensor | None
    index: int | Tensor
    tap: Tap = untapped


class Track(NamedTuple):
    """What goes from layer to layer, in the order of time."""

    hidden: Tensor  # [frames, batch, size]; of two directions the forward one comes first
    memory: Tensor | None = None  # [directions, frames, batch, hidden]


class LayerLike(Protocol):
    """What a cell's kernel uses of its layer; `recurrent.layer.Layer` describes each."""

    directions: int

    @property
    def input(self) -> Tensor: ...

    @property
    def bias(self) -> Tensor | None: ...

    @property
    def product_dtype(self) -> torch.dtype: ...

    def get_parameter(self, target: str) -> Tensor: ...

    def weights(self) -> Weights: ...

    def torch_weights(self) -> list[Tensor]: ...

    def read(self, track: Track) -> Tensor: ...

    def directed(self, sequences: Tensor) -> Tensor: ...

    def track(self, hidden: Tensor, memory: Tensor | None = None) -> Track: ...


class Cell:
    """One kind of recurrent cell. A subclass names its parts and writes `step`; the engine does the rest.

    A cell knows nothing of time, layers or the order of the batch; the first axis of every tensor is the
    direction, of which there are one or two with weights of their own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    equations: ClassVar[str]  # in one line; ⊙ is the element-wise product, ⁻ marks the step before

    inputs: tuple[str, ...]  # blocks of the input product, each `hidden` wide; `__init__` may leave some out
    gates: tuple[str, ...] = ()  # what `step` tells the tap, gates first, then the candidate
    # What gates and state are called in full. A gate is a share from 0 to 1; a "candidate …" may have any value.
    roles: ClassVar[dict[str, str]] = {"h": "hidden state"}
    keeps: ClassVar[str] = ""  # the gate that says which share of its memory a unit keeps, as "f", or "1-z"
    state: ClassVar[tuple[str, ...]] = ("h",)  # the first is the output
    bias: ClassVar[bool] = True  # of the input products
    bare_input: ClassVar[bool] = False  # x itself enters the equations; projected where it isn't `hidden` wide
    reads_bands: ClassVar[bool] = False  # the input must be bands in the order of frequency: log-mel, not MFCC
    normalised_input: ClassVar[bool] = False  # batch normalisation of the input products
    hands_up: ClassVar[str] = ""  # which part of the state the layer above is given as a memory, if any
    above: ClassVar[str] = ""  # the cell of the layers above the first, where it is another one
    bands: int = 1  # equal parts of a frame's input, each with input products of its own by the same weights

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        """`below` is the size of the memory that the layer below hands up, 0 for none.

        Raises ConfigError for sizes that the cell can't have.
        """
        self.hidden, self.config, self.below = hidden, config, below

    @property
    def output_size(self) -> int:
        """Numbers that one direction gives for a frame: the width of the first part of the state."""
        return self.hidden

    def weights(self) -> dict[str, Matrix | Vector]:
        """The weights beside those of the input, by name."""
        return {}

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        """Set the biases of the input products [directions, blocks · hidden], which are 0, if that is not right."""

    def constrain(self, name: str, weight: Tensor) -> Tensor:
        """A weight as it enters the equations, where that isn't the parameter itself."""
        return weight

    def start(self, batch: int, directions: int, like: Tensor) -> State:
        """The state before the first frame: zeros."""
        return tuple(like.new_zeros(directions, batch, self.hidden) for _ in self.state)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        """The state after one frame."""
        raise NotImplementedError

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        """A faster way through the layer than the engine's loop, if there is one for this device and these settings.

        It is asked first where nobody looks inside and no frame is padding, and gives what `Layer.forward` gives.
        """
        return None

    def block(self, name: str) -> slice:
        """Where an input block lies in the last axis of `Frame.x` and of the input's weights and bias."""
        at = self.inputs.index(name)
        return slice(at * self.hidden, (at + 1) * self.hidden)


CELLS: dict[str, type[Cell]] = {}
C = TypeVar("C", bound=type[Cell])


def register(cell: C) -> C:
    """Make a class of cells known by its name: a decorator, also for cells outside this package."""
    known = CELLS.get(cell.name, cell)
    if (known.__module__, known.__qualname__) != (cell.__module__, cell.__qualname__):
        raise ConfigError(f"there are two cells of the name {cell.name!r}; rename one")
    CELLS[cell.name] = cell
    return cell
