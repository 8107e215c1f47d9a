"""The LSTM, its peepholes, and the eight variants of Greff et al. 2015 as settings of one family."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ClassVar

import torch
from torch import Tensor

from speech_lstm.recurrent.cell import Cell, Frame, LayerLike, Matrix, State, Track, Vector, Weights, register
from speech_lstm.recurrent.cells.lstm_layer import LSTMLayer


class Family(Cell):
    """Greff, Srivastava, Koutník, Steunebrink & Schmidhuber 2015, section II; a subclass names its parts.

    The published forward pass, whose y is called h here: z = g(W_z x + R_z y⁻ + b_z);
    i = σ(W_i x + R_i y⁻ + p_i ⊙ c⁻ + b_i); f likewise; c = z ⊙ i + c⁻ ⊙ f;
    o = σ(W_o x + R_o y⁻ + p_o ⊙ c + b_o); y = h(c) ⊙ o. A gate without an input block is open: 1.
    """

    paper = "Greff et al. 2015"
    inputs: tuple[str, ...] = ("i", "f", "z", "o")  # the order of torch.nn
    gates: tuple[str, ...] = ("i", "f", "o", "z")
    roles: ClassVar[dict[str, str]] = {
        "i": "input gate",
        "f": "forget gate",
        "o": "output gate",
        "z": "candidate",
        "c": "memory, long term",
        "h": "output, short term",
    }
    keeps = "f"
    state: ClassVar[tuple[str, ...]] = ("h", "c")
    peepholes: ClassVar[bool] = True
    input_activation: ClassVar[bool] = True
    output_activation: ClassVar[bool] = True

    @property
    def peeping(self) -> tuple[str, ...]:
        """The gates that read the memory, in the order of their weights."""
        return tuple(name for name in self.inputs if name != "z") if self.peepholes else ()

    def weights(self) -> dict[str, Matrix | Vector]:
        recurrent: dict[str, Matrix | Vector] = {"recurrent": Matrix(len(self.inputs))}
        return recurrent | ({"peepholes": Vector(len(self.peeping))} if self.peeping else {})

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        if "f" in self.inputs:
            bias[:, self.block("f")] = self.config.forget_bias

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h, c = state[:2]
        sums = weights.product["recurrent"](frame.x, h)
        return self.remember(frame, self.named(sums), c, weights)

    def named(self, sums: Tensor) -> dict[str, Tensor]:
        """The blocks of sums [directions, batch, blocks · hidden] by their names."""
        return dict(zip(self.inputs, sums.chunk(len(self.inputs), -1), strict=True))

    def remember(self, frame: Frame, sums: dict[str, Tensor], c: Tensor, weights: Weights) -> State:
        """The gates and the new state, given every block's sum of input, recurrent product and bias."""
        peepholes: dict[str, Tensor] = {}
        if self.peeping:
            blocks = weights.vector["peepholes"].chunk(len(self.peeping), -1)
            peepholes = dict(zip(self.peeping, blocks, strict=True))

        def gate(name: str, memory: Tensor) -> Tensor:
            if name not in sums:
                return torch.ones_like(c)
            seen = torch.addcmul(sums[name], peepholes[name], memory) if peepholes else sums[name]
            return seen.sigmoid()

        z = frame.tap("z", sums["z"].tanh() if self.input_activation else sums["z"])
        i = frame.tap("i", gate("i", c))
        f = frame.tap("f", self.forget(gate("f", c), i))
        c = torch.addcmul(f * c, i, z)
        o = frame.tap("o", gate("o", c))
        return self.after(o * (c.tanh() if self.output_activation else c), c, (i, f, o))

    def forget(self, f: Tensor, i: Tensor) -> Tensor:
        """The forget gate, given the uncoupled one and the input gate."""
        return f

    def after(self, h: Tensor, c: Tensor, gates: State) -> State:
        """The state after the step."""
        return h, c


def fused_lstm(x: Tensor, state: State, weights: list[Tensor], both: bool) -> tuple[Tensor, Tensor, Tensor]:
    """torch's own LSTM over frames x [frames, batch, inputs], both directions or one: hidden states, last h and c.

    oneDNN has no bfloat16 LSTM for a processor without AVX-512; there it computes in the precision of the weights.
    """
    lacking = x.device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    x = x.to(weights[0].dtype) if lacking else x
    with torch.autocast("cpu", enabled=False) if lacking else nullcontext():
        return torch.lstm(x, state, weights, True, 1, 0.0, torch.is_grad_enabled(), both, False)


