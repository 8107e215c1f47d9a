"""The commands that write, on a corpus and models so small that each takes a second, and what they leave."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tarfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from fuzzing.archives import Server, answer, packed_tar, tar_of
from fuzzing.networks import exported_bytes, model_bytes
from fuzzing.states import CONFIG
from safetensors import safe_open

from speech_lstm.config import SAMPLE_RATE
from speech_lstm.corpus.own_words import take_path
from speech_lstm.model.onnx_file import intact

DEMO = Path(__file__).parents[2] / "data" / "demo"
SPEAKERS = 12  # of each word; two of them are scored, two are tested
CALLS = ("write", "sync", "rename", "open", "allocate")
STUDY = """
[study]
trials = 1
repeats = 1
[cells]
rnn = {}
[space]
hidden = { low = 4, high = 8 }
"""


@dataclass(frozen=True)
class Command:
    """A command whose calls are made to fail. In its words, `{work}` is the folder that it
    writes to and `{given}` what it only reads."""

    name: str
    words: str
    again: str = ""  # further words where the run folder holds a state
    keys: str = ""
    points: int = 1  # how many calls of each kind fail in the suite
    calls: tuple[str, ...] = CALLS
    old: Callable[[Path], None] = field(default=lambda work: None)  # writes what is there before
    extra: tuple[str, ...] = ()  # ends of names that may stay after a fault: the next run needs them

    def call(self, work: Path, given: Given) -> list[str]:
        words = self.words.format(work=work, given=given.folder, url=given.url, digest=given.digest).split()
        if self.again and (work / "run" / "state.safetensors").exists():
            words.append(self.again)
        return words

    def prepare(self, work: Path, given: Given) -> None:
        """The folder before the command."""
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(given.folder / "data", work / "data")
        (work / "m.safetensors").write_bytes(model_bytes("lstm"))
        self.old(work)


def old_stream(work: Path) -> None:
    soundfile.write(work / "s.wav", np.zeros(100, np.float32), SAMPLE_RATE, "PCM_16")
    (work / "s.csv").write_text("old")


def old_export(work: Path) -> None:
    (work / "m.onnx").write_bytes(exported_bytes("gru"))
    (work / "m.stream.onnx").write_bytes(exported_bytes("gru", True))


def old_take(work: Path) -> None:
    path = take_path(work / "own", "yes", "me", 0)
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE, "PCM_16")


COMMANDS = (
    Command("train", "train --config {given}/tiny.toml --data {work}/data --out {work}/run", "--resume"),
    Command(
        "download",
        "download --data {work}/down --url {url} --sha256 {digest}",
        points=3,
        extra=(".part", ".part.json"),
    ),
    Command("export", "export {work}/m.safetensors --streaming", old=old_export),
    Command(
        "record",
        "record --input {given}/take.wav --words yes --speaker me --each 2 --out {work}/own",
        keys="\n",
        old=old_take,
    ),
    Command(
        "make-stream",
        "make-stream --data {work}/data --out {work}/s.wav --minutes 0.3 --words yes,no",
        old=old_stream,
        points=3,
    ),
    Command("calibrate", "calibrate {work}/m.safetensors --data {work}/data --hours 0.01 --in-place"),
    Command(
        "study",
        "study run {given}/tiny_study.toml --data {work}/data --storage sqlite:///{work}/s.db",
        calls=("write", "sync", "open", "allocate"),  # what it renames, `train` renames too
        extra=("-journal", "-wal", "-shm"),
    ),
)


class Given:
    """What the commands only read: a corpus, settings, a recording, and a server with an archive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_corpus(folder / "data")
        (folder / "tiny.toml").write_text(CONFIG)
        tiny = CONFIG.replace("hidden = 4\n", "").replace("epochs = 2", "epochs = 1")
        (folder / "tiny_study.toml").write_text(STUDY + tiny)
        quiet = np.random.default_rng(0).normal(0, 0.0005, 2 * SAMPLE_RATE)
        word, _ = soundfile.read(min((DEMO / "yes").iterdir()))
        soundfile.write(folder / "take.wav", np.concatenate([quiet, word, quiet]), SAMPLE_RATE)
        archive, server = packed_tar(tar_of(tarfile.USTAR_FORMAT)), Server()
        server.content = answer(archive)
        self.url, self.digest = server.address, hashlib.sha256(archive).hexdigest()


def write_corpus(data: Path) -> None:
    """Three words of the corpus in the repository, and short noise."""
    scored = sorted(path.name for path in (DEMO / "yes").iterdir())[:SPEAKERS]
    for word in ("yes", "no", "tree"):
        (data / word).mkdir(parents=True)
        for name in scored:
            if (DEMO / word / name).exists():
                shutil.copy(DEMO / word / name, data / word)
    for number, split in enumerate(("validation", "testing")):
        mine = [path for name in scored[2 * number : 2 * number + 2] for path in data.glob(f"*/{name}")]
        lines = sorted(path.relative_to(data).as_posix() for path in mine)
        (data / f"{split}_list.txt").write_text("".join(f"{line}\n" for line in lines))
    (data / "_background_noise_").mkdir()
    noise = np.random.default_rng(1).normal(0, 0.01, 3 * SAMPLE_RATE)
    soundfile.write(data / "_background_noise_" / "noise.wav", noise, SAMPLE_RATE)


def files_of(work: Path) -> dict[str, bytes]:
    """The content of every file below the folder but TensorBoard's, which have the time in their names."""
    paths = [path for path in work.rglob("*") if path.is_file() and "tfevents" not in path.name]
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in paths}


def is_whole(path: Path) -> bool:
    """Whether a file can be read to its end."""
    try:
        match path.suffix:
            case ".safetensors":
                with safe_open(path, framework="np") as file:
                    return all(file.get_tensor(name) is not None for name in file.keys())  # noqa: SIM118
            case ".wav":
                return len(soundfile.read(path)[0]) == soundfile.info(path).frames > 0
            case ".json":
                return json.loads(path.read_text()) is not None
            case ".toml":
                return bool(tomllib.loads(path.read_text()))
            case ".onnx":
                return intact(path.read_bytes())
            case ".png":
                return b"IEND" in path.read_bytes()[-16:]
            case ".db":
                with sqlite3.connect(path) as storage:
                    return storage.execute("pragma integrity_check").fetchone() == ("ok",)
            case _:
                return True
    except Exception:
        return False
