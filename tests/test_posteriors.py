"""A stream's rows: features as of the whole recording, carried state as of one pass, and what the gate does."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN, FeatureConfig, NetworkConfig
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import Network
from speech_lstm.model.scorers import Frames, FrameScorer
from speech_lstm.recognition.activity import FLOOR_SECONDS, HOLD_SECONDS, ActivityGate
from speech_lstm.recognition.posteriors import Rows, Stream, WaveformScorer
from speech_lstm.recognition.recognizer import Recognizer

Samples = NDArray[np.float32]
LABELS = ("yes", "no", UNKNOWN, SILENCE)
HOP = SAMPLE_RATE // 10
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def speech(demo: Path) -> Samples:
    """Three words of one voice, with pauses."""
    words = [
        soundfile.read(demo / word / "7a254b5f_nohash_0.wav", dtype="float32")[0] for word in ("yes", "no", "up")
    ]
    return np.concatenate([part for word in words for part in (word, np.zeros(SAMPLE_RATE // 3, np.float32))])


def recognizer(features: FeatureConfig | None = None, **network: object) -> Recognizer:
    """One with random weights, large enough that the answers differ from window to window."""
    torch.manual_seed(3)
    features = features or FeatureConfig(hop_ms=20.0)
    config = replace(NetworkConfig(layers=2, hidden=12, heads=2), **network)  # type: ignore[arg-type]
    net = Network(features, config, len(LABELS)).eval()
    with torch.no_grad():
        net.head.weight.mul_(6)
        if config.normalise == "batch":
            net.normalise.variance.fill_(100.0)
    return Recognizer(Model(net, features, config, LABELS))


def rows_of(stream: Stream, samples: Samples, cuts: list[int] | None = None) -> Rows:
    parts = [stream(part) for part in np.split(samples, sorted(cuts or []))] + [stream.finish()]
    return Rows(*map(np.concatenate, zip(*parts, strict=True)))


def windows(stream: Stream, samples: Samples) -> Samples:
    """The windows that the stream's rows are of, from the whole recording."""
    silence = np.zeros(stream.margin, np.float32)
    padded = np.concatenate([silence, samples, silence, np.zeros(stream.hop, np.float32)])
    return np.lib.stride_tricks.sliding_window_view(padded, CLIP_SAMPLES)[:: stream.hop]


# --- features ----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40_000), max_size=20),
    steps=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=12),
    hop_ms=st.sampled_from([10.0, 15.0, 20.0]),
)
def test_a_streams_features_are_the_whole_recordings(
    cuts: list[int], steps: list[tuple[int, bool]], hop_ms: float
) -> None:
    """Whatever the blocks, whether every frame is asked for, or some are skipped."""
    samples = np.random.default_rng(1).normal(0, 0.1, 40_000).astype(np.float32)
    front_end = FrontEnd(FeatureConfig(hop_ms=hop_ms))
    whole = front_end(torch.from_numpy(samples)[None])
    frames, blocks = Frames(front_end, CPU), iter(np.split(samples, sorted(cuts)))
    held, first = 0, 0
    for count, wanted in steps:
        last = min(first + count, whole.shape[1])
        while front_end.frames(held) < last:
            block = next(blocks)
            frames.append(block)
            held += len(block)
        if wanted and last > first:
            torch.testing.assert_close(frames.read(first, last), whole[:, first:last], rtol=1e-4, atol=1e-4)
        first = max(first, last - 5)  # windows overlap
        frames.forget(first)
        assert frames.features.shape[1] <= 30 + 5


def test_each_frame_is_computed_once(speech: Samples) -> None:
    model, computed = recognizer(), 0

    class Counting(FrontEnd):
        def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
            nonlocal computed
            features = super().forward(waveforms)
            computed += features.shape[0] * features.shape[1]
            return features

    model.torch_model.front_end = Counting(model.model.features)
    stream = model.stream(gated=False)
    rows = sum(len(stream(speech[at : at + HOP]).times) for at in range(0, len(speech), HOP))
    windows = model.front_end.frames(CLIP_SAMPLES)
    assert computed == windows + (rows - 1) * stream.hop // model.model.features.hop


