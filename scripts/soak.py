"""Are memory and latency of listening constant? Measured on the whole live path, over an hour and in real time.

    python scripts/soak.py --out soak.png

An hour of words over noise (from data/demo, seeded) goes through standard input, level and detector as fast as it
can; then ten minutes of it are played in real time into the null sink of a private PulseAudio server and recorded
from its monitor. Then every kind of input is lost again and again in real time: the sound server is killed or hangs,
the sender of a pipe stops, the file is removed. Prints figures and a table, and plots the first two runs. Linux; all
but the first run need the packages that the README lists for tests.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from losses import LossyInput, Pipe, PlayedFile, ServerSource, lose_and_restore
from matplotlib.figure import Figure

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.wav_file import wav_writer
from speech_lstm.config import COMMANDS_8, SAMPLE_RATE
from speech_lstm.report.plotting import BLUE, GREY, VERMILION, save_figure, tidy

ROOT = Path(__file__).parents[1]
SAMPLES = 120  # of memory and latency during a run
WORD_SECONDS = (1.5, 3.0)  # from word to word
Run = dict[str, list[float]]  # the samples: times in seconds, memory in MB, counts of lost blocks and of commands
NAMES = ("seconds", "memory", "median", "slowest", "lag", "cpu", "lost", "commands", "losses", "descriptors")
PART = SAMPLE_RATE // 10  # samples that are written at once
NOISE = 0.05  # of the background recordings' amplitude


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--piped", type=float, default=3600, help="seconds through a pipe (%(default)s)")
    parser.add_argument("--played", type=float, default=600, help="seconds in real time (%(default)s)")
    parser.add_argument("--lossy", type=float, default=300, help="seconds of each kind of input (%(default)s)")
    parser.add_argument("--losses", type=int, default=6, help="of each kind of input (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("soak.png"), help="the plot (%(default)s)")
    # The two ends of a run are processes of their own, started with these flags.
    parser.add_argument("--speak", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--listen", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--paced", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--device", help=argparse.SUPPRESS)
    parser.add_argument("--input", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.speak is not None:
        speak(arguments.speak, sys.stdout.buffer, arguments.paced)
    elif arguments.listen is not None:
        json.dump(listen(arguments.device, arguments.input, arguments.listen), sys.stdout)
    else:
        runs = {
            "through a pipe, as fast as it can": piped(arguments.piped),
            "from a sound server, in real time": played(arguments.played),
        }
        for name, run in runs.items():
            print(f"{name}: {summary(run)}")
        save_figure(figure_of(runs), arguments.out)
        print(losses_table(arguments.lossy, arguments.losses))


def speak(seconds: float, out: IO[bytes], paced: bool = False) -> None:
    """Write words over noise as raw 16-bit samples, 16 kHz, in real time if `paced`."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the listener ends first
    start, done = time.monotonic(), 0
    for samples in sound():
        for part in np.array_split(samples, math.ceil(len(samples) / PART)):
            out.write((part * 32767).astype("<i2").tobytes())
            done += len(part)
            if done >= seconds * SAMPLE_RATE:
                return
            if paced:
                out.flush()
                time.sleep(max(0.0, start + done / SAMPLE_RATE - time.monotonic()))


def sound() -> Iterator[np.ndarray]:
    """Words over noise, one after the other, without end: float32 in ±1 at 16 kHz."""
    random = np.random.default_rng(0)
    words = [fit_clip(read_recording(path)) for word in COMMANDS_8 for path in (ROOT / "data/demo" / word).iterdir()]
    noise = np.concatenate([read_recording(path) for path in (ROOT / "data/demo/_background_noise_").iterdir()])
    done = 0
    while True:
        samples = np.zeros(round(random.uniform(*WORD_SECONDS) * SAMPLE_RATE), np.float32)
        samples[: len(words[0])] = words[random.integers(len(words))]
        samples += NOISE * np.take(noise, np.arange(done, done + len(samples)), mode="wrap")
        done += len(samples)
        yield samples.clip(-1, 1)


