"""What must hold of every cell whatever its equations, and the cells that become one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.recurrent.cell import CELLS, Tap
from speech_lstm.recurrent.stack import Carry, Stack
from support import naive_cells
from support.cell_networks import EXACT, build, by_engine, frames, settings_of

Seen = dict[str, list[Tensor]]
every_cell = pytest.mark.parametrize("name", naive_cells.CELLS)
few = settings(max_examples=4, deadline=None)


# --- one cell becomes another ------------------------------------------------------------------------------------


def like(stack: Stack, name: str, **changes: Any) -> Stack:
    """A stack of another cell with the weights that it shares with this one."""
    other = build(settings_of(name, **changes), seed=5)
    missing = other.load_state_dict(stack.state_dict(), strict=False).missing_keys
    assert not missing, missing
    return other


def zero(stack: Stack, weight: str, value: float = 0.0) -> Stack:
    with torch.no_grad():
        for layer in stack.layers:
            layer.get_parameter(weight).fill_(value)
    return stack


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
@pytest.mark.parametrize(
    ("name", "weight", "becomes"), [("peephole", "peepholes", "lstm"), ("fgr", "feedback", "peephole")]
)
def test_without_a_weight_a_cell_becomes_another(name: str, weight: str, becomes: str, engine: bool) -> None:
    stack = zero(build(settings_of(name)), weight)
    want = like(stack, becomes)(frames())[0]
    torch.testing.assert_close(stack(frames(), taps=by_engine(stack) if engine else None)[0], want, **EXACT)


@pytest.mark.parametrize(("name", "gate"), [("nig", "i"), ("nfg", "f"), ("nog", "o")])
def test_an_ablation_is_the_peephole_lstm_with_a_gate_held_open(name: str, gate: str) -> None:
    whole, without = build(settings_of("peephole")), build(settings_of(name))
    rows = [block for block in "ifzo" if block != gate]
    with torch.no_grad():
        for full, layer in zip(whole.layers, without.layers, strict=True):
            for weight in ("input", "bias", "recurrent", "peepholes"):
                names = [block for block in "ifzo" if weight != "peepholes" or block != "z"]
                parts = dict(zip(names, full.get_parameter(weight).chunk(len(names), 1), strict=True))
                layer.get_parameter(weight).copy_(torch.cat([parts[row] for row in rows if row in parts], 1))
    held = [lambda name, value: torch.ones_like(value) if name == gate else value] * 2
    torch.testing.assert_close(without(frames())[0], whole(frames(), taps=held)[0], **EXACT)


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
def test_a_shut_depth_gate_leaves_the_peephole_lstm(engine: bool) -> None:
    stack, other = build(settings_of("depth-gated", layers=3)), build(settings_of("peephole", layers=3))
    with torch.no_grad():
        for ours, theirs in zip(stack.layers, other.layers, strict=True):
            ours.bias[:, 16:] = -1e4
            for key, weight in theirs.named_parameters():
                weight.copy_(ours.get_parameter(key)[:, : weight.shape[1]])
    want = other(frames())[0]
    torch.testing.assert_close(stack(frames(), taps=by_engine(stack) if engine else None)[0], want, **EXACT)


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
def test_a_clockwork_of_one_clock_is_the_plain_network(engine: bool) -> None:
    stack = build(settings_of("clockwork", clocks=1))
    want = like(stack, "rnn")(frames())[0]
    torch.testing.assert_close(stack(frames(), taps=by_engine(stack) if engine else None)[0], want, **EXACT)


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
def test_clockwork_modules_off_their_clock_keep_every_bit(engine: bool) -> None:
    stack = build(settings_of("clockwork", layers=1, hidden=16, clocks=4))
    hidden, _ = stack(frames(length=17), taps=by_engine(stack) if engine else None)
    for states in (hidden[..., :16], hidden[..., 16:].flip(1)):  # each in the order in which it was read
        for module, part in enumerate(states.split(4, -1)):
            moved = (part[:, 1:] != part[:, :-1]).any(-1)
            assert moved.tolist() == [[t % 2**module == 0 for t in range(1, 17)]] * 2


@pytest.mark.parametrize("engine", [False, True], ids=["fastest", "engine"])
def test_no_gradient_flows_from_fast_to_slow_clockwork_modules(engine: bool) -> None:
    stack = build(settings_of("clockwork", layers=1, hidden=16, clocks=4, bidirectional=False))
    start = torch.randn(1, 2, 16, dtype=torch.float64, requires_grad=True)
    weights = [start, stack.layers[0].input, stack.layers[0].recurrent]
    hidden, _ = stack(frames(length=9), carry=Carry(((start,),), 0), taps=by_engine(stack) if engine else None)
    for module, part in enumerate(hidden.split(4, -1)):
        state, matrix, recurrent = torch.autograd.grad(part.sum(), weights, retain_graph=True)
        faster, own = slice(0, 4 * module), slice(4 * module, 4 * module + 4)
        assert not state[..., faster].any()
        assert not matrix[:, faster].any()
        assert not recurrent[:, faster].any()
        assert not recurrent[:, own, faster].any()
        assert all(gradient[:, own].any() for gradient in (matrix, recurrent))
        assert state[..., own].any()


def test_both_forms_of_the_gru_agree_while_nothing_is_reset() -> None:
    after, before = zero(build(settings_of("gru")), "recurrent_bias"), build(settings_of("gru-cho"))
    with torch.no_grad():
        for one, other in zip(after.layers, before.layers, strict=True):
            other.input.copy_(one.input)
            other.bias.copy_(one.bias)
            gates, candidate = one.recurrent.split([8, 4], 1)
            other.gates.copy_(gates)
            other.candidate.copy_(candidate)
    open_reset = [lambda name, value: torch.ones_like(value) if name == "r" else value] * 2
    torch.testing.assert_close(after(frames(), taps=open_reset)[0], before(frames(), taps=open_reset)[0], **EXACT)
    assert (after(frames())[0] - before(frames())[0]).abs().max() > 1e-3


# --- directions, chunks and lengths ------------------------------------------------------------------------------


def one_direction(stack: Stack, direction: int) -> Stack:
    """One direction of a single layer as a stack of its own."""
    single = build(settings_of(stack.config.cell, layers=1, bidirectional=False))
    both, own = stack.state_dict(), single.state_dict()
    for name, tensor in own.items():
        if tensor.ndim:  # the count of a normalisation's batches has no directions
            tensor.copy_(both[name].view(2, -1)[direction].view_as(tensor))
    return single


@every_cell
def test_the_backward_direction_is_the_forward_one_on_the_recording_turned_round(name: str) -> None:
    both, lengths = build(settings_of(name, layers=1)), torch.tensor([7, 4])
    forward, backward = both(frames())[0].chunk(2, -1)
    torch.testing.assert_close(forward, one_direction(both, 0)(frames())[0], **EXACT)
    alone = one_direction(both, 1)
    torch.testing.assert_close(backward, alone(frames().flip(1))[0].flip(1), **EXACT)
    _, backward = both(frames(), lengths)[0].chunk(2, -1)
    torch.testing.assert_close(backward[1:, :4], alone(frames()[1:, :4].flip(1))[0].flip(1), **EXACT)


@every_cell
@few
@given(cuts=st.lists(st.integers(1, 6), min_size=1, max_size=3), engine=st.booleans())
def test_chunks_with_the_carried_state_are_the_whole(name: str, cuts: list[int], engine: bool) -> None:
    stack = build(settings_of(name, bidirectional=False))
    taps = by_engine(stack) if engine else None
    features = frames(length=sum(cuts))
    carry, parts = None, []
    for chunk in features.split(cuts, 1):
        part, carry = stack(chunk, carry=carry, taps=taps)
        parts.append(part)
    whole, last = stack(features)
    torch.testing.assert_close(torch.cat(parts, 1), whole, **EXACT)
    assert carry is not None
    same_state(carry, last)


def same_state(one: Carry, other: Carry) -> None:
    assert one.frames == other.frames
    for ours, theirs in zip(one.states, other.states, strict=True):
        for part, want in zip(ours, theirs, strict=True):
            torch.testing.assert_close(part, want, **EXACT)


@every_cell
def test_the_backward_direction_carries_its_state_from_the_chunk_after(name: str) -> None:
    stack = build(settings_of(name, layers=1))
    late, carry = stack(frames()[:, 4:])
    early, _ = stack(frames()[:, :4], carry=carry)
    _, backward = stack(frames())[0].chunk(2, -1)
    torch.testing.assert_close(torch.cat([early, late], 1).chunk(2, -1)[1], backward, **EXACT)


@every_cell
@few
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_a_padded_batch_is_each_recording_alone(name: str, lengths: list[int]) -> None:
    """Hidden states, last states and gradients; the padding holds what it likes."""
    stack, features = build(settings_of(name)), frames(len(lengths), 6)
    for row, length in zip(features, lengths, strict=True):
        row[length:] = 1e6
    features.requires_grad_()
    hidden, carry = stack(features, torch.tensor(lengths))
    hidden.sin().sum().backward()
    together = {key: weight.grad.clone() for key, weight in stack.named_parameters()}
    stack.zero_grad()
    for i, length in enumerate(lengths):
        recording = features[i : i + 1, :length].detach().requires_grad_()
        alone, last = stack(recording)
        torch.testing.assert_close(hidden[i : i + 1, :length], alone, **EXACT)
        assert not hidden[i, length:].any()
        mine = tuple(tuple(part[:, i : i + 1] for part in state) for state in carry.states)
        same_state(Carry(mine, length), last)
        alone.sin().sum().backward()
        torch.testing.assert_close(features.grad[i, :length], recording.grad[0], **EXACT)
        assert not features.grad[i, length:].any()
    for key, weight in stack.named_parameters():
        torch.testing.assert_close(weight.grad, together[key], rtol=1e-9, atol=1e-9)


@every_cell
def test_padding_has_no_part_in_training(name: str) -> None:
    """Nor in the averages that a normalisation keeps."""
    answers = []
    for filler in (0.0, 1e6):
        stack, features = build(settings_of(name)).train(), frames()
        features[1, 4:] = filler
        hidden, _ = stack(features, torch.tensor([7, 4]))
        answers.append({"hidden": hidden, **dict(stack.named_buffers())})
    for key, value in answers[0].items():
        assert torch.equal(value, answers[1][key]), key


# --- looking inside ----------------------------------------------------------------------------------------------


def recorded(stack: Stack, change: naive_cells.Tap = naive_cells.untouched) -> tuple[Tensor, list[Seen]]:
    """The hidden states, and of each layer everything that its tap got, after `change`, step by step."""
    every: list[Seen] = [{} for _ in range(stack.depth)]

    def tap_of(seen: Seen) -> Tap:
        def tap(name: str, value: Any) -> Any:
            value = change(name, value)
            seen.setdefault(name, []).append(value)
            return value

        return tap

    return stack(frames(), taps=[tap_of(seen) for seen in every])[0], every


@every_cell
def test_recorded_gates_are_those_of_the_equations(name: str) -> None:
    stack = build(settings_of(name))
    _, every = recorded(stack)
    for row, recording in enumerate(frames()):
        _, steps = naive_cells.run_layers(stack, recording.numpy())
        for number, (layer, seen) in enumerate(zip(stack.layers, every, strict=True)):
            assert set(seen) == {*layer.cell.gates, *layer.cell.state}
            for direction in range(2):
                for key, values in seen.items():
                    want = torch.tensor(np.array([step[key.rstrip("⁻")] for step in steps[number][direction]]))
                    torch.testing.assert_close(torch.stack(values)[:, direction, row], want, **EXACT)


@every_cell
def test_a_tap_that_replaces_a_gate_changes_the_result_as_the_equation_says(name: str) -> None:
    stack = build(settings_of(name))
    before = stack(frames())[0]
    for gate in {gate for layer in stack.layers for gate in layer.cell.gates}:

        def change(at: str, value: Any, chosen: str = gate) -> Any:
            return value * 0.5 + 0.1 if at == chosen else value

        after, _ = recorded(stack, change)
        want, _ = naive_cells.run_layers(stack, frames()[0].numpy(), change)
        torch.testing.assert_close(after[0], torch.tensor(want), **EXACT)
        if gate != "f_frequency.0":  # below the lowest band there is nothing to forget
            assert (after - before).abs().max() > 1e-4, gate


def test_a_recording_s_answer_does_not_depend_on_its_batch() -> None:
    for name in CELLS:
        stack = build(settings_of(name))
        torch.testing.assert_close(stack(frames(3))[0][1:2], stack(frames(3)[1:2])[0], **EXACT)
