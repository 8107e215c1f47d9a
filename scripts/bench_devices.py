"""What a model costs as C on small computers, and beside other programs: bytes, instructions and time.

    python scripts/bench_devices.py [MODEL] [--rounds 5]

MODEL is a name or a file, of one direction; without it, a network of scripts/small.toml with random weights, which
costs the same. Instructions for a second of sound are counted by QEMU (Debian: gcc-arm-linux-gnueabihf
gcc-riscv64-linux-gnu qemu-user). The time is the processor time of one core, the least of the rounds, beside ONNX
Runtime with the same model and with the default one, which reads every second again, and beside microWakeWord and
openWakeWord, which know one phrase (pip install pymicro-wakeword pyopen-wakeword). What is not installed is skipped.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from listeners import PACKAGES, missing, network_bytes

from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN, read_config
from speech_lstm.export.c.files import export_c
from speech_lstm.export.c.integers import integer_model
from speech_lstm.export.files import export
from speech_lstm.export.parity import demo_recordings
from speech_lstm.model.bundled import DEFAULT, find_model
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.model.network import Network
from speech_lstm.report.tables import NONE

ROOT = Path(__file__).parents[1]
SHORT, LONG = 2, 12  # seconds of sound: their difference has no start in it
TIMED = 60  # seconds of sound
TARGETS = {  # name → compiler, its flags, what runs its programs
    "x86-64": ("gcc", "-O3", "qemu-x86_64"),
    "x86-64, AVX2": ("gcc", "-O3 -march=x86-64-v3", "qemu-x86_64 -cpu max"),
    "ARM, Thumb-2, no SIMD": ("arm-linux-gnueabihf-gcc", "-O3 -mthumb -march=armv7-a+fp -mfpu=vfpv3-d16", "qemu-arm"),
    "ARM, NEON": ("arm-linux-gnueabihf-gcc", "-O3 -march=armv7-a+simd -mfpu=neon", "qemu-arm"),
    "RISC-V, 64 bits": ("riscv64-linux-gnu-gcc", "-O3", "qemu-riscv64"),
}
AVX2 = TARGETS["x86-64, AVX2"]
COUNTED = ("microWakeWord",)
NATIVE = ("gcc", "-O3 -march=native")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a model of one direction")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = load_model(find_model(options.model, ".safetensors")) if options.model else random_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(export_c(model, folder / "c"), end="\n\n")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", ROOT / "scripts" / "count_instructions.c", "-o", folder / "count.so"],
            check=True,
        )
        print(targets(folder), end="\n\n")
        print(comparison(model, folder, options.rounds))


def random_model() -> Model:
    config = read_config(ROOT / "scripts" / "small.toml")
    labels = (*COMMANDS_8, UNKNOWN, SILENCE)
    torch.manual_seed(1)
    network = Network(config.features, config.network, len(labels)).eval().requires_grad_(False)
    return Model(network, config.features, config.network, labels)


def sound(seconds: int) -> bytes:
    """Words and noise, 16-bit samples."""
    words = np.resize(demo_recordings(), (seconds, 16_000))
    noise = np.random.default_rng(0).normal(0, 0.003, words.shape)
    return np.round((words + noise).clip(-1, 0.9999) * 32768).astype(np.int16).tobytes()


def build(folder: Path, compiler: str, flags: str) -> Path:
    """The example, for a target."""
    program, main = folder / "program", folder / "c" / "examples" / "listen" / "main.c"
    sources = [folder / "c" / "src" / "speech_lstm.c", main]
    command = [compiler, *flags.split(), "-static", f"-I{folder / 'c' / 'src'}", *sources, "-o", program]
    subprocess.run(command, check=True)
    return program


def targets(folder: Path) -> str:
    """A table: flash, RAM and instructions of the C for a second of sound."""
    lines = ["| | code and tables, bytes | state, bytes | stack, at most, bytes | instructions |", f"|{'---|' * 5}"]
    for name, (compiler, flags, runner) in TARGETS.items():
        if absent := [word for word in (compiler, runner.split()[0]) if shutil.which(word) is None]:
            print(f"{name} is skipped: {' and '.join(absent)} is not installed", file=sys.stderr)
            continue
        count = instructions(folder, runner, [build(folder, compiler, flags)])
        flash, state, stack = bytes_of(folder, compiler, flags)
        lines.append(f"| {name} | {flash:,} | {state:,} | {stack:,} | {count / 1e6:.1f} M |")
    return "\n".join(lines)


def instructions(folder: Path, runner: str, program: Sequence[str | Path]) -> float:
    """The instructions of a program for a second of sound."""
    counts = []
    for seconds in (SHORT, LONG):
        command = [*runner.split(), "-plugin", folder / "count.so", *program]
        run = subprocess.run(command, input=sound(seconds), capture_output=True, check=True)
        counts.append(int(run.stderr.split()[-1]))
    return (counts[1] - counts[0]) / (LONG - SHORT)


def bytes_of(folder: Path, compiler: str, flags: str) -> tuple[int, int, int]:
    """What the library takes of flash, the state of RAM, and what its functions take of the stack, all together."""
    size = compiler.removesuffix("gcc") + "size"
    source = folder / "state.c"
    source.write_text('#include "speech_lstm.h"\nspeech_lstm_state state;\n', encoding="utf-8")
    sizes = []
    for file in (folder / "c" / "src" / "speech_lstm.c", source):
        part = folder / f"{file.stem}.o"
        command = [compiler, *flags.split(), "-fstack-usage", "-c", f"-I{folder / 'c' / 'src'}", file, "-o", part]
        subprocess.run(command, check=True)
        sizes.append(subprocess.run([size, part], check=True, capture_output=True, text=True).stdout.split())
    frames = (folder / "speech_lstm.su").read_text(encoding="utf-8").splitlines()
    stack = sum(int(line.split("\t")[1]) for line in frames)
    return int(sizes[0][6]) + int(sizes[0][7]), int(sizes[1][8]), stack


@dataclass(frozen=True)
class Way:
    """A way to listen: a program that reads samples, and the bytes of its network.

    Not all instructions are counted: in QEMU, the start of ONNX Runtime and seconds of openWakeWord take minutes.
    """

    program: list[str | Path]
    size: int
    counted: list[str | Path] | None = None  # the program whose instructions are counted, with AVX2

    def seconds(self) -> float:
        """The processor time for a second of sound: of the whole C, and what `listeners.py` prints."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run = subprocess.run(self.program, input=sound(TIMED), check=True, stdout=subprocess.PIPE)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        return (spent if len(self.program) == 1 else float(run.stdout)) / TIMED