# --- rows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop_ms", [10.0, 15.0, 20.0])
@pytest.mark.parametrize("kind", ["mfcc", "log-mel"])
def test_rows_are_the_posteriors_of_the_windows(speech: Samples, hop_ms: float, kind: str) -> None:
    model = recognizer(FeatureConfig(kind=kind, hop_ms=hop_ms))  # type: ignore[arg-type]
    stream = model.stream(gated=False)
    rows = rows_of(stream, speech)
    want = model.posteriors(windows(stream, speech))
    assert len(want) - len(rows.times) in (0, 1)
    assert rows.posteriors == pytest.approx(want[: len(rows.times)], abs=1e-5)
    assert np.ptp(want, axis=0).max() > 0.05  # they do differ
    assert stream.hop % model.model.features.hop == 0
    assert rows.times == pytest.approx(
        (CLIP_SAMPLES - stream.margin + stream.hop * np.arange(len(want)))[: len(rows.times)] / SAMPLE_RATE
    )


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 60_000), max_size=40), bidirectional=st.booleans(), gated=st.booleans())
def test_the_blocks_change_nothing(cuts: list[int], bidirectional: bool, gated: bool) -> None:
    random = np.random.default_rng(5)
    samples = random.normal(0, 1e-3, 60_000).astype(np.float32)
    samples[20_000:26_000] += random.normal(0, 0.2, 6_000).astype(np.float32)
    model = recognizer(bidirectional=bidirectional)
    whole, parted = rows_of(model.stream(gated=gated), samples), rows_of(model.stream(gated=gated), samples, cuts)
    assert (whole.times == parted.times).all()
    assert whole.posteriors == pytest.approx(parted.posteriors, abs=1e-5)


def test_windows_of_samples_give_the_same_rows_through_the_same_interface(speech: Samples) -> None:
    model = recognizer()
    want = rows_of(model.stream(), speech)
    found = rows_of(Stream(WaveformScorer(LABELS, HOP, model.posteriors)), speech, [5, 999, 20_000])
    assert (found.times == want.times).all()
    assert found.posteriors == pytest.approx(want.posteriors, abs=1e-5)


