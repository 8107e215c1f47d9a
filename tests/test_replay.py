"""What a GPU replays against the same passes launched one by one."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from speech_lstm.config import AugmentConfig, Config, CorpusConfig, FeatureConfig, NetworkConfig, TrainingConfig
from speech_lstm.model.network import Network
from speech_lstm.recurrent.cell import CELLS, Cell, Frame, Matrix, State, Vector, Weights
from speech_lstm.training import replay
from speech_lstm.training.run import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device is missing")
FEATURES = FeatureConfig(kind="log-mel", mels=16)
SMALL = NetworkConfig(layers=2, hidden=8, clocks=2, bands=2, dropout=0.0)


def network(**changes: Any) -> Network:
    torch.manual_seed(0)
    return Network(FEATURES, replace(SMALL, **changes), 5).cuda().train()


def features(seed: int, batch: int = 3) -> Tensor:
    return torch.randn(batch, 11, FEATURES.size, generator=torch.Generator().manual_seed(seed)).cuda()


def gradients(network: Network, inputs: Tensor, precision: torch.dtype = torch.float32) -> list[Tensor]:
    network.zero_grad()
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == torch.bfloat16):
        logits = network(inputs).float()
    (logits * torch.arange(5, device="cuda")).square().sum().backward()
    grads = [weight.grad for weight in network.parameters()]
    return [logits.detach().clone(), *[torch.zeros(()) if g is None else g.clone() for g in grads]]


def pair(precision: torch.dtype = torch.float32, **changes: Any) -> tuple[Network, Network]:
    """A network whose passes are launched, and its copy whose passes are replayed."""
    launched = network(**changes)
    replayed = copy.deepcopy(launched)
    assert replay.capture(replayed, features(0), precision)
    return launched, replayed


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", list(CELLS))
def test_every_cell_is_replayed_as_it_is_launched(name: str, precision: torch.dtype) -> None:
    close = 1e-4 if precision == torch.float32 else 0.02  # the library may cut products of bfloat16 differently
    launched, replayed = pair(precision, cell=name)
    for seed in (1, 2):
        expected, actual = (gradients(net, features(seed), precision) for net in (launched, replayed))
        for one, other in zip(expected, actual, strict=True):
            assert (other - one).norm() <= close * one.norm() + 1e-6
    for one, other in zip(launched.buffers(), replayed.buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)


def test_a_step_of_the_optimiser_is_seen() -> None:
    launched, replayed = pair()
    for net in (launched, replayed):
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
        for seed in range(5):
            gradients(net, features(seed))
            optimizer.step()
    for one, other in zip(launched.parameters(), replayed.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def test_recognition_takes_batches_of_any_size() -> None:
    launched, replayed = pair()
    for batch in (1, 7):
        inputs = features(1, batch)
        torch.testing.assert_close(replayed.eval()(inputs), launched.eval()(inputs))


def test_dropout_follows_the_seed() -> None:
    _, replayed = pair(dropout=0.5)
    drawn = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        drawn.append(gradients(replayed, features(0))[0])
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_a_capture_whose_network_is_gone_gives_its_memory_back() -> None:
    reserved = []
    for _ in range(6):
        replay.capture(network(hidden=64), features(0), torch.float32)
        reserved.append(torch.cuda.memory_reserved())
    assert reserved[5] == reserved[2]


class Curious(Cell):
    """Reads a number back at each step."""

    name, title, paper, equations, inputs = "curious", "Curious", "None", "h = W x + h⁻", ("h",)

    def weights(self) -> dict[str, Matrix | Vector]:
        return {}

    def step(self, frame: Frame, state: State, weights: Weights) -> State:
        return (frame.x + state[0] if float(state[0].detach().sum()) > -1e9 else frame.x,)


def test_a_cell_that_reads_numbers_back_is_launched_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CELLS, "curious", Curious)
    launched = network(cell="curious")
    copied = copy.deepcopy(launched)
    assert not replay.capture(copied, features(0), torch.float32)
    assert torch.cuda.get_sync_debug_mode() == 0
    for one, other in zip(gradients(launched, features(1)), gradients(copied, features(1)), strict=True):
        assert torch.equal(one, other)


def test_a_training_learns_the_same(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(
        FeatureConfig(hop_ms=20.0),
        NetworkConfig(cell="peephole", layers=1, hidden=16, dropout=0.0),
        AugmentConfig(),
        CorpusConfig(labels="yes,no"),
        TrainingConfig(epochs=3, batch=8, precision="float32", device="cuda"),
    )
    replayed = train(config, demo, tmp_path / "replayed", progress=False)["history"]
    monkeypatch.setattr(replay, "capture", lambda *_: False)
    launched = train(config, demo, tmp_path / "launched", progress=False)["history"]
    losses = [[epoch["train_loss"] for epoch in history] for history in (replayed, launched)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