def listen(device: str | None, recording: str | None, seconds: float) -> Run:
    """Listen to the device ("" is the default), the file or standard input, and sample memory, times and losses."""
    from speech_lstm.audio.inputs import LevelledInput, find_input
    from speech_lstm.audio.level import Level
    from speech_lstm.recognition.detector import Detector
    from speech_lstm.recognition.recognizer import load, one_thread

    one_thread()
    detector = Detector(load())
    piped = device is None and recording is None
    source = find_input(device or None, "-" if piped else recording, SAMPLE_RATE if piped else None)
    run: Run = {name: [] for name in NAMES}
    first, cpu_start, commands, losses, is_lost = 0.0, time.process_time(), 0, 0, False
    blocks: list[float] = []
    with LevelledInput(source, Level(automatic=True)) as microphone:
        for block in microphone:
            start = time.monotonic()
            first = first or start - len(block) / SAMPLE_RATE
            was_lost, is_lost = is_lost, bool(source.hint) or not len(block)
            losses += is_lost and not was_lost
            commands += len(detector(block))
            end = time.monotonic()
            blocks.append(end - start)
            if detector.seconds >= seconds / SAMPLES * (len(run["seconds"]) + 1):
                lag, cpu = end - first - detector.seconds, time.process_time() - cpu_start
                times = (float(np.median(blocks)), max(blocks), lag, cpu)
                values = (detector.seconds, memory(), *times, microphone.overruns, commands, losses, descriptors())
                for name, value in zip(run, values, strict=True):
                    run[name].append(value)
                blocks = []
            if detector.seconds >= seconds:
                break
    return run


def memory() -> float:
    """The resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors() -> int:
    """The open files of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def piped(seconds: float) -> Run:
    """The run of a process that gets the words through a pipe."""
    with process("--speak", seconds, stdout=subprocess.PIPE) as speaker:
        return result("--listen", seconds, stdin=speaker.stdout)