def test_a_long_block_is_scored_a_part_at_a_time(speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = recognizer(), []
    forward = model.model.network.forward
    monkeypatch.setattr(model.model.network, "forward", lambda x: batches.append(len(x)) or forward(x))
    long = np.tile(speech, 5)
    rows = model.stream(gated=False)(long)
    assert max(batches) <= 64
    assert sum(batches) == len(rows.times) > 100


@pytest.mark.parametrize("seconds", [0.001, 0.1, 0.5, 1.0, 3.0])
def test_any_hop_is_rounded_to_frames_and_at_most_a_second(speech: Samples, seconds: float) -> None:
    model = recognizer()
    stream = model.stream(seconds, gated=False)
    assert 320 <= stream.hop <= CLIP_SAMPLES
    rows = rows_of(stream, speech)
    assert rows.posteriors == pytest.approx(model.posteriors(windows(stream, speech))[: len(rows.times)], abs=1e-5)


# --- carried state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["attention", "query", "mean", "last"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "clockwork"])
def test_carried_state_is_one_pass_over_the_whole(speech: Samples, pooling: str, cell: str) -> None:
    model = recognizer(bidirectional=False, pooling=pooling, cell=cell)
    stream = model.stream(gated=False)
    rows = rows_of(stream, speech, list(range(700, len(speech), 700)))
    silence = np.zeros(stream.margin + stream.hop, np.float32)
    padded = np.concatenate([silence[: stream.margin], speech, silence])
    net = model.model.network
    with torch.inference_mode():
        hidden, _ = net.stack(net.normalise(model.front_end(torch.from_numpy(padded)[None])))
        size, step = model.front_end.frames(CLIP_SAMPLES), stream.hop // model.model.features.hop
        want = [
            net.head(net.pooling(hidden[:, at : at + size])).softmax(1)[0].numpy()
            for at in range(0, len(rows.times) * step, step)
        ]
    assert rows.posteriors == pytest.approx(np.array(want), abs=1e-5)


def test_carried_state_steps_through_each_frame_once(speech: Samples) -> None:
    model = recognizer(bidirectional=False)
    stack, steps = model.model.network.stack, []
    stack.register_forward_hook(lambda _, arguments, __: steps.append(arguments[0].shape[1]))
    stream = model.stream(gated=False)
    rows = [stream(speech[at : at + HOP]) for at in range(0, len(speech), HOP)]
    assert steps[0] == model.front_end.frames(CLIP_SAMPLES)
    assert set(steps[1:]) == {5}
    assert len(steps) == sum(len(part.times) for part in rows)


def test_after_a_gap_carried_state_begins_anew(speech: Samples) -> None:
    """As a stream that begins with the first window after it."""
    model = recognizer(bidirectional=False)
    scorer = model.stream().scorer
    assert isinstance(scorer, FrameScorer)
    count = (len(speech) - CLIP_SAMPLES) // HOP + 1
    wanted = np.ones(count, bool)
    wanted[4:9] = False
    size = CLIP_SAMPLES + (count - 1) * HOP
    found = scorer(speech[:size], wanted)
    scorer.reset()
    assert found[4:] == pytest.approx(scorer(speech[9 * HOP : size], wanted[9:]), abs=1e-5)


# --- the gate ----------------------------------------------------------------------------------------------------


def passed(samples: Samples, hop: int = HOP) -> NDArray[np.bool_]:
    return ActivityGate(hop)(samples[: len(samples) // hop * hop].reshape(-1, hop))


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("colour", ["white", "brown"])
def test_constant_noise_does_not_pass_once_the_floor_is_known(level: float, colour: str) -> None:
    noise = np.random.default_rng(2).normal(0, 1, 60 * SAMPLE_RATE)
    if colour == "brown":
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 60 * 20))
        noise /= noise.std()
    hops = passed((level * noise).astype(np.float32))
    known = round((FLOOR_SECONDS + HOLD_SECONDS) * 10) + 1
    assert hops[known:].mean() < (0.05 if colour == "white" else 0.25)  # there brown noise is narrow, and varies
    assert hops[: round(FLOOR_SECONDS * 10)].all() == (level > 1e-4)  # before, all that is not digital silence passes


@pytest.mark.parametrize(("decibels", "floor"), [(6, 0.05), (10, 0.005), (20, 1e-4), (20, 0.0)])
def test_a_word_over_the_noise_passes(speech: Samples, decibels: float, floor: float) -> None:
    """Quiet speech too: what counts is how far it stands out of the noise."""
    word = speech[:CLIP_SAMPLES]
    power = np.sqrt(np.square(word[np.abs(word) > 0.01]).mean())
    level = (floor or 1e-3) * 10 ** (decibels / 20)
    samples = np.random.default_rng(3).normal(0, 1, 12 * SAMPLE_RATE).astype(np.float32) * np.float32(floor)
    place = 8 * SAMPLE_RATE
    samples[place : place + CLIP_SAMPLES] += word * np.float32(level / power)
    hops = passed(samples)
    assert not hops[70:80].any()
    assert hops[83:88].all()
    assert not hops[105:].any()


def test_a_louder_constant_noise_is_learnt_and_a_lower_one_at_once() -> None:
    random = np.random.default_rng(4)
    parts = [random.normal(0, level, 15 * SAMPLE_RATE) for level in (0.01, 0.1, 0.01)]
    hops = passed(np.concatenate(parts).astype(np.float32))
    assert not hops[60:150].any()
    assert hops[150:195].all()
    assert not hops[215:300].any()
    assert not hops[301:].any()
    click = np.concatenate(parts).astype(np.float32)
    click[31 * SAMPLE_RATE : 32 * SAMPLE_RATE] += random.normal(0, 0.03, SAMPLE_RATE).astype(np.float32)
    assert passed(click)[311:319].all()  # the loud noise is no longer the floor, a second after it ceased


def test_windows_without_sound_are_silence_and_are_not_scored() -> None:
    scored = 0

    def posteriors(windows: Samples) -> Samples:
        nonlocal scored
        scored += len(windows)
        return np.tile(np.array([1.0, 0, 0, 0], np.float32), (len(windows), 1))

    stream = Stream(WaveformScorer(LABELS, HOP, posteriors))
    samples = np.zeros(20 * SAMPLE_RATE, np.float32)
    samples[10 * SAMPLE_RATE : 10 * SAMPLE_RATE + 4800] = np.random.default_rng(0).normal(0, 0.1, 4800)
    rows = rows_of(stream, samples)
    word = rows.posteriors[:, 0] == 1
    assert scored == word.sum() < 22
    assert (rows.posteriors[~word] == [0, 0, 0, 1]).all()
    assert word[(rows.times > 10.05) & (rows.times < 10.9)].all()


def test_until_the_noise_is_known_everything_is_scored(speech: Samples) -> None:
    model = recognizer()
    noisy = speech + np.random.default_rng(6).normal(0, 0.003, len(speech)).astype(np.float32)
    open_, gated = rows_of(model.stream(gated=False), noisy), rows_of(model.stream(), noisy)
    within = open_.times < FLOOR_SECONDS
    assert gated.posteriors[within] == pytest.approx(open_.posteriors[within], abs=1e-5)


# --- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_stream_does_not_grow(bidirectional: bool) -> None:
    stream = recognizer(bidirectional=bidirectional).stream()
    block = np.random.default_rng(0).normal(0, 0.01, HOP).astype(np.float32)

    def run(count: int) -> None:
        for i in range(count):
            stream(block * np.float32(1 + 20 * (i % 100 < 10)))

    tracemalloc.start()
    run(100)
    before = tracemalloc.get_traced_memory()[0]
    run(300)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 50_000  # 300 blocks would be 1.9 MB
    frames = stream.scorer.frames  # type: ignore[attr-defined]
    assert len(frames.samples) <= CLIP_SAMPLES
    assert frames.features.shape[1] <= 49
