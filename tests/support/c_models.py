"""Models of random weights as C, compiled and run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, DetectionConfig
from speech_lstm.export.c.integers import integer_model
from speech_lstm.export.c.reference import IntegerRecognizer, hop_of
from speech_lstm.export.c.source import source_files
from speech_lstm.export.parity import demo_recordings
from speech_lstm.model.checkpoint import Model
from speech_lstm.recognition.posteriors import Rows
from speech_lstm.recognition.trigger import Trigger
from support.exported_models import model_of

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
PRINTER = Path(__file__).with_name("print_rows.c")


@dataclass(frozen=True)
class Target:
    """A compiler with its flags, what runs its programs, and the Debian packages that have both."""

    name: str
    compiler: tuple[str, ...]
    runner: tuple[str, ...] = ()
    packages: str = ""

    def param(self) -> Any:
        """The target as a parameter of a test, which is skipped where it is not installed."""
        missing = [words[0] for words in (self.compiler, self.runner) if words and shutil.which(words[0]) is None]
        reason = f"needs {' and '.join(missing)}: apt-get install {self.packages}"
        return pytest.param(self, id=self.name, marks=pytest.mark.skipif(bool(missing), reason=reason))


SANITISERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
GCC = Target("gcc", ("gcc", "-O1"), packages="gcc")
TARGETS = [
    Target("gcc, fast", ("gcc", "-O3"), packages="gcc"),
    Target("gcc, sanitisers", ("gcc", "-O1", *SANITISERS), packages="gcc"),
    Target("clang", ("clang", "-O2"), packages="clang"),
    Target(
        "ARM, 32 bits",
        ("arm-linux-gnueabihf-gcc", "-O2", "-static"),
        ("qemu-arm",),
        "gcc-arm-linux-gnueabihf qemu-user",
    ),
    Target(
        "RISC-V", ("riscv64-linux-gnu-gcc", "-O2", "-static"), ("qemu-riscv64",), "gcc-riscv64-linux-gnu qemu-user"
    ),
]


def write_sources(model: Model, folder: Path) -> Path:
    """The C of a model in a folder."""
    for name, text in source_files(integer_model(model)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def build(target: Target, sources: Path, program: Path, main: Path = PRINTER) -> Path:
    """Compile sources without a warning."""
    files = [sources / "src" / "speech_lstm.c", main]
    subprocess.run([*target.compiler, *STRICT, f"-I{sources / 'src'}", *files, "-o", program], check=True)
    return program


def run(target: Target, program: Path, samples: NDArray[np.int16], *arguments: object) -> list[str]:
    """The lines that a program prints for samples."""
    command = [*target.runner, program, *map(str, arguments)]
    return (
        subprocess.run(command, input=samples.tobytes(), check=True, stdout=subprocess.PIPE)
        .stdout.decode()
        .splitlines()
    )


@cache
def stream() -> NDArray[np.int16]:
    """Words, a pause after some of them, noise, and silence."""
    words = demo_recordings()[::36]
    random = np.random.default_rng(4)
    parts = [random.normal(0, 0.001, 5_000)]
    for number, word in enumerate(words):
        parts += [word, random.normal(0, 0.003, 6_000 if number % 2 else 300)]
    samples = np.concatenate([*parts, random.normal(0, 0.3, CLIP_SAMPLES), np.zeros(2 * CLIP_SAMPLES)])
    samples[: CLIP_SAMPLES // 8] = 1  # and what clips
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def rows_of(model: Model) -> Rows:
    """The rows of Python for the stream, of the same integers."""
    detecting = IntegerRecognizer(integer_model(model)).stream()
    return detecting(stream() / np.float32(32768))


def expected_lines(model: Model) -> list[str]:
    """What the C has to print."""
    rows, hop = rows_of(model), hop_of(integer_model(model))
    trigger = Trigger(model.labels, model.detection, None, hop / CLIP_SAMPLES)
    lines = []
    for time, row, isolation in zip(*rows, strict=True):
        lines.append("row " + " ".join(str(round(value * 32768)) for value in row))
        for firing in trigger(np.array([time]), row[None], np.array([isolation])):
            height = int(np.floor(firing.probability * 32768 + 0.01))
            place = round(firing.time * CLIP_SAMPLES)
            lines.append(f"command {model.labels.index(firing.label)} {height} {place}")
    return lines


@cache
def deciding(cell: str, isolation: float = 0.0, sure: float = 1.0, **changes: Any) -> Model:
    """A model of random weights that finds some commands in the stream; `sure` is a quantile of its probabilities."""
    model = model_of(cell, bidirectional=False, **changes)
    model = replace(model, labels=("yes", "_unknown_", 'no, "né" ??/'))
    posteriors = rows_of(model).posteriors
    levels = np.quantile(posteriors, 0.8, axis=0)
    thresholds = {model.labels[i]: float(levels[i]) for i in (0, 2)}
    high = float(np.quantile(posteriors[:, [0, 2]].max(1), sure)) if sure < 1 else 1.0
    return replace(model, detection=DetectionConfig(thresholds, isolation=isolation, sure=high, smoothing=0.2))
