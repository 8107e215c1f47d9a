"""The comparison of an ONNX file with its model: logits and answers, accuracy and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, cycle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import FAILED, SpeechLSTMError
from speech_lstm.export.graph import Floats
from speech_lstm.model.checkpoint import Model

TOLERANCE = 1e-4  # of a logit; relative to its size above 1, as float32 has seven digits
LOST_POINTS = 0.2  # percentage points of accuracy that int8 may cost
DEMO = Path(__file__).parents[2] / "data" / "demo"  # in the repository; not in an installed package
BATCHES = (1, 2, 5)
LENGTHS = (0.0, 0.5, 1.0, 1.77)  # seconds; 0 stands for a single frame
LEVELS = (1.0, 0.1, 1e-3, 0.0)  # of noise, the last one digital silence
TIMED = 50  # runs, of which the fastest counts
BATCH = 64

Answer = Callable[[Floats], Floats]  # waveforms [batch, samples] → logits [batch, labels]


class ParityError(SpeechLSTMError):
    """An export whose results differ from the model's: a failure of the program, not of the user."""

    exit_status = FAILED


@dataclass(frozen=True)
class Parity:
    """The result of a comparison."""

    difference: float  # the largest of two logits, relative to their size above 1
    agreed: int  # recordings with the same likeliest label
    recordings: int
    description: str  # of the recordings

    def line(self) -> str:
        return (
            f"largest difference of logits {self.difference:.1e}, same answer for {self.agreed:,} of "
            f"{self.recordings:,}: {self.description}"
        )

    def check(self) -> None:
        """Raise ParityError unless everything agrees, as it has to in float32."""
        if not self.difference <= TOLERANCE or self.agreed < self.recordings:  # NaN is a difference
            raise ParityError(f"the export differs from the model and was not written: {self.line()}")


@dataclass(frozen=True)
class Accuracy:
    """Correct answers on the testing split of a corpus."""

    torch: int
    onnx: int
    recordings: int

    def line(self) -> str:
        torch, onnx = (100 * correct / self.recordings for correct in (self.torch, self.onnx))
        return (
            f"accuracy {onnx:.2f} %, {self.onnx:,} of {self.recordings:,} recordings of the testing split; "
            f"of the model {torch:.2f} %, {self.torch:,}"
        )

    def check(self) -> None:
        """Raise ParityError if the export lost too much."""
        if 100 * (self.torch - self.onnx) / self.recordings > LOST_POINTS:
            raise ParityError(
                f"the export loses more than {LOST_POINTS} points and was not written: {self.line()}; "
                "leave out --int8"
            )


def compare(pairs: Iterator[tuple[Floats, Floats]], description: str) -> Parity:
    """Compare pairs of logits [batch, labels], the expected ones first."""
    difference, agreed, recordings = 0.0, 0, 0
    for expected, actual in pairs:
        errors = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
        difference = float(np.max([difference, errors.max(initial=0)]))  # Python's max() would lose a NaN
        agreed += int((actual.argmax(1) == expected.argmax(1)).sum())
        recordings += len(expected)
    return Parity(difference, agreed, recordings, description)


def compare_recordings(model: Model, answer: Answer) -> Parity:
    """Over the recordings of the repository, if there are any, and noise of several levels, batches and lengths."""
    torch_answer = answer_of(model)
    demo = demo_recordings()

    def pairs() -> Iterator[tuple[Floats, Floats]]:
        for start in range(0, len(demo), BATCH):
            batch = demo[start : start + BATCH]
            yield torch_answer(batch), answer(batch)
        for batch in noise(model.features.window):
            yield torch_answer(batch), answer(batch)

    spoken = f"{len(demo):,} recordings and " if len(demo) else ""
    return compare(pairs(), f"{spoken}noise of {len(LEVELS)} levels in batches of 1 to 5 and of 1 frame to 1.8 s")