@register
class LSTM(Family):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000: the LSTM of torch.nn, Greff's NP."""

    name = "lstm"
    title = "LSTM (NP: no peepholes)"
    paper = "Hochreiter & Schmidhuber 1997; Gers et al. 2000"
    equations = "i, f, o = σ(W x + U h⁻ + b); z = tanh(W x + U h⁻ + b); c = f ⊙ c⁻ + i ⊙ z; h = o ⊙ tanh(c)"
    peepholes = False

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        hidden, h, c = fused_lstm(track.hidden, state, layer.torch_weights(), layer.directions == 2)
        return Track(hidden), (h, c)


@register
class Peephole(Family):
    """Gers & Schmidhuber 2000: the gates read the memory, i and f the old one, o the new. Greff's vanilla LSTM."""

    name = "peephole"
    title = "peephole LSTM (Greff's vanilla)"
    paper = "Gers & Schmidhuber 2000"
    equations = (
        "i, f = σ(W x + U h⁻ + p ⊙ c⁻ + b); z = tanh(W x + U h⁻ + b); c = f ⊙ c⁻ + i ⊙ z; "
        "o = σ(W x + U h⁻ + p ⊙ c + b); h = o ⊙ tanh(c)"
    )

    def kernel(self, layer: LayerLike, track: Track, state: State, index: int) -> tuple[Track, State] | None:
        if not torch.is_grad_enabled():  # without a derivative the engine's loop is faster
            return None
        recurrent, peepholes = layer.get_parameter("recurrent"), layer.get_parameter("peepholes")
        weights = layer.input, layer.bias, recurrent, peepholes
        hidden, h, c = LSTMLayer.apply(track.hidden, *weights, *state, layer.product_dtype)
        return Track(hidden), (h, c)


@register
class NoInputGate(Family):
    """NIG: i = 1."""

    name = "nig"
    title = "no input gate"
    equations = "peephole with i = 1: c = f ⊙ c⁻ + z"
    inputs = ("f", "z", "o")


@register
class NoForgetGate(Family):
    """NFG: f = 1. Nothing bounds the memory."""

    name = "nfg"
    title = "no forget gate"
    equations = "peephole with f = 1: c = c⁻ + i ⊙ z"
    inputs = ("i", "z", "o")


@register
class NoOutputGate(Family):
    """NOG: o = 1."""

    name = "nog"
    title = "no output gate"
    equations = "peephole with o = 1: h = tanh(c)"
    inputs = ("i", "f", "z")


@register
class NoInputActivation(Family):
    """NIAF: g(x) = x."""

    name = "niaf"
    title = "no input activation function"
    equations = "peephole with z = W x + U h⁻ + b"
    input_activation = False


@register
class NoOutputActivation(Family):
    """NOAF: h(x) = x."""

    name = "noaf"
    title = "no output activation function"
    equations = "peephole with h = o ⊙ c"
    output_activation = False


@register
class Coupled(Family):
    """CIFG: f = 1 − i. The bias starts so that the forget gate is as open as `forget_bias` makes another LSTM's."""

    name = "cifg"
    title = "coupled input and forget gate"
    equations = "peephole with f = 1 − i: c = (1 − i) ⊙ c⁻ + i ⊙ z"
    inputs = ("i", "z", "o")

    @torch.no_grad()
    def initialise_bias(self, bias: Tensor) -> None:
        bias[:, self.block("i")] = -self.config.forget_bias

    def forget(self, f: Tensor, i: Tensor) -> Tensor:
        return 1 - i


@register
class FullGateRecurrence(Family):
    """FGR: nine more matrices feed the gates of the step before into those of this step."""

    name = "fgr"
    title = "full gate recurrence"
    equations = "peephole with i, f, o = σ(… + R i⁻ + R f⁻ + R o⁻): nine more matrices R"
    state = ("h", "c", "i⁻", "f⁻", "o⁻")

    def weights(self) -> dict[str, Matrix | Vector]:
        return super().weights() | {"feedback": Matrix(3, 3)}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        h, c, *gates = state
        sums = self.named(weights.product["recurrent"](frame.x, h))
        fed = weights.product["feedback"](h.new_zeros(()), torch.cat(gates, -1))
        for name, part in zip(("i", "f", "o"), fed.chunk(3, -1), strict=True):
            sums[name] = sums[name] + part
        return self.remember(frame, sums, c, weights)

    def after(self, h: Tensor, c: Tensor, gates: State) -> State:
        return h, c, *gates
