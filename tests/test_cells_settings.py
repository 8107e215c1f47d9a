"""Cells in a network: parameters, first biases, half precision, the model file, and settings they cannot have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from speech_lstm.config import FeatureConfig, NetworkConfig, TrainingConfig
from speech_lstm.errors import ConfigError
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.model.network import Network
from speech_lstm.recurrent.cell import CELLS, Matrix
from speech_lstm.recurrent.stack import Carry, Stack
from speech_lstm.training.optimiser import parameter_groups
from support import naive_cells
from support.cell_networks import DEVICES, frames, randomise, settings_of

FEATURES = FeatureConfig(kind="log-mel", mels=6)
every_cell = pytest.mark.parametrize("name", naive_cells.CELLS)


# --- parameters --------------------------------------------------------------------------------------------------


def lstm_like(blocks: int, peepholes: int = 0, matrices: int = 0) -> Callable[[int, int], int]:
    return lambda i, h: blocks * h * (i + h + 1) + peepholes * h + matrices * h * h


# Of a layer and direction, for i inputs and h hidden units.
PARAMETERS: dict[str, Callable[[int, int], int]] = {
    "lstm": lstm_like(4),
    "peephole": lstm_like(4, 3),
    **dict.fromkeys(("nig", "nfg", "nog", "cifg"), lstm_like(3, 2)),
    **dict.fromkeys(("niaf", "noaf"), lstm_like(4, 3)),
    "fgr": lstm_like(4, 3, 9),
    **dict.fromkeys(("rnn", "rnn-relu", "irnn"), lstm_like(1)),
    "gru": lambda i, h: 3 * h * (i + h + 1) + h,  # a second bias, which the reset gate lets through
    "gru-cho": lstm_like(3),
    # A bare x is projected where it isn't as wide as h.
    "mut1": lambda i, h: (i * h if i != h else 0) + 2 * h * h + 2 * h * h + 3 * h,
    "mut2": lambda i, h: (i * h if i != h else 0) + 2 * h * h + 3 * h * h + 3 * h,
    "mut3": lstm_like(3),
    "ligru": lambda i, h: 2 * h * (i + h) + 4 * h,  # scale and shift of the normalisation
    "indrnn": lambda i, h: h * (i + 1) + h,
    "mingru": lambda i, h: 2 * h * (i + 1),
    "minlstm": lambda i, h: 3 * h * (i + 1),
    "depth-gated": lstm_like(4, 3),  # as nothing is below
    "clockwork": lstm_like(1),  # the blocks below the diagonal, which have no part in it, counted
    "grid": lstm_like(7),  # two LSTMs; depth's memory has nothing to forget
    "grid-tf": lambda i, h: 8 * h // 4 * (i // 2 + 2 * h // 4 + 1),  # two LSTMs for all of 2 bands
}
ABOVE = PARAMETERS | {  # in the layers above the first
    "depth-gated": lambda i, h: 4 * h * (i + h + 1) + 3 * h + h * (i + 1) + 2 * h,
    "grid": lstm_like(8),
    "grid-tf": lstm_like(4),
}


@every_cell
@settings(max_examples=4, deadline=None)
@given(i=st.sampled_from([2, 4, 6, 8]), h=st.sampled_from([4, 8]), both=st.booleans())
def test_a_stack_has_the_parameters_of_the_formula(name: str, i: int, h: int, both: bool) -> None:
    directions, config = 2 if both else 1, settings_of(name, hidden=h, bidirectional=both)
    want = directions * (PARAMETERS[name](i, h) + ABOVE[name](h * directions, h))
    assert sum(weight.numel() for weight in Stack(i, config).parameters()) == want


# --- what weights start as ---------------------------------------------------------------------------------------


MEMORIES = ("c", "m", "m_time")  # the parts of a state that a forget gate keeps
WITH_MEMORY = [name for name in naive_cells.CELLS if set(MEMORIES) & set(CELLS[name].state)]


@pytest.mark.parametrize("bias", [1.0, -0.5])
@pytest.mark.parametrize("name", WITH_MEMORY)
def test_the_forget_bias_keeps_the_memory(name: str, bias: float) -> None:
    """With no matrices only the biases act: a memory shrinks by σ(forget bias) at each step."""
    stack = Stack(6, settings_of(name, forget_bias=bias, layers=1)).double()
    layer = stack.layers[0]
    memory = next(i for i, part in enumerate(layer.cell.state) if part in MEMORIES)
    with torch.no_grad():
        for key, weight in layer.named_parameters():
            if key != "bias":
                weight.zero_()
    start = list(layer.cell.start(2, 2, layer.input))
    start[memory] = torch.ones_like(start[memory])
    _, carry = stack(frames(length=5), carry=Carry((tuple(start),), 0))
    share = 1.0 if name == "nfg" else torch.tensor(bias).double().sigmoid().item() ** 5
    last = carry.states[0][memory]
    torch.testing.assert_close(last, torch.full_like(last, share), rtol=1e-6, atol=0)


def test_the_identity_is_what_an_irnn_starts_with() -> None:
    layer = Stack(6, settings_of("irnn")).layers[1]
    assert torch.equal(layer.recurrent, torch.eye(4).expand(2, 4, 4))
    assert not layer.bias.any()


@every_cell
def test_recurrent_blocks_start_orthogonal(name: str) -> None:
    torch.manual_seed(0)
    for layer in Stack(6, settings_of(name, hidden=8)).layers:
        for key, spec in layer.specs.items():
            if isinstance(spec, Matrix):
                size = layer.cell.hidden
                for rows in layer.get_parameter(key).split(size, 1):
                    for block in rows.split(size, 2):
                        product = block @ block.mT
                        torch.testing.assert_close(product, torch.eye(size).expand_as(product), rtol=0, atol=1e-5)


@every_cell
def test_only_matrices_decay(name: str) -> None:
    """A bias, a forget gate's at that, a peephole or a scale that shrank would be no part of the recipe."""
    network = Network(FEATURES, settings_of(name), 3)
    decaying, constant = ({id(p) for p in group["params"]} for group in parameter_groups(network, TrainingConfig()))
    matrices = {id(module.weight) for module in network.modules() if isinstance(module, torch.nn.Linear)}
    for layer in network.stack.layers:
        names = ["input", *["front"] * (layer.front is not None)]
        names += [key for key, spec in layer.specs.items() if isinstance(spec, Matrix)]
        matrices |= {id(layer.get_parameter(key)) for key in names}
    assert decaying == matrices
    assert constant == {id(p) for p in network.parameters()} - matrices


