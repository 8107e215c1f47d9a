"""The commands that the C of a model finds in a stream, beside those of the Python detector.

    python scripts/compare_c.py MODEL STREAM.wav [--speech FILE|DIR]

MODEL reads in one direction. STREAM.wav has its truth beside it, as `speech-lstm make-stream` writes it; --speech is
speech without commands. All of it is at 16 kHz. The C, which runs its network all the time, is compared with the same
model by ONNX Runtime in 8 bits and by torch, each with the voice activity detection of `listen` and without it.
Two detectors find the same command if it is the same word, at most two rows apart; "as the C" and "as without" it are
the shares of all commands of two detectors that both find.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from speech_lstm.audio.recording import stream_recording
from speech_lstm.audio.sources import find_recordings
from speech_lstm.config import SAMPLE_RATE, commands_of
from speech_lstm.export.c.files import export_c
from speech_lstm.export.files import export
from speech_lstm.model.bundled import find_model
from speech_lstm.model.checkpoint import load_model
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.recognizer import Recognizer, load, one_thread
from speech_lstm.recognition.trigger import HOP_SECONDS, Trigger
from speech_lstm.report.tables import NONE, align, percent
from speech_lstm.streams.matching import match
from speech_lstm.streams.score import StreamScore
from speech_lstm.streams.truth import read_truth
from speech_lstm.streams.writing import truth_path

TOLERANCE = 2.5 * HOP_SECONDS
C, GATED = "the C", ", voice activity"  # the names of ways


@dataclass(frozen=True)
class Command:
    label: str
    time: float  # at which it was decided, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("stream", type=Path)
    parser.add_argument("--speech", type=Path)
    options = parser.parse_args()
    one_thread()
    model = load_model(find_model(options.model, ".safetensors"))
    speech = [Path(path) for path in find_recordings([options.speech])] if options.speech else []
    recordings = [options.stream, *speech]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_c(model, folder / "c")
        export(model, folder / "m.onnx", int8=True, streaming=True)
        program = folder / "program"
        sources = [folder / "c" / part for part in ("src/speech_lstm.c", "examples/listen/main.c")]
        subprocess.run(["gcc", "-O3", "-march=native", f"-I{folder / 'c/src'}", *sources, "-o", program], check=True)
        ways = {C: [by_program(program, path) for path in recordings]}
        for title, recognizer in {"ONNX Runtime, int8": load(folder / "m.onnx"), "torch": Recognizer(model)}.items():
            for gated in (False, True):
                name = title + GATED * gated
                ways[name] = [by_detector(recognizer, path, gated) for path in recordings]
    print(table(ways, commands_of(model.labels), options.stream, speech))


def by_program(program: Path, path: Path) -> list[Command]:
    """The lines of the example: `12.3 s  yes  97 %`."""
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: the C reads one channel at 16 kHz")
    run = subprocess.run([program], input=samples.tobytes(), stdout=subprocess.PIPE, check=True)
    rows = [line.split("  ") for line in run.stdout.decode().splitlines()]
    return [Command(label, float(time.removesuffix(" s"))) for time, label, _ in rows]


def by_detector(recognizer: Recognizer, path: Path, gated: bool) -> list[Command]:
    stream = recognizer.stream(gated=gated)
    rows = Rows.join([*(stream(block) for block in stream_recording(path, 10.0)), stream.finish()])
    firings = Trigger(recognizer.labels, recognizer.detection, None, stream.hop / SAMPLE_RATE)(*rows)
    return [Command(firing.label, firing.time) for firing in firings]


def table(ways: dict[str, list[list[Command]]], words: Sequence[str], stream: Path, speech: list[Path]) -> str:
    """What each way finds, and how much of it is what the C finds."""
    events, hours = read_truth(truth_path(stream)), soundfile.info(stream).duration / 3600
    spoken = sum(soundfile.info(path).duration for path in speech) / 3600
    columns = ["", "commands", "as the C", "as without", "not matched", "false accepts an hour", "in speech, an hour"]
    rows = [columns]
    for name, found in ways.items():
        score = StreamScore(hours, tuple(words), events, match(events, found[0], words))
        twin = ways[name.removesuffix(GATED)]
        total = sum(map(len, found))
        accepts = f"{sum(map(len, found[1:])) / spoken:.2f}" if speech else NONE
        rate = f"{score.false_accepts.per_hour:.1f}"
        same = [percent(agreement(ways[C], found)), percent(agreement(twin, found)) if twin is not found else NONE]
        rows.append([name, f"{total:,}", *same, percent(score.total.not_matched.share), rate, accepts])
    return "\n".join(align(rows, "lrrrrrr"))


def agreement(ours: list[list[Command]], theirs: list[list[Command]]) -> float:
    """The share of all commands that both find."""
    both = sum(map(shared, ours, theirs))
    return both / max(1, sum(map(len, ours)) + sum(map(len, theirs)) - both)


def shared(ours: list[Command], theirs: list[Command]) -> int:
    """How many commands both have."""
    rest, count = list(theirs), 0
    for command in ours:
        near = [item for item in rest if item.label == command.label and abs(item.time - command.time) < TOLERANCE]
        if near:
            rest.remove(near[0])
            count += 1
    return count


if __name__ == "__main__":
    main()
