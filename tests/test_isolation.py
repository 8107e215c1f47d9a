"""Does a word stand alone? Measured on words of the demo corpus, alone and in a sentence, in silence and in noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_lstm.audio.energy import rms
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.recognition.isolation import LEAST_DB, MOST_DB, PAUSE_SECONDS, IsolationMeter

Samples = NDArray[np.float32]
HOP = SAMPLE_RATE // 10
SECOND = np.zeros(SAMPLE_RATE, np.float32)


@pytest.fixture(scope="module")
def words(demo: Path) -> list[Samples]:
    """Words as they are spoken, without the silence around them."""
    spoken = []
    for word in ("left", "stop", "yes", "right", "no"):
        samples, _ = soundfile.read(demo / word / "7a254b5f_nohash_0.wav", dtype="float32")
        loud = np.flatnonzero(np.abs(samples) > 0.1 * np.abs(samples).max())
        spoken.append(samples[loud[0] : loud[-1] + 1])
    return spoken


def noisy(samples: Samples, snr_db: float) -> Samples:
    """With white noise so far below the sound in it."""
    level = rms(samples[samples != 0]) * 10 ** (-snr_db / 20)
    return samples + np.random.default_rng(0).normal(0, level, len(samples)).astype(np.float32)


def measured(samples: Samples, hop: int = HOP) -> Samples:
    return IsolationMeter(hop)(samples[: len(samples) // hop * hop].reshape(-1, hop))


def highest(parts: list[Samples], which: int = 0, snr_db: float | None = None, hop: int = HOP) -> float:
    """The highest isolation in the 0.6 s after one of the parts, which have seconds of silence around them."""
    samples = np.concatenate([SECOND] * 4 + parts + [SECOND] * 2)
    end = 4 + sum(map(len, parts[: which + 1])) / SAMPLE_RATE
    isolations = measured(samples if snr_db is None else noisy(samples, snr_db), hop)
    first = round(end * SAMPLE_RATE / hop)
    return float(isolations[first : first + round(0.6 * SAMPLE_RATE / hop)].max())


@pytest.mark.parametrize("hop", [HOP, 160, 2400])
def test_a_word_alone_lies_far_above_its_pauses(words: list[Samples], hop: int) -> None:
    assert min(highest([word], hop=hop) for word in words) > 30


def test_a_word_of_a_sentence_does_not(words: list[Samples]) -> None:
    assert highest([*words, *words], 4) < 15
    assert highest([*words, *words], 9) < 20  # the last one, with a pause only after it


@pytest.mark.parametrize("snr_db", [10.0, 15.0, 30.0])
def test_a_word_alone_in_noise_needs_no_more_than_pauses_of_noise(words: list[Samples], snr_db: float) -> None:
    assert [highest([word], 0, snr_db) for word in words] == [MOST_DB] * len(words)
    assert highest([*words, *words], 4, snr_db) < 15


def test_noise_alone_is_no_word() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 20 * SAMPLE_RATE).astype(np.float32)
    assert measured(noise)[60:].max() < LEAST_DB
    assert measured(np.zeros(10 * SAMPLE_RATE, np.float32)).max() == 0


def test_a_short_pause_is_none(words: list[Samples]) -> None:
    short = SECOND[: round((PAUSE_SECONDS - 0.1) * SAMPLE_RATE)]
    assert highest([words[0], short, *words, short, *words], 0) < 15
    assert highest([words[0], SECOND, *words], 0) > 30


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 60), max_size=20))
def test_how_many_hops_come_at_a_time_changes_nothing(words: list[Samples], cuts: list[int]) -> None:
    samples = noisy(np.concatenate([SECOND, *words, SECOND, words[0], SECOND]), 20)
    hops = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    meter = IsolationMeter(HOP)
    parts = [meter(part) for part in np.split(hops, sorted(cuts))]
    assert (np.concatenate(parts) == measured(samples)).all()
    meter.reset()
    assert (meter(hops) == measured(samples)).all()
