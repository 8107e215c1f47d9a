"""Training with the state that a network of one direction carries from second to second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from speech_lstm.errors import ConfigError
from speech_lstm.training.carrying import CarriedStates
from speech_lstm.training.run import train
from support.command_line import refusal
from support.exported_models import model_of
from support.training_runs import TINY, check_resumption, history

ONE_WAY = replace(
    TINY,
    network=replace(TINY.network, bidirectional=False, dropout=0.0),
    training=replace(TINY.training, carry=0.9),
)


@pytest.mark.parametrize("cell", ["lstm", "gru-cho", "clockwork"])
def test_a_row_goes_on_where_the_row_of_the_batch_before_ended(cell: str) -> None:
    network = model_of(cell, bidirectional=False).network
    first, second = torch.randn(2, 3, 40, 8).unbind(0)
    carried = CarriedStates(network, 1.0, 3)
    torch.testing.assert_close(carried.logits(first, 0), network(first))
    hidden, _ = network.stack(network.normalise(torch.cat([first, second], 1)))
    expected = network.head(network.pooling(hidden[:, 40:]))
    torch.testing.assert_close(carried.logits(second, 1), expected)


def test_the_other_rows_begin_as_recordings_alone() -> None:
    network = model_of("lstm", bidirectional=False).network
    first, second = torch.randn(2, 64, 40, 8).unbind(0)
    carried = CarriedStates(network, 0.5, 64)
    carried.logits(first, 0)
    alone = torch.isclose(carried.logits(second, 1), network(second)).all(1)
    assert 16 < int(alone.sum()) < 48


def test_no_gradient_goes_back_into_the_second_before() -> None:
    network = model_of("lstm", bidirectional=False).network
    first = torch.randn(2, 40, 8, requires_grad=True)
    carried = CarriedStates(network, 1.0, 2)
    carried.logits(first, 0)
    assert not any(part.requires_grad for part in carried.tensors().values())


def test_a_resumed_run_goes_on_with_the_states(tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_resumption(ONE_WAY, demo, tmp_path, monkeypatch)
    without = replace(ONE_WAY, training=replace(ONE_WAY.training, carry=0.0))
    train(without, demo, tmp_path / "without", progress=False)
    assert history(tmp_path / "without") != history(tmp_path / "straight")


def test_a_network_of_both_directions_carries_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, demo: Path
) -> None:
    message = refusal(capsys, "train", "--data", demo, "--out", tmp_path / "run", "--carry", "0.9")
    assert "--bidirectional false" in message
    with pytest.raises(ConfigError, match="one direction"):
        replace(ONE_WAY, network=replace(ONE_WAY.network, bidirectional=True))
