"""The network: each part held against torch's own or against its definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError
from speech_lstm.model.network import (
    AttentionPooling,
    InputBatchNorm,
    LastPooling,
    MeanPooling,
    Network,
    QueryPooling,
)
from speech_lstm.recurrent.cell import Track
from speech_lstm.recurrent.stack import Stack

FEATURES = FeatureConfig(mels=12, coefficients=7)
SMALL = NetworkConfig(layers=2, hidden=6, dropout=0.0, heads=3)


def build(config: NetworkConfig = SMALL, labels: int = 4) -> Network:
    torch.manual_seed(0)
    return Network(FEATURES, config, labels)


def frames(batch: int = 3, length: int = 9, size: int = FEATURES.size) -> Tensor:
    return torch.randn(batch, length, size, generator=torch.Generator().manual_seed(1))


# --- the stack ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [1.0, 0.0, -2.5])
def test_the_bias_of_the_forget_gate_starts_as_the_setting_says(bias: float) -> None:
    for layer in Stack(7, replace(SMALL, forget_bias=bias)).layers:
        want = torch.zeros(2, 4, SMALL.hidden)
        want[:, 1] = bias  # torch's order: input, forget, candidate, output
        assert torch.equal(layer.bias, want.flatten(1))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_stack_is_the_lstm_of_torch(bidirectional: bool, layers: int) -> None:
    stack = Stack(7, replace(SMALL, bidirectional=bidirectional, layers=layers))
    other = torch.nn.LSTM(7, 6, layers, batch_first=True, bidirectional=bidirectional)
    weights = [weight for layer in stack.layers for weight in layer.torch_weights()]
    other.load_state_dict(dict(zip(other.state_dict(), weights, strict=True)))
    torch.testing.assert_close(stack(frames())[0], other(frames())[0])


def test_recurrent_weights_start_orthogonal_for_each_gate() -> None:
    for direction in Stack(7, SMALL).layers[1].recurrent:
        for gate in direction.chunk(4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)


def test_a_direction_sees_only_its_side() -> None:
    """Changing one frame changes forward states from there on and backward states up to there."""
    stack, changed = Stack(7, replace(SMALL, layers=1)), frames(1)
    changed[0, 4] += 1
    moved = (stack(frames(1))[0] != stack(changed)[0])[0]
    assert moved[:, :6].any(1).tolist() == [False] * 4 + [True] * 5
    assert moved[:, 6:].any(1).tolist() == [True] * 5 + [False] * 4


def test_dropout_between_the_layers_acts_in_training_only() -> None:
    stack = Stack(7, replace(SMALL, dropout=0.5))
    assert not torch.equal(stack(frames())[0], stack(frames())[0])
    stack.eval()
    assert torch.equal(stack(frames())[0], stack(frames())[0])


def test_layers_of_different_sizes() -> None:
    stack = Stack(7, replace(SMALL, sizes="5, 3"))
    assert [layer.size for layer in stack.layers] == [10, 6]
    assert stack(frames())[0].shape == (3, 9, 6)


def test_tied_layers_are_one_layer_time_and_again() -> None:
    """The projection brings the input to the size of what the layer gives."""
    stack = Stack(7, replace(SMALL, tied=True, layers=3))
    hidden = stack.embed(frames()).transpose(0, 1)
    for _ in range(3):
        hidden = stack.layers[0](Track(hidden))[0].hidden
    assert (len(stack.layers), stack.depth) == (1, 3)
    assert torch.equal(stack(frames())[0], hidden.transpose(0, 1))


# --- pooling -----------------------------------------------------------------------------------------------------


def test_last_takes_where_each_direction_has_read_everything() -> None:
    hidden, carry = Stack(7, SMALL)(frames())
    pooled = LastPooling(12, SMALL)(hidden)
    assert torch.equal(pooled, torch.cat([hidden[:, -1, :6], hidden[:, 0, 6:]], 1))
    torch.testing.assert_close(pooled, torch.cat(tuple(carry.states[-1][0]), 1))


def test_last_of_different_sizes_is_the_last_layer_s() -> None:
    config = replace(SMALL, sizes="6,2")
    hidden, carry = Stack(7, config)(frames())
    torch.testing.assert_close(LastPooling(4, config)(hidden), torch.cat(tuple(carry.states[-1][0]), 1))


def test_last_of_one_direction_is_the_last_step() -> None:
    hidden = frames(size=6)
    assert torch.equal(LastPooling(6, replace(SMALL, bidirectional=False))(hidden), hidden[:, -1])


def test_mean_is_the_mean() -> None:
    torch.testing.assert_close(MeanPooling(7, SMALL)(frames()), frames().sum(1) / 9)


def test_attention_weighs_by_a_softmax_of_each_head() -> None:
    torch.manual_seed(2)
    attention, hidden = AttentionPooling(12, SMALL), frames(size=12)
    scores = torch.einsum("bts,hs->bht", hidden, attention.score.weight) + attention.score.bias[:, None]
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    assert weights.sum(-1).flatten().tolist() == pytest.approx([1] * 9)
    torch.testing.assert_close(attention(hidden), torch.einsum("bht,bts->bhs", weights, hidden).flatten(1))


@pytest.mark.parametrize("length", [9, 8])
def test_query_is_of_the_middle_frame(length: int) -> None:
    torch.manual_seed(2)
    query, hidden = QueryPooling(12, SMALL), frames(size=12)
    heard = hidden[:, :length]
    queries = (heard[:, 4] @ query.query.weight.T + query.query.bias).view(3, 3, 12)
    weights = (torch.einsum("bhs,bts->bht", queries, heard) / 12**0.5).softmax(2)
    expected = torch.einsum("bht,bts->bhs", weights, heard).flatten(1)
    torch.testing.assert_close(query(heard), expected)
    torch.testing.assert_close(query(hidden, torch.tensor([length] * 3)), expected)


def test_attention_of_equal_frames_is_the_frame() -> None:
    """So the weights of every head add up to one, whatever the scores."""
    frame = torch.randn(2, 1, 12)
    pooled = AttentionPooling(12, SMALL)(frame.expand(2, 50, 12))
    torch.testing.assert_close(pooled.view(2, 3, 12), frame.expand(2, 3, 12))


def test_attention_finds_the_frame_it_scores_highest() -> None:
    attention, hidden = AttentionPooling(12, SMALL), frames(size=12)
    with torch.no_grad():
        attention.score.weight.zero_()
        attention.score.weight[:, 0] = 1000
    best = hidden[torch.arange(3), hidden[..., 0].argmax(1)]
    torch.testing.assert_close(attention(hidden).view(3, 3, 12), best[:, None].expand(3, 3, 12))


# --- normalisation -----------------------------------------------------------------------------------------------


def test_batch_normalisation_is_that_of_torch_in_training() -> None:
    torch.manual_seed(3)
    inputs, push = 3 + 5 * frames(8, 20), torch.randn(8, 20, 7)
    ours, theirs = InputBatchNorm(7), torch.nn.BatchNorm1d(7)
    with torch.no_grad():
        ours.weight.copy_(torch.rand(7))
        ours.bias.copy_(torch.rand(7))
        theirs.load_state_dict({"weight": ours.weight, "bias": ours.bias}, strict=False)
    answer, want = ours(inputs), theirs(inputs.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(answer, want, atol=1e-5, rtol=1e-5)
    answer.backward(push)
    want.backward(push)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad, atol=1e-4, rtol=1e-4)


def test_running_statistics_are_those_of_all_batches() -> None:
    norm, inputs = InputBatchNorm(7), 100 + 5 * frames(40, 20)
    for batch in inputs.split(4):
        norm(batch)
    assert norm.batches == 10
    torch.testing.assert_close(norm.mean, inputs.mean((0, 1)), rtol=1e-5, atol=0)
    torch.testing.assert_close(norm.variance, inputs.var((0, 1)), rtol=0.02, atol=0)
    norm.eval()
    assert norm(inputs).mean((0, 1)).abs().max() < 1e-3
    torch.testing.assert_close(norm(inputs).var((0, 1)), torch.ones(7), rtol=0.02, atol=0)


def test_running_statistics_follow_the_newest_batches() -> None:
    norm = InputBatchNorm(7, momentum=0.1)
    for _ in range(10):
        norm(frames() - 50)
    for _ in range(100):
        norm(frames() + 50)
    torch.testing.assert_close(norm.mean, frames().mean((0, 1)) + 50, rtol=0, atol=0.01)


def test_recognition_leaves_the_running_statistics_alone() -> None:
    norm = InputBatchNorm(7).eval()
    torch.testing.assert_close(norm(frames()), frames() / (1 + 1e-5) ** 0.5)
    assert norm.batches == 0


def test_batch_normalisation_bears_a_feature_that_never_changes() -> None:
    inputs = frames()
    inputs[..., 2] = 1e4
    assert InputBatchNorm(7)(inputs).isfinite().all()


@pytest.mark.parametrize("kind", ["layer", "none"])
def test_other_normalisations(kind: Any) -> None:
    normalise = build(replace(SMALL, normalise=kind)).normalise
    if kind == "none":
        assert torch.equal(normalise(frames()), frames())
    else:
        torch.testing.assert_close(normalise(frames()).mean(-1), torch.zeros(3, 9), atol=1e-6, rtol=0)


# --- the whole ---------------------------------------------------------------------------------------------------


def wanted_parameters(config: NetworkConfig, labels: int) -> int:
    directions = 2 if config.bidirectional else 1
    width = config.hidden * directions
    inputs = [FEATURES.size] + [width] * (config.layers - 1)
    recurrent = sum(4 * config.hidden * (size + config.hidden + 1) * directions for size in inputs)
    normalise = 0 if config.normalise == "none" else 2 * FEATURES.size
    pooled = width * (config.heads if config.pooling in ("attention", "query") else 1)
    pooling = (width + 1) * {"attention": config.heads, "query": pooled}.get(config.pooling, 0)
    return recurrent + normalise + pooling + (pooled + 1) * labels


@settings(max_examples=25, deadline=None)
@given(
    config=st.builds(
        NetworkConfig,
        layers=st.integers(1, 3),
        hidden=st.integers(1, 4).map(lambda n: 2 * n),
        bidirectional=st.booleans(),
        normalise=st.sampled_from(["batch", "layer", "none"]),
        pooling=st.sampled_from(["attention", "query", "mean", "last"]),
        heads=st.sampled_from([1, 2]),
    ),
    labels=st.integers(1, 5),
    length=st.integers(1, 6),
)
def test_every_configuration_runs_and_has_the_parameters_of_the_formula(
    config: NetworkConfig, labels: int, length: int
) -> None:
    network = build(config, labels)
    assert network.parameter_count == wanted_parameters(config, labels)
    logits = network(frames(2, length))
    assert logits.shape == (2, labels)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_answer_for_a_recording_does_not_depend_on_its_batch() -> None:
    network = build().eval()
    torch.testing.assert_close(network(frames())[1:2], network(frames()[1:2]))


@pytest.mark.parametrize("pooling", ["attention", "query", "mean", "last"])
@pytest.mark.parametrize("normalise", ["batch", "layer", "none"])
def test_padding_changes_no_answer(pooling: Any, normalise: Any) -> None:
    """A padded batch is each recording alone, whatever the padding holds, and the padding gets no gradient."""
    network = build(replace(SMALL, pooling=pooling, normalise=normalise)).eval().double()
    lengths, features = [9, 1, 4], frames().double()
    for row, length in zip(features, lengths, strict=True):
        row[length:] = 1e6
    logits = network(features.requires_grad_(), torch.tensor(lengths))
    logits.square().sum().backward()
    for i, length in enumerate(lengths):
        alone = network(features[i : i + 1, :length])
        torch.testing.assert_close(logits[i : i + 1], alone, rtol=0, atol=1e-10)
        assert not features.grad[i, length:].any()


@pytest.mark.parametrize("pooling", ["attention", "query", "mean", "last"])
@pytest.mark.parametrize("normalise", ["batch", "layer", "none"])
def test_padding_changes_nothing_in_training(pooling: Any, normalise: Any) -> None:
    answers = []
    for filler in (0.0, 1e6):
        network, features = build(replace(SMALL, pooling=pooling, normalise=normalise)).train(), frames()
        features[1, 4:] = filler
        logits = network(features, torch.tensor([9, 4, 9]))
        logits.square().sum().backward()
        answers.append([logits, *network.state_dict().values(), *(weight.grad for weight in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*answers, strict=True))


def test_batch_normalisation_counts_only_what_is_no_padding() -> None:
    norm, features = InputBatchNorm(7), frames()
    unpadded = torch.cat([features[0], features[1, :4], features[2, :1]])
    answer = norm(features, torch.tensor([9, 4, 1]))
    torch.testing.assert_close(norm.mean, unpadded.mean(0))
    torch.testing.assert_close(answer[1, :4], InputBatchNorm(7)(unpadded[None])[0, 9:13])


def test_gradients_are_those_of_finite_differences() -> None:
    network = build(replace(SMALL, hidden=2, heads=1)).double().eval()
    assert torch.autograd.gradcheck(network, frames(2, 3).double().requires_grad_(True))


@pytest.mark.parametrize("pooling", ["attention", "query", "mean", "last"])
def test_double_precision_agrees_with_single(pooling: Any) -> None:
    network = build(replace(SMALL, pooling=pooling))
    single = network(frames())
    double = network.double()(frames().double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["attention", "query", "mean", "last"])
@pytest.mark.parametrize("normalise", ["batch", "layer", "none"])
def test_bfloat16_autocast_agrees_roughly_and_trains(pooling: Any, normalise: Any) -> None:
    network = build(replace(SMALL, pooling=pooling, normalise=normalise))
    exact = network(frames())
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(frames())
    torch.testing.assert_close(rough.float(), exact, atol=0.05, rtol=0.05)
    rough.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"heads": 0}, "heads is 0; it must be from 1 to 64"),
        ({"hidden": 0}, "hidden is 0; it must be from 1 to 4096"),
        ({"layers": 2.0}, "layers is 2.0; it must be a whole number"),
        ({"dropout": 1}, "dropout is 1; it must be from 0 to 0.95"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"forget_bias": float("inf")}, "forget_bias is inf"),
        ({"pooling": "max"}, "pooling is 'max'; it must be one of attention, query, mean, last"),
        ({"normalise": ["batch"]}, "normalise is ['batch']; it must be one of"),
        ({"bidirectional": 1}, "bidirectional is 1; it must be true or false"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NetworkConfig(**wrong)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
