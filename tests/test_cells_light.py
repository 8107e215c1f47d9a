"""The light cells' own ways: the scan of minGRU and minLSTM, and the bound of IndRNN's recurrent weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_lstm.recurrent.cells.light import LONGEST, Bound, one_by_one, scan
from speech_lstm.recurrent.layer import valid_frames
from speech_lstm.recurrent.norm import InputNorm
from support.cell_networks import DEVICES, EXACT, build, by_engine, frames, gradients, naively, settings_of

# --- the scan ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 130), seed=st.integers(0, 99))
def test_the_scan_is_the_loop(length: int, seed: int) -> None:
    """Values and gradients at every length, with gates that are wholly open or shut among the others."""
    torch.manual_seed(seed)
    a, b = torch.rand(2, 2, length, 3, 2, dtype=torch.float64).unbind(0)
    a = torch.where(torch.rand_like(a) < 0.2, (a > 0.5).double(), a)
    parts = [part.requires_grad_() for part in (a, b, torch.rand(2, 3, 2, dtype=torch.float64))]
    scanned, want = scan(*parts), one_by_one(*parts)
    torch.testing.assert_close(scanned, want, rtol=0, atol=1e-12)
    push = torch.randn_like(want)
    for ours, theirs in zip(*(torch.autograd.grad(out, parts, push) for out in (scanned, want)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_scan_keeps_its_precision_over_a_long_recording() -> None:
    """There is no division and no logarithm: half a minute in float32 is as exact as frame by frame."""
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3000, 2, 4, dtype=torch.float64).unbind(0)
    start, exact = torch.rand(1, 2, 4, dtype=torch.float64), {}
    for ways in (scan, one_by_one):
        error = ways(a.float(), b.float(), start.float()).double() - one_by_one(a, b, start)
        exact[ways] = error.abs().max()
    assert exact[scan] < 2 * exact[one_by_one] < 1e-5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["mingru", "minlstm"])
def test_a_cell_that_scans_is_the_naive_one(name: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The algorithm of a GPU, run on any device: hidden states, chunks and gradients."""
    monkeypatch.setattr("speech_lstm.recurrent.cells.light.one_by_one", scan)
    stack = build(settings_of(name)).to(device)
    want = naively(build(settings_of(name)), frames()).to(device)
    torch.testing.assert_close(stack(frames().to(device))[0], want, **EXACT)
    engine = gradients(stack, taps=by_engine(stack))
    for weight, gradient in gradients(stack).items():
        torch.testing.assert_close(gradient, engine[weight], **EXACT, msg=weight)


# --- the normalisation of LiGRU -----------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [False, True])
def test_input_products_are_normalised_as_by_torch(padded: bool) -> None:
    """Values and running averages; torch gets only the frames that are no padding."""
    torch.manual_seed(0)
    ours, theirs = InputNorm(10), torch.nn.BatchNorm1d(10, momentum=None)
    lengths = torch.tensor([4, 2, 3])
    valid = valid_frames(lengths, 4) if padded else None
    inside = valid_frames(lengths if padded else torch.tensor([4, 4, 4]), 4)[0, :, :, 0]
    for batch in range(4):
        xs = torch.randn(2, 4, 3, 5) * (1 + batch) + batch
        want = theirs(xs.permute(1, 2, 0, 3).flatten(2)[inside])
        torch.testing.assert_close(ours(xs, valid).permute(1, 2, 0, 3).flatten(2)[inside], want)
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    assert ours.batches == 4


# --- the bound ---------------------------------------------------------------------------------------------------


def test_the_recurrent_weights_of_an_indrnn_are_bounded() -> None:
    stack = build(settings_of("indrnn", layers=1))
    with torch.no_grad():
        stack.layers[0].recurrent.copy_(torch.tensor([[-3.0, 3.0, 0.5, 1.5], [1.01, -1.01, 9.0, -0.2]]))
    want = naively(stack, frames())
    for taps in (None, by_engine(stack)):
        torch.testing.assert_close(stack(frames(), taps=taps)[0], want, **EXACT)
    assert pytest.approx(2) == LONGEST**100


def test_a_weight_beyond_the_bound_can_come_back() -> None:
    """A step against the gradient that leads further out does nothing, one that leads back counts in full."""

    def gradient(push: float) -> Tensor:
        weight = torch.tensor([-2.0, -1.0, 0.5, 2.0], requires_grad=True)
        return torch.autograd.grad(Bound.apply(weight, 1.5), weight, torch.full((4,), push))[0]

    assert gradient(1.0).tolist() == [0.0, 1.0, 1.0, 1.0]
    assert gradient(-1.0).tolist() == [-1.0, -1.0, -1.0, 0.0]
