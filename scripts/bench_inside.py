"""Measure the time of looking inside a recording of a second, without loading, and the gain from batches.

    python scripts/bench_inside.py [RECORDING] [--model FILE] [--rounds 7]

One thread, its own time, so that other work on the machine does not count; the median of the rounds. Ablation and
occlusion are also timed with one copy of the recording at a time: the ratio is the gain from batches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from speech_lstm.insight import influence
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.recognizer import load

RECORDING = Path(__file__).parents[1] / "data" / "demo" / "stop" / "7a254b5f_nohash_0.wav"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", type=Path, default=RECORDING)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recognizer = load(options.model or bundled_model(".safetensors"))
    model = recognizer.torch_model
    inside = recognizer.look_inside(options.recording)
    trace = inside.trace()
    steps: dict[str, Callable[[], object]] = {
        "every gate, memory and output": lambda: recognizer.look_inside(options.recording),
        "units held at 0": lambda: influence.ablation(model, inside, trace),
        "stretches hidden": lambda: influence.occlusion(model, inside),
        "gradient": lambda: influence.saliency(model, inside),
    }
    times = {name: milliseconds(step, options.rounds) for name, step in steps.items()}
    for name, spent in times.items():
        print(f"{name:32}{spent:8.0f} ms")
    print(f"{'together':32}{sum(times.values()):8.0f} ms")
    influence.BATCH = 1
    print()
    for name in ("units held at 0", "stretches hidden"):
        spent = milliseconds(steps[name], 1)
        print(f"{name + ', one at a time':32}{spent:8.0f} ms  {spent / times[name]:.1f} × as long")


def milliseconds(step: Callable[[], object], rounds: int) -> float:
    """The median time of a step, after a first one that is not counted."""
    spent = []
    for _ in range(rounds + 1):
        start = time.thread_time()
        step()
        spent.append(1e3 * (time.thread_time() - start))
    return statistics.median(spent[1:])


if __name__ == "__main__":
    main()
