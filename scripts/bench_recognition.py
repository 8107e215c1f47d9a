"""The speed, size and accuracy of this project and of others, in one run.

    python scripts/bench_recognition.py [--data data/demo] [--model FILE] [--rounds 20]

One thread, from the samples of a second to the answer. All ways take turns, and the fastest of the rounds counts:
other work on the machine makes a run slower, nothing makes it faster. A way that is not installed is skipped, with
pip's command for it. An answer is right if it is the command that was spoken, or none where there was none, in the
testing split.
"""

from __future__ import annotations

import os

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
os.environ |= THREADS  # before anything reads them
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode

import argparse  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from peers import FILE, WAYS, WORDS, YARDSTICK, Recognize, Samples, Way  # noqa: E402

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "data" / "demo" / "stop" / "7a254b5f_nohash_0.wav"
TIMED = 6  # recordings, one at a time: the time of a decoder depends on the recording
BATCH = 64
STARTS = 5


@dataclass
class Start:
    """A process that recognises one recording, from its start."""

    seconds: float
    megabytes: float  # the most memory it held
    answer: str


@dataclass
class Row:
    """The measurements of one way."""

    start: Start | None
    one: float  # ms
    batch: float  # ms for each of BATCH
    right: tuple[int, int]  # of all recordings
    commands: tuple[int, int]  # of those with one of the words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "demo")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = installed()
        given = [options.model] if options.model else []
        subprocess.run([sys.executable, ROOT / "scripts" / "prepare_peers.py", folder, *given], check=True)
        starts = cold_starts(ways, folder)  # before anything large is imported: a process is born with its parent's
        waveforms, truth = recordings(options.data, folder)
        functions = {way.name: way.make(folder) for way in (*ways, YARDSTICK, FILE)}
        one, batch = times(functions, waveforms, options.rounds)
        rows = {}
        for way in ways:
            right = accuracy(functions[way.name], waveforms, truth) if way.has_words else ((0, 0), (0, 0))
            rows[way.name] = Row(starts[way.name], one[way.name], batch[way.name], *right)
        print(table(ways, rows, folder))
        print()
        for part, title in (YARDSTICK, YARDSTICK.title), (FILE, FILE.title), (WAYS[0], "the whole path with int8"):
            single, batched = one[part.name], batch[part.name]
            ratios = [f"{each[part.name] / each[YARDSTICK.name]:.2f} ×" for each in (one, batch)]
            print(f"{title}: {single:.2f} ms, {ratios[0]}; in a batch {batched:.2f} ms, {ratios[1]}")


def installed() -> list[Way]:
    """The ways whose packages are installed; the others are reported."""
    ways = []
    for way in WAYS:
        if way.missing:
            print(f"{way.title.strip('*')} is skipped: pip install {' '.join(way.missing)}", file=sys.stderr)
        else:
            ways.append(way)
    return ways


def recordings(data: Path, folder: Path) -> tuple[Samples, list[str]]:
    """The testing split: waveforms float32 [n, samples], in random order, and the label of each."""
    from speech_lstm.corpus.scored_set import read_scored_set
    from speech_lstm.recognition.recognizer import load

    labels = load(folder / "model.onnx").labels
    scored = read_scored_set(data, labels, "testing")
    order = np.random.default_rng(0).permutation(len(scored.truth))
    waveforms = np.divide(scored.waveforms[order], 32768, dtype=np.float32)
    return waveforms, [labels[i] for i in scored.truth[order]]


# --- time and memory ---------------------------------------------------------------------------------------------


def cold_starts(ways: list[Way], folder: Path) -> dict[str, Start]:
    """The fastest process of each way; this project's is its command line."""
    starts: dict[str, Start] = {}
    for _ in range(STARTS):
        for way in ways:
            command, place = ["peers", way.name, folder, RECORDING], ROOT / "scripts"
            if way.command:
                command, place = ["speech_lstm", "classify", RECORDING, "--model", folder / way.command], ROOT
            start = cold_start(["-m", *map(str, command)], place)
            if way.name not in starts or start.seconds < starts[way.name].seconds:
                starts[way.name] = start
    return starts


def cold_start(command: list[str], place: Path) -> Start:
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=place)
    assert process.stdout is not None
    answer = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    words = [word for word in answer.split() if word in WORDS]
    return Start(seconds, used.ru_maxrss / 1024, words[0] if words else "—")


def times(
    functions: dict[str, Recognize], waveforms: Samples, rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds for one recording, the median of some, and for each of a batch; the fastest of rounds by turns."""
    from speech_lstm.progress import Bar

    each = waveforms[:TIMED]
    many = np.resize(waveforms, (BATCH, waveforms.shape[1]))
    one = {name: np.full(len(each), np.inf) for name in functions}
    batch = dict.fromkeys(functions, np.inf)
    for _ in Bar(range(rounds), desc="timing", unit="round"):
        for i in range(len(each)):
            for name, recognize in functions.items():
                one[name][i] = min(one[name][i], milliseconds(recognize, each[i : i + 1]))
        for name, recognize in functions.items():
            batch[name] = min(batch[name], milliseconds(recognize, many) / BATCH)
    return {name: float(np.median(times)) for name, times in one.items()}, batch


def milliseconds(recognize: Recognize, waveforms: Samples) -> float:
    """The time of the second of two calls: the first one fills the caches, which another way has used before."""
    recognize(waveforms)
    start = time.perf_counter()
    recognize(waveforms)
    return 1e3 * (time.perf_counter() - start)


# --- answers -----------------------------------------------------------------------------------------------------


def accuracy(recognize: Recognize, waveforms: Samples, truth: list[str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many answers are right, and of how many: of all recordings, and of those with a command."""
    answers = [word for start in range(0, len(truth), BATCH) for word in recognize(waveforms[start : start + BATCH])]
    right = np.array([command(a) == command(b) for a, b in zip(answers, truth, strict=True)])
    spoken: NDArray[np.bool_] = np.array([word in WORDS for word in truth])
    return (int(right.sum()), len(right)), (int(right[spoken].sum()), int(spoken.sum()))


def command(word: str) -> str:
    return word if word in WORDS else ""


def table(ways: list[Way], rows: dict[str, Row], folder: Path) -> str:
    """A table in Markdown; the times also as multiples of those of the first way."""
    first = rows[ways[0].name]
    lines = [
        f"| | one, ms | × | batch of {BATCH}, ms each | × | right | of the commands | cold start, s | × | memory, MB "
        "| model, MB | answer |",
        "|" + "---|" * 12,
    ]
    for way in ways:
        row = rows[way.name]
        assert row.start is not None
        assert first.start is not None
        cells = [way.title, f"{row.one:.2f}", f"{row.one / first.one:.1f}", f"{row.batch:.2f}"]
        cells += [f"{row.batch / first.batch:.1f}", share(row.right), share(row.commands)]
        cells += [f"{row.start.seconds:.2f}", f"{row.start.seconds / first.start.seconds:.1f}"]
        cells += [f"{row.start.megabytes:.0f}", f"{size(way.files(folder)) / 1e6:.2f}"]
        lines.append("| " + " | ".join([*cells, row.start.answer if way.has_words else "—"]) + " |")
    return "\n".join(lines)


def share(counted: tuple[int, int]) -> str:
    right, of = counted
    return f"{100 * right / of:.1f} % ({right:,} of {of:,})" if of else "—"


def size(paths: list[Path]) -> int:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
