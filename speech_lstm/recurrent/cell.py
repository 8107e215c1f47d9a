"""The contract of a recurrent cell: its sizes, its state, its gates by name and the equations of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from speech_lstm.config import NetworkConfig
from speech_lstm.errors import ConfigError

State = tuple[Tensor, ...]  # in the order of Cell.state, each [directions, batch, hidden]
Tap = Callable[[str, Tensor], Tensor]  # the name of a value and the value → the value that the step continues with


def untapped(name: str, value: Tensor) -> Tensor:
    """The tap that changes nothing."""
    return value


@dataclass(frozen=True)
class Matrix:
    """A recurrent matrix of blocks of hidden × hidden numbers, each initialised orthogonal or as the identity."""

    rows: int = 1
    columns: int = 1
    identity: bool = False


@dataclass(frozen=True)
class Vector:
    """Blocks of one number for each hidden unit, initialised evenly between `low` and `high`."""

    blocks: int = 1
    low: float = 0.0
    high: float = 0.0


Product = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Weights:
    """The weights of a layer as its cell's step uses them, by the names of `Cell.weights`.

    A Matrix U is a function: `product["U"](x, h)` is x + U·h, with a U for each direction, h [directions, batch,
    columns · hidden] and x [directions, batch, rows · hidden] or of a shape that broadcasts to it. A Vector is a
    tensor [directions, 1, blocks · hidden].
    """

    product: dict[str, Product]
    vector: dict[str, Tensor]


@dataclass(frozen=True)
class Frame:
    """The inputs of one step besides the state.

    `x` [directions, batch, blocks · hidden] holds the input products W·x + b, in the order of `Cell.inputs`;
    for a cell with `bare_input` the input itself, `hidden` wide, follows them. `below` [directions, batch,
    hidden] is the memory that the layer below handed up. `index` counts the steps from 0; it is a tensor while
    the step is traced for export.
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

    A cell does not deal with time, layers or the order of the batch. The first axis of every tensor is the
    direction: one or two, each with its own weights.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    equations: ClassVar[str]  # in one line; ⊙ is the element-wise product, ⁻ marks the step before

    inputs: tuple[str, ...]  # blocks of the input product, each `hidden` wide; `__init__` may remove some
    gates: tuple[str, ...] = ()  # the names of what `step` passes to the tap, gates first, then the candidate
    # The full names of gates and state. A gate is between 0 and 1; a "candidate …" may have any value.
    roles: ClassVar[dict[str, str]] = {"h": "hidden state"}
    keeps: ClassVar[str] = ""  # the share of its memory that a unit keeps, by the gate: "f", or "1-z"
    state: ClassVar[tuple[str, ...]] = ("h",)  # the first is the output
    bias: ClassVar[bool] = True  # of the input products
    bare_input: ClassVar[bool] = False  # x itself enters the equations; projected if it is not `hidden` wide
    reads_bands: ClassVar[bool] = False  # the input must be bands in the order of frequency: log-mel, not MFCC
    normalised_input: ClassVar[bool] = False  # batch normalisation of the input products
    hands_up: ClassVar[str] = ""  # the part of the state that goes to the layer above as `Frame.below`, if any
    above: ClassVar[str] = ""  # the cell of the layers above the first, if it is another one
    bands: int = 1  # equal parts of a frame's input, each with input products of its own by the same weights

    def __init__(self, hidden: int, config: NetworkConfig, below: int = 0) -> None:
        """`below` is the size of the memory that the layer below hands up, 0 for none.

        Raises ConfigError for sizes that the cell cannot have.
        """
        self.hidden, self.config, self.below = hidden, config, below

    @property
    def output_size(self) -> int:
        """Numbers that one direction gives for a frame: the width of the first part of the state."""
        return self.hidden

    def weights(self) -> dict[str, Matrix | Vector]:
        """The weights besides those of the input, by name."""
        return {}

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        """Set the biases of the input products [directions, blocks · hidden], which are 0 before the call."""

    def constrain(self, name: str, weight: Tensor) -> Tensor:
        """A weight as it enters the equations: the parameter itself, or a bounded or masked one."""
        return weight

    def start(self, batch: int, directions: int, like: Tensor) -> State:
        """The state before the first frame: zeros."""
        return tuple(like.new_zeros(directions, batch, self.hidden) for _ in self.state)

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        """The state after one frame."""
        raise NotImplementedError

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        """The result of `Layer.forward` by a faster way than the engine's loop; None if there is none for this device
        and these settings.

        It is tried first, unless there is a tap or a frame of padding.
        """
        return None

    def block(self, name: str) -> slice:
        """The place of an input block in the last axis of `Frame.x` and of the input's weights and bias."""
        number = self.inputs.index(name)
        return slice(number * self.hidden, (number + 1) * self.hidden)


CELLS: dict[str, type[Cell]] = {}
C = TypeVar("C", bound=type[Cell])


def register(cell: C) -> C:
    """Register a class of cells by its name: a decorator, also for cells outside this package."""
    other = CELLS.get(cell.name, cell)
    if (other.__module__, other.__qualname__) != (cell.__module__, cell.__qualname__):
        raise ConfigError(f"there are two cells of the name {cell.name!r}; rename one")
    CELLS[cell.name] = cell
    return cell
