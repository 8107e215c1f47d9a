"""A custom cell: the minimal gated unit of Zhou, Wu, Zhang & Zhou 2016. own_cell.md explains it.

speech-lstm train --plugin docs/own_cell.py --cell mgu --data data/demo --config scripts/demo.toml --out runs/mgu
"""

from typing import ClassVar

from torch import Tensor

from speech_lstm.recurrent.cell import Cell, Frame, Matrix, State, Vector, Weights, register


@register
class MinimalGatedUnit(Cell):
    """A GRU whose one gate decides what is forgotten and what the candidate reads of the old state."""

    name = "mgu"
    title = "minimal gated unit"
    paper = "Zhou, Wu, Zhang & Zhou 2016"
    equations = "f = σ(W x + U h⁻ + b); z = tanh(W x + U (f ⊙ h⁻) + b); h = (1 − f) ⊙ h⁻ + f ⊙ z"
    inputs = ("f", "z")
    gates = ("f", "z")
    roles: ClassVar[dict[str, str]] = {"f": "forget gate", "z": "candidate", "h": "hidden state"}
    keeps = "1-f"

    def weights(self) -> dict[str, Matrix | Vector]:
        return {"gate": Matrix(), "candidate": Matrix()}

    def initialise_bias(self, bias: Tensor) -> None:
        bias[:, self.block("f")] = -self.config.forget_bias  # f = 0 keeps everything

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        (h,) = state
        x_f, x_z = frame.x.chunk(2, -1)
        f = frame.tap("f", weights.product["gate"](x_f, h).sigmoid())
        z = frame.tap("z", weights.product["candidate"](x_z, f * h).tanh())
        return ((1 - f) * h + f * z,)