def played(seconds: float) -> Run:
    """The run of a process that gets the words from the monitor of a null sink."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.virtual_microphone import VirtualMicrophone

    player = ["pacat", "--playback", "--device=virtual_mic", "--format=s16le", "--rate=16000", "--channels=1"]
    with VirtualMicrophone() as virtual, process("--speak", seconds + 60, stdout=subprocess.PIPE) as speaker:
        with subprocess.Popen(player, env=virtual.environment, stdin=speaker.stdout) as playback:
            speaker.stdout.close()
            run = result("--listen", seconds, "--device", "virtual_mic.monitor", env=virtual.environment)
            playback.kill()
        speaker.kill()
    return run


def losses_table(seconds: float, losses: int) -> str:
    """A line for every kind of input, which is lost so often while its words are recognised."""

    def speaker() -> subprocess.Popen[bytes]:
        return process("--speak", 2 * seconds + 60, "--paced", stdout=subprocess.PIPE)

    def write(path: Path) -> None:
        with wav_writer(path) as append:
            for samples in islice(sound(), math.ceil((seconds + 5) / WORD_SECONDS[0])):
                append(samples)

    sources: dict[str, LossyInput] = {
        "microphone": ServerSource("", speaker),
        "monitor": ServerSource("virtual_mic.monitor", speaker),
        "pipe": Pipe(speaker),
        "file": PlayedFile(write),
    }
    head = [
        "input",
        "audio, s",
        "losses",
        "noticed",
        "commands",
        "after the last",
        "blocks lost",
        "MB",
        "descriptors",
    ]
    rows = [head] + [lossy_row(name, source, seconds, losses) for name, source in sources.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def lossy_row(name: str, source: LossyInput, seconds: float, losses: int) -> list[str]:
    """The figures of a run in which the input is lost and comes back; beginning → end."""
    with (
        source,
        process(
            "--listen", seconds, *source.flags, stdin=source.stdin, stdout=subprocess.PIPE, env=source.environment
        ) as listener,
    ):
        count = lose_and_restore(source, seconds, losses, lambda: listener.poll() is not None)
        output, _ = listener.communicate()
    if listener.returncode:
        return [name, f"ended with status {listener.returncode}", str(count), *[""] * 6]
    run = json.loads(output)
    last = seconds * losses / (losses + 1)  # the return from the last loss
    after = run["commands"][-1] - np.interp(last, run["seconds"], run["commands"])

    def change(figure: str) -> str:
        return f"{run[figure][0]:.0f} → {run[figure][-1]:.0f}"

    counts = (count, run["losses"][-1], run["commands"][-1], after, run["lost"][-1])
    return [
        name,
        f"{run['seconds'][-1]:.0f}",
        *[f"{value:.0f}" for value in counts],
        change("memory"),
        change("descriptors"),
    ]


def process(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """This script in a process of its own."""
    environment = options.pop("env", os.environ) | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)], env=environment, **options)


def result(*arguments: object, **options: Any) -> Run:
    """The run that this script prints in a process of its own."""
    with process(*arguments, stdout=subprocess.PIPE, **options) as listener:
        output, _ = listener.communicate()
    if listener.returncode:
        sys.exit(f"the listening process ended with status {listener.returncode}")
    return json.loads(output)


def summary(run: Run) -> str:
    """The figures of a run in one line; those of its beginning and end are medians of a tenth of it."""
    tenth = max(1, len(run["seconds"]) // 10)

    def both(name: str, factor: float = 1) -> str:
        begin, end = run[name][:tenth], run[name][-tenth:]
        return f"{factor * np.median(begin):.1f} at the beginning, {factor * np.median(end):.1f} at the end"

    return (
        f"{run['seconds'][-1]:.0f} s of audio, {run['commands'][-1]:.0f} commands, "
        f"{run['lost'][-1]:.0f} blocks lost; "
        f"MB: {both('memory')}; ms a block: {both('median', 1e3)}; the slowest {1e3 * max(run['slowest']):.0f} ms; "
        + (f"ms behind: {both('lag', 1e3)}; " if run["lag"][-1] > 0 else "")
        + f"{100 * run['cpu'][-1] / run['seconds'][-1]:.1f} % of one core"
    )


def figure_of(runs: dict[str, Run]) -> Figure:
    """Memory at the top, times below; a column for each run."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, len(runs), sharex="col", height_ratios=(2, 3))
    for (name, run), (above, below) in zip(runs.items(), axes.T, strict=True):
        minutes = np.array(run["seconds"]) / 60
        above.plot(minutes, run["memory"], color=BLUE, linewidth=2.5)
        above.set_title(name, fontsize=13)
        above.set_ylim(0, 1.25 * max(run["memory"]))
        above.set_ylabel("memory, MB", fontsize=12)
        if run["lag"][-1] > 0:  # faster than real time there is no delay
            below.plot(
                minutes, 1e3 * np.array(run["lag"]), color=VERMILION, linewidth=1.5, label="delay behind the sound"
            )
        below.plot(minutes, 1e3 * np.array(run["slowest"]), ".", color=GREY, markersize=4, label="slowest block")
        below.plot(minutes, 1e3 * np.array(run["median"]), color=BLUE, linewidth=2.5, label="median block")
        below.set_ylim(0, None)
        below.set_ylabel("time, ms", fontsize=12)
        below.set_xlabel("audio, minutes", fontsize=12)
        for each in (above, below):
            each.grid(color="#E3E3E3")
            tidy(each)
    handles, labels = axes[1, -1].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3, frameon=False, fontsize=12)
    figure.suptitle("Memory and latency of listening", fontsize=15, fontweight="bold")
    return figure


if __name__ == "__main__":
    main()