# --- half precision ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@every_cell
def test_bfloat16_autocast_is_close_and_trains(name: str, device: str) -> None:
    torch.manual_seed(0)
    network = Network(FEATURES, settings_of(name, hidden=8), 3).to(device)
    features, target = frames(8).float().to(device), torch.arange(8, device=device) % 3

    def logits_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        logits = network(features).float()
        gradients = torch.autograd.grad(cross_entropy(logits, target), list(network.parameters()))
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
        return logits, torch.cat([gradient.flatten() for gradient in gradients])

    exact, want = logits_and_gradient()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    with torch.autocast(device, torch.bfloat16):
        rough, gradient = logits_and_gradient()
        losses = []
        for _ in range(6):
            losses.append(cross_entropy(network(features).float(), target))
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.03)
    assert torch.cosine_similarity(gradient, want, 0) > 0.99
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize("name", ["lstm", "grid", "grid-tf"])
def test_a_processor_whose_library_has_no_bfloat16_lstm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fused LSTM stays in float32, whatever the layers around it do."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    config = settings_of(name, tied=name != "grid-tf")  # of tied layers the input is half precision
    stack, features = Stack(6, config), frames().float()
    with torch.autocast("cpu", torch.bfloat16):
        rough, carry = stack(features)
    torch.testing.assert_close(rough.float(), stack(features)[0], rtol=0, atol=0.03)
    assert all(part.dtype == torch.float32 for state in carry.states for part in state)
    rough.float().sum().backward()


# --- the model file ----------------------------------------------------------------------------------------------


@every_cell
def test_a_model_of_every_cell_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    path, config = tmp_path / "m.safetensors", settings_of(name)
    network = randomise(Network(FEATURES, config, 2).eval().requires_grad_(False))
    save_model(path, Model(network, FEATURES, config, ("a", "b")))
    back = load_model(path)
    assert back.config == config
    features = frames().float()
    for lengths in (None, torch.tensor([7, 3])):
        assert torch.equal(back.network(features, lengths), network(features, lengths))


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"cell": "peepole"}, "unknown cell 'peepole'; did you mean 'peephole'? known are "),
        ({"cell": "LSTM"}, "unknown cell 'LSTM'; did you mean 'lstm'? known are "),
        ({"cell": "Depth_Gated"}, "did you mean 'depth-gated'? known are "),
        ({"cell": "transformer"}, "unknown cell 'transformer'; "),
        ({"cell": ""}, "unknown cell ''; "),
        ({"cell": "lstm", "tied": True, "sizes": "4,6"}, "tied layers"),
        ({"cell": "clockwork", "hidden": 10, "clocks": 4}, "clocks"),
        ({"cell": "clockwork", "hidden": 2, "clocks": 4}, "clocks"),
        ({"cell": "depth-gated", "sizes": "8,4"}, "depth gate"),
        ({"cell": "grid", "sizes": "8,4"}, "make all sizes equal"),
        ({"cell": "grid", "sizes": "8,4", "tied": True}, "tied layers"),
        ({"cell": "grid-tf", "bands": 7}, "bands"),
    ],
)
def test_sizes_that_a_cell_can_t_have_are_refused_in_one_line(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Stack(6, NetworkConfig(**config))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