def ways_to_listen(model: Model, folder: Path) -> dict[str, Way]:
    """The ways by their names in the table, the C first."""
    listener = [sys.executable, ROOT / "scripts" / "listeners.py"]
    export(model, folder / "m.onnx", int8=True, streaming=True)
    shutil.copy(folder / "m.onnx", folder / "windows.onnx")
    files = {
        "the same in ONNX Runtime, int8, frame by frame": folder / "m.onnx",
        "the same in ONNX Runtime, int8, every window again": folder / "windows.onnx",
        f"{DEFAULT} in ONNX Runtime, int8, in both directions": find_model(DEFAULT, ".onnx"),
    }
    portable, native = (
        build(folder, *flags).rename(folder / name) for name, flags in (("avx2", AVX2[:2]), ("native", NATIVE))
    )
    ways = {"the C": Way([native], integer_model(model).weight_bytes, [portable])}
    ways |= {name: Way([*listener, "ours", file], file.stat().st_size) for name, file in files.items()}
    for name in PACKAGES:
        if package := missing(name):
            print(f"{name} is skipped: pip install {package}", file=sys.stderr)
        else:
            program = [*listener, name]
            ways[f"{name}, one phrase"] = Way(program, network_bytes(name), program if name in COUNTED else None)
    return ways


def comparison(model: Model, folder: Path, rounds: int) -> str:
    """A table: what a second of sound costs on this machine."""
    ways = ways_to_listen(model, folder)
    least = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for name, way in ways.items():
            least[name] = min(least[name], way.seconds())
    ours = next(iter(least.values()))
    lines = [
        "| | network, bytes | processor time | of a core | times the C | instructions |",
        "|---|---|---|---|---|---|",
    ]
    for name, way in ways.items():
        time = least[name]
        cells = [f"{way.size:,}", f"{1e3 * time:.2f} ms", f"{100 * time:.2f} %", f"{time / ours:.1f}", NONE]
        if way.counted and shutil.which(AVX2[2].split()[0]):
            cells[-1] = f"{instructions(folder, AVX2[2], way.counted) / 1e6:.1f} M"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