def compare_stream(model: Model, stream: Answer) -> Parity:
    """Over one stream of recordings or noise in blocks of several sizes. `stream` gives the logits after samples
    [1, n] that follow those of the call before."""
    front_end, network = FrontEnd(model.features), model.network
    demo, hop = demo_recordings()[::8], model.features.hop
    samples = demo.reshape(1, -1) if len(demo) else next(noise(8 * CLIP_SAMPLES))
    with torch.inference_mode():
        hidden = network.stack(network.normalise(front_end(torch.from_numpy(samples))))[0]

    def pairs() -> Iterator[tuple[Floats, Floats]]:
        position = 0
        for size in chain([model.features.window], cycle([hop, CLIP_SAMPLES, 10 * hop + 1, 3 * hop])):
            block = samples[:, position : position + size]
            if block.shape[1] < size:
                return
            position += size
            frames = front_end.frames(position)
            last_second = hidden[:, max(0, frames - front_end.frames(CLIP_SAMPLES)) : frames]
            with torch.inference_mode():
                yield network.head(network.pooling(last_second)).numpy(), stream(block)

    return compare(pairs(), f"{samples.size / CLIP_SAMPLES:.0f} s in blocks of 1 frame to 1 s")


def compare_accuracy(model: Model, answer: Answer, data: Path) -> Accuracy:
    """On the testing split of the corpus in `data`; raises CorpusError. The file gets one recording at a time, as
    from `load()` in 8 bits."""
    from speech_lstm.corpus.scored_set import read_scored_set
    from speech_lstm.progress import Bar

    scored = read_scored_set(data, model.labels, "testing")
    torch_answer, correct = answer_of(model), np.zeros(2, int)
    for start in Bar(range(0, len(scored.truth), BATCH), desc="scoring", unit="step"):
        waveforms = np.divide(scored.waveforms[start : start + BATCH], 32768, dtype=np.float32)
        truth = scored.truth[start : start + BATCH]
        onnx_logits = np.concatenate([answer(waveform[None]) for waveform in waveforms])
        correct += [(logits.argmax(1) == truth).sum() for logits in (torch_answer(waveforms), onnx_logits)]
    return Accuracy(int(correct[0]), int(correct[1]), len(scored.truth))


def answer_of(model: Model) -> Answer:
    """The logits that torch computes."""
    front_end = FrontEnd(model.features)

    @torch.inference_mode()
    def answer(waveforms: Floats) -> Floats:
        logits: Floats = model.network(front_end(torch.from_numpy(waveforms))).numpy()
        return logits

    return answer


def milliseconds(*answers: Answer) -> list[float]:
    """The time of each for a recording of one second: the fastest of some runs in turn, after a few more. Other
    work on the machine makes a run slower, nothing makes it faster."""
    waveform = next(noise(CLIP_SAMPLES))[:1]
    times = np.zeros((TIMED, len(answers)))
    for run in range(-5, TIMED):
        for i, answer in enumerate(answers):
            start = time.perf_counter()
            answer(waveform)
            times[run, i] = time.perf_counter() - start  # the first few are overwritten
    return [1000 * float(fastest) for fastest in times.min(0)]


def noise(shortest: int) -> Iterator[Floats]:
    """Batches [batch, samples] of noise, whose recordings differ in level; of at least `shortest` samples."""
    random = np.random.default_rng(0)
    for seconds in LENGTHS:
        for batch in BATCHES:
            size = max(shortest, round(seconds * CLIP_SAMPLES))
            waveforms = random.standard_normal((batch, size)).clip(-1, 1)
            yield (waveforms * np.resize(LEVELS, batch)[:, None]).astype(np.float32)


def demo_recordings() -> Floats:
    """The recordings of the repository, a second of each: float32 [n, CLIP_SAMPLES]; none in an installed package."""
    from speech_lstm.audio.clips import fit_clip
    from speech_lstm.audio.recording import read_recording

    paths = sorted(DEMO.rglob("*.wav")) if DEMO.is_dir() else []
    clips: list[NDArray[np.float32]] = [fit_clip(read_recording(path)) for path in paths]
    return np.stack(clips) if clips else np.zeros((0, CLIP_SAMPLES), np.float32)
