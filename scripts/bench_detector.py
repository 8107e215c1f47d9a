"""The cost of listening, and what the activity gate saves and loses.

    python scripts/bench_detector.py [--model FILE] [--rounds 5] [--data DIR --minutes 20 --seed 1]

Blocks of 100 ms, as from a microphone, on one thread, in the thread's own time. The ways of scoring take turns, and
the fastest round of each counts. With the folder of a corpus, a stream of its testing split is drawn (see
`speech-lstm make-stream`) and decided twice, with the gate and without.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from speech_lstm.config import (
    COMMANDS_8,
    SAMPLE_RATE,
    SILENCE,
    UNKNOWN,
    DetectionConfig,
    FeatureConfig,
    NetworkConfig,
    commands_of,
)
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.model.bundled import bundled_model
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.network import Network
from speech_lstm.recognition.activity import FLOOR_SECONDS
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.posteriors import Rows, Stream, WaveformScorer
from speech_lstm.recognition.recognizer import Recognizer, load
from speech_lstm.streams.replay import StreamPosteriors
from speech_lstm.streams.scenes import Plan, SyntheticStream
from speech_lstm.streams.score import StreamScore

DEMO = Path(__file__).parents[1] / "data" / "demo"
BLOCK = SAMPLE_RATE // 10
WIDTH = 14
Samples = NDArray[np.float32]
BlockFunction = Callable[[Samples], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.model or bundled_model(".safetensors"))
    cost(model, options.rounds)
    if options.data:
        gate(model, options.data, options.minutes, options.seed)


# --- cost --------------------------------------------------------------------------------------------------------


def cost(model: Recognizer, rounds: int) -> None:
    """The time for a second of audio, of each way of scoring it."""
    frames = model.front_end.frames(SAMPLE_RATE)
    models = {f"model, {frames}": model, "default, 98": fresh(True), "one way, 98": fresh(False)}
    print(f"{'% of a core, or ms for each second':44}" + "".join(f"{name + ' frames':>20}" for name in models))
    ways: dict[str, Callable[[Recognizer], tuple[BlockFunction, Samples]]] = {
        "every window with its own features": lambda m: (window_stream(m), WORDS),
        "features once for each frame": lambda m: (m.stream(gated=False), WORDS),
        "with the gate, on words and pauses": lambda m: (settle(m.stream()), WORDS),
        "with the gate, on constant noise": lambda m: (settle(m.stream()), NOISE),
        "detector, on words and pauses": lambda m: (settle(Detector(m)), WORDS),
    }
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for way, make in ways.items():
            for name, recognizer in models.items():
                spent.setdefault((way, name), []).append(time_share(*make(recognizer)))
    for way in ways:
        fastest = [min(spent[way, name]) for name in models]
        print(f"{way:44}" + "".join(f"{100 * spent_share:>18.2f} %" for spent_share in fastest))


def fresh(bidirectional: bool) -> Recognizer:
    """A network of the default size, not trained."""
    features, config = FeatureConfig(), NetworkConfig(bidirectional=bidirectional)
    labels = (*COMMANDS_8, UNKNOWN, SILENCE)
    return Recognizer(Model(Network(features, config, len(labels)).eval(), features, config, labels))


def window_stream(model: Recognizer) -> Stream:
    """A stream without a gate that makes the features of every window from its samples."""
    return Stream(WaveformScorer(model.labels, BLOCK, model.posteriors), gated=False)


def settle(process: BlockFunction) -> BlockFunction:
    """Process noise until the gate has its floor."""
    process(NOISE[: round((FLOOR_SECONDS + 2) * SAMPLE_RATE)])
    return process


def time_share(process: BlockFunction, samples: Samples) -> float:
    """The time to process samples block by block, as a share of their length."""
    start = time.thread_time()
    for at in range(0, len(samples), BLOCK):
        process(samples[at : at + BLOCK])
    return (time.thread_time() - start) / (len(samples) / SAMPLE_RATE)


def words(seconds: float) -> Samples:
    """Words of the bundled corpus with a second between them, over the noise."""
    parts = []
    for word in COMMANDS_8:
        samples, _ = soundfile.read(DEMO / word / "7a254b5f_nohash_0.wav", dtype="float32")
        parts += [samples, np.zeros(SAMPLE_RATE, np.float32)]
    return np.resize(np.concatenate(parts), round(seconds * SAMPLE_RATE)) + NOISE[: round(seconds * SAMPLE_RATE)]


NOISE = np.random.default_rng(0).normal(0, 0.003, 12 * SAMPLE_RATE).astype(np.float32)
WORDS = words(12)


# --- the gate ----------------------------------------------------------------------------------------------------


def gate(model: Recognizer, data: Path, minutes: float, seed: int) -> None:
    """The same stream with and without the gate: what is scored, and what becomes of its commands."""
    commands = commands_of(model.labels)
    scenes = list(SyntheticStream(scan(data), Plan("testing", commands, 60 * minutes, seed)))
    events = tuple(event for scene in scenes for event in scene.events)
    print(f"\n{minutes:g} minutes of the testing split, seed {seed}, 0 to 30 dB")
    columns = ("scored", "time", "said", "matched", "wrong", "false accepts", "latency", "95 %", "over 0.3 s")
    print(f"{'':18}" + "".join(f"{name:>{WIDTH}}" for name in columns))
    for gated in (False, True):
        stream = model.stream(gated=gated)
        start = time.thread_time()
        parts = [stream(np.divide(scene.samples, 32768, dtype=np.float32)) for scene in scenes] + [stream.finish()]
        spent = time.thread_time() - start
        rows = Rows.join(parts)
        scored = (rows.posteriors != stream.silence_row).any(1).mean()
        posteriors = StreamPosteriors(model.labels, minutes / 60, events, rows, stream.hop / SAMPLE_RATE)
        for threshold in (0.5, 0.7):
            matching = posteriors.decide(DetectionConfig(dict.fromkeys(commands, threshold)))
            score = StreamScore(posteriors.hours, commands, events, matching)
            total, late = score.total, score.latencies
            cells = [f"{scored:.1%}", f"{spent:.1f} s", total.occurrences, total.matched, total.wrong]
            cells.append(len(matching.false_accepts))
            cells += [f"{np.median(late):.2f} s", f"{np.quantile(late, 0.95):.2f} s", f"{(late > 0.3).mean():.1%}"]
            print(
                f"{'gate' if gated else 'no gate'}, at {threshold:<8g}"
                + "".join(f"{cell:>{WIDTH}}" for cell in cells)
            )


if __name__ == "__main__":
    main()
