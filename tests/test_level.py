"""Level and hints on blocks of samples that are made for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_lstm.audio import level as levels
from speech_lstm.audio.energy import FRAME, frame_levels
from speech_lstm.audio.level import Hints, Level
from speech_lstm.config import SAMPLE_RATE


def noise(seconds: float, dbfs: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (10 ** (dbfs / 20) * random.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def speech(words: int, dbfs: float, room: float) -> np.ndarray:
    """Half-second tones that swell and fade, as many pauses of a room between them."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    word = 10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * 440 * time) * np.sin(2 * np.pi * time) ** 2
    pause = np.zeros(SAMPLE_RATE // 2)
    sound = np.concatenate([np.concatenate([pause, word]) for _ in range(words)])
    return (sound + noise(words, room)).astype(np.float32)


def through(level: Level, samples: np.ndarray, block: int = 1600) -> np.ndarray:
    return np.concatenate([level(samples[start : start + block]) for start in range(0, len(samples), block)])


def hints_of(samples: np.ndarray) -> list[str]:
    """The hint after each second."""
    hints, found = Hints(), []
    for start in range(0, len(samples), SAMPLE_RATE):
        hints(samples[start : start + SAMPLE_RATE])
        found.append(hints.hint)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=60), st.booleans(), st.floats(-0.2, 0.2))
def test_the_answer_does_not_depend_on_the_size_of_the_blocks(
    cuts: list[int], automatic: bool, offset: float
) -> None:
    samples = (0.01 * speech(4, -20, -60) + offset).astype(np.float32)
    whole, parts = Level(automatic), Level(automatic)
    expected = whole(samples)
    found = np.concatenate([parts(block) for block in np.split(samples, np.minimum(np.cumsum(cuts), len(samples)))])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert parts.gain == pytest.approx(whole.gain)
    assert parts.hint == whole.hint


def test_what_is_loud_enough_passes_as_it_is() -> None:
    samples, level = speech(8, -10, -60), Level(automatic=True)
    np.testing.assert_allclose(through(level, samples), samples, atol=2e-3)
    assert level.gain == 0


@pytest.mark.parametrize("offset", [0.3, -0.05])
def test_a_constant_offset_is_taken_out(offset: float) -> None:
    samples = speech(8, -20, -60)
    found = through(Level(), samples + np.float32(offset))
    assert abs(found[:FRAME].mean()) < 1e-3  # from the first frame on
    np.testing.assert_allclose(found, samples, atol=2e-3)


def test_an_offset_that_begins_is_gone_in_seconds() -> None:
    samples = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), np.full(3 * SAMPLE_RATE, 0.1, np.float32)])
    assert np.abs(through(Level(), samples)[-SAMPLE_RATE:]).max() < 0.002


def test_low_tones_of_a_voice_are_kept() -> None:
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    samples = (0.1 * np.sin(2 * np.pi * 85 * time)).astype(np.float32)
    kept = through(Level(), samples)[SAMPLE_RATE:]
    assert kept.std() == pytest.approx(samples.std(), rel=0.01)


def test_quiet_speech_is_raised_to_where_the_network_knows_it() -> None:
    level = Level(automatic=True)
    found = through(level, speech(20, -50, -95))
    assert 20 < level.gain <= levels.MOST_GAIN
    last = frame_levels(found[-SAMPLE_RATE:])
    assert last.max() == pytest.approx(levels.SPEECH_LEVEL, abs=3)
    assert last.min() < levels.FLOOR_LIMIT  # and the room is still a room


@pytest.mark.parametrize("room", [-70, -55, -45, -30])
def test_a_room_without_speech_is_never_raised_above_the_limit(room: float) -> None:
    level = Level(automatic=True)
    found = frame_levels(through(level, noise(60, room)))
    assert np.percentile(found, 99) < max(levels.FLOOR_LIMIT, room) + 1.5


def test_noise_that_sets_in_is_not_raised_for_long() -> None:
    level = Level(automatic=True)
    found = frame_levels(through(level, np.concatenate([noise(10, -75), noise(30, -45)])))
    assert found[500:].max() < -45 + 20  # while it may be speech
    assert np.percentile(found[750:], 99) < -45 + 1.5


def test_a_door_that_slams_does_not_make_speech_quiet() -> None:
    quiet = speech(20, -45, -90)
    slam = quiet.copy()
    slam[8 * SAMPLE_RATE : 8 * SAMPLE_RATE + 800] = noise(0.05, -6)
    plain, slammed = Level(True), Level(True)
    through(plain, quiet)
    found = through(slammed, slam)
    assert slammed.gain == pytest.approx(plain.gain, abs=1)
    assert np.abs(found).max() <= 1


def test_the_gain_moves_slowly() -> None:
    level = Level(automatic=True)
    gains, samples = [], speech(20, -50, -95)
    for start in range(0, len(samples), FRAME):
        level(samples[start : start + FRAME])
        gains.append(level.gain)
    assert 0 < np.diff(gains).max() <= levels.RISE * FRAME / SAMPLE_RATE + 1e-9


def test_silence_is_reported_once_it_lasts_until_sound_comes() -> None:
    sound = np.concatenate([np.zeros(15 * SAMPLE_RATE, np.float32), noise(2, -60), np.zeros(20 * SAMPLE_RATE)])
    found = hints_of(sound.astype(np.float32))
    assert found == [""] * 9 + [levels.SILENT] * 6 + [""] * 22  # the pauses of a noise gate are none


def test_a_muted_microphone_is_reported_after_minutes() -> None:
    hints = Hints()
    hints(noise(1, -40))
    second = np.zeros(SAMPLE_RATE, np.float32)
    found = []
    for _ in range(levels.MUTED_SECONDS):
        hints(second)
        found.append(hints.hint)
    assert found == [""] * (levels.MUTED_SECONDS - 1) + [levels.SILENT]


def test_clipping_is_reported_for_some_seconds() -> None:
    clipped = np.clip(noise(2, 0), -1, 1)
    found = hints_of(np.concatenate([noise(3, -30), clipped, noise(8, -30)]))
    assert found == [""] * 3 + [levels.CLIPPED] * (1 + levels.CLIPPED_HOLD) + [""] * 4


def test_a_single_full_sample_is_no_clipping() -> None:
    sound = noise(3, -30)
    sound[::8000] = 1.0
    assert set(hints_of(sound)) == {""}


@pytest.mark.parametrize("offset", [0.02, -0.02])
def test_an_offset_is_reported(offset: float) -> None:
    sound = np.concatenate([noise(5, -40) + np.float32(offset), noise(3, -40)])
    assert hints_of(sound) == ["", "", *[levels.SHIFTED] * 3, "", "", ""]


def test_silence_with_an_offset_is_silence() -> None:
    assert hints_of(np.full(12 * SAMPLE_RATE, 0.05, np.float32))[-1] == levels.SILENT


def test_speech_has_no_hint() -> None:
    assert set(hints_of(speech(30, -20, -60))) == {""}
