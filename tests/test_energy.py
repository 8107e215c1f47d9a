"""Frames, noise floor and stretches, from which sound is found in noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_lstm.audio.energy import FRAME, frame_levels, frame_powers, noise_floor, rms, stretches


def test_powers_are_of_whole_frames_and_on_request_of_the_rest() -> None:
    samples = np.concatenate([np.full(FRAME, 0.5), np.full(FRAME, -0.1), np.full(100, 0.2)]).astype(np.float32)
    assert frame_powers(samples) == pytest.approx([0.25, 0.01])
    assert frame_powers(samples, remainder=True) == pytest.approx([0.25, 0.01, 0.04])
    assert frame_powers(samples[: 2 * FRAME], remainder=True) == pytest.approx([0.25, 0.01])
    assert frame_levels(samples) == pytest.approx([-6.02, -20], abs=0.01)
    assert rms(samples[:FRAME]) == pytest.approx(0.5)
    assert rms(samples[:0]) == 0


def test_digital_silence_has_a_level() -> None:
    assert frame_levels(np.zeros(FRAME, np.float32)) == pytest.approx([-120])


def test_the_noise_floor_is_a_percentile() -> None:
    levels = [float(level) for level in range(101)]
    assert [noise_floor(levels, percent) for percent in (0, 10, 20)] == pytest.approx([0, 10, 20])


@given(loud=st.lists(st.booleans(), max_size=40), pause=st.integers(1, 6))
def test_stretches_end_where_the_pause_is_longer(loud: list[bool], pause: int) -> None:
    expected: list[tuple[int, int]] = []
    for place in (place for place, is_loud in enumerate(loud) if is_loud):
        if expected and place - (expected[-1][1] - 1) <= pause:
            expected[-1] = expected[-1][0], place + 1
        else:
            expected.append((place, place + 1))
    assert stretches(np.array(loud, bool), pause) == expected
