"""What a model costs as C on small computers: bytes, instructions and time for a second of sound.

    python scripts/bench_devices.py [MODEL.safetensors] [--rounds 5]

Without MODEL it is a network of scripts/small.toml with random weights, which costs the same. Instructions are
counted by QEMU (Debian: gcc-arm-linux-gnueabihf gcc-riscv64-linux-gnu qemu-user); what is not installed is skipped.
The time is the processor time of one core, the least of the rounds, beside ONNX Runtime with the same model frame by
frame and with the bundled one, which reads every second again; both without the gate that skips silence.
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
import time
from pathlib import Path

import numpy as np
import torch

from speech_lstm.config import COMMANDS_8, SILENCE, UNKNOWN, read_config
from speech_lstm.export.c.files import export_c
from speech_lstm.export.files import export
from speech_lstm.export.parity import demo_recordings
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.model.network import Network
from speech_lstm.recognition.recognizer import Recognizer, load

ROOT = Path(__file__).parents[1]
SHORT, LONG = 2, 12  # seconds of sound: their difference has no start in it
TARGETS = {  # name → compiler, its flags, what runs its programs
    "x86-64": ("gcc", "-O3", "qemu-x86_64"),
    "ARM, Thumb-2, no SIMD": ("arm-linux-gnueabihf-gcc", "-O3 -mthumb -march=armv7-a+fp -mfpu=vfpv3-d16", "qemu-arm"),
    "ARM, NEON": ("arm-linux-gnueabihf-gcc", "-O3 -march=armv7-a+simd -mfpu=neon", "qemu-arm"),
    "RISC-V, 64 bits": ("riscv64-linux-gnu-gcc", "-O3", "qemu-riscv64"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, help="a model of one direction")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = load_model(options.model) if options.model else random_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(export_c(model, folder / "c"), end="\n\n")
        print(instructions(folder), end="\n\n")
        print(times(model, folder, options.rounds))


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


def instructions(folder: Path) -> str:
    """A table: flash, RAM and instructions of the C for a second of sound."""
    lines = ["| | code and tables, bytes | state, bytes | instructions a second of sound |", "|---|---|---|---|"]
    plugin = folder / "count.so"
    subprocess.run(["gcc", "-shared", "-fPIC", ROOT / "scripts" / "count_instructions.c", "-o", plugin], check=True)
    for name, (compiler, flags, runner) in TARGETS.items():
        if missing := [word for word in (compiler, runner) if shutil.which(word) is None]:
            print(f"{name} is skipped: {' and '.join(missing)} is not installed", file=sys.stderr)
            continue
        program = build(folder, compiler, flags)
        counts = []
        for seconds in (SHORT, LONG):
            run = subprocess.run([runner, "-plugin", plugin, program], input=sound(seconds), capture_output=True)
            counts.append(int(run.stderr))
        each = (counts[1] - counts[0]) / (LONG - SHORT)
        flash, state = bytes_of(folder, compiler, flags)
        lines.append(f"| {name} | {flash:,} | {state:,} | {each / 1e6:.1f} M |")
    return "\n".join(lines)


def bytes_of(folder: Path, compiler: str, flags: str) -> tuple[int, int]:
    """What the library takes of flash, and the state of RAM."""
    size = compiler.removesuffix("gcc") + "size"
    source = folder / "state.c"
    source.write_text('#include "speech_lstm.h"\nspeech_lstm_state state;\n', encoding="utf-8")
    sizes = []
    for file in (folder / "c" / "src" / "speech_lstm.c", source):
        object_file = folder / "part.o"
        command = [compiler, *flags.split(), "-c", f"-I{folder / 'c' / 'src'}", file, "-o", object_file]
        subprocess.run(command, check=True)
        sizes.append(subprocess.run([size, object_file], check=True, capture_output=True, text=True).stdout.split())
    return int(sizes[0][6]) + int(sizes[0][7]), int(sizes[1][8])


def times(model: Model, folder: Path, rounds: int) -> str:
    """A table: the processor time for a second of sound."""
    program = build(folder, "gcc", "-O3 -march=native")
    export(model, folder / "m.onnx", int8=True, streaming=True)
    ways = {
        "the C, gcc -O3 -march=native": lambda seconds: of_program(program, seconds),
        "ONNX Runtime, int8, frame by frame": lambda seconds: of_stream(load(folder / "m.onnx"), seconds),
        "ONNX Runtime, the bundled model": lambda seconds: of_stream(load(), seconds),
    }
    least = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for name, way in ways.items():
            each = (way(5 * LONG) - way(5 * SHORT)) / (5 * (LONG - SHORT))
            least[name] = min(least[name], max(each, 0))
    lines = ["| | processor time for a second of sound | of a core |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| {name} | {1e3 * each:.2f} ms | {100 * each:.2f} % |" for name, each in least.items())]
    )


def of_program(program: Path, seconds: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([program], input=sound(seconds), stdout=subprocess.DEVNULL, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def of_stream(recognizer: Recognizer, seconds: int) -> float:
    stream = recognizer.stream(gated=False)
    samples = np.frombuffer(sound(seconds), np.int16) / np.float32(32768)
    begin = time.process_time()
    for start in range(0, len(samples), 1600):
        stream(samples[start : start + 1600])
    return time.process_time() - begin


if __name__ == "__main__":
    main()
