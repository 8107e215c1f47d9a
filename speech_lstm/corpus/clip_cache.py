"""All recordings of a folder as one int16 array of one-second clips, kept on disk as a memory map."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import fit_clip, read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import CorpusError, RecordingError
from speech_lstm.files import OutputError, atomic_path, write_json

CACHE_FOLDER = ".speech_lstm"
FORMAT = 2  # of the copy; another number makes it be built anew
LONGEST_SECONDS = 60.0  # a longer file among one-word recordings is a mistake
THREADS = 8  # they wait for the disk more than they compute
FILES_PER_TASK = 64
TASKS_AT_ONCE = 64  # 4,096 clips, 128 MiB: what is held before it is written, and what Ctrl-C waits for
NAMED = 5  # damaged recordings that are named; the rest is counted
ABANDONED_SECONDS = 86_400.0  # a temporary file that old was left by a run that was killed
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


@dataclass(frozen=True)
class Memory:
    """Clips in memory: row i of `samples`, int16 [clips, CLIP_SAMPLES], is the recording `names[i]`.

    `damaged` gives the reason for each recording that could not be read; it has no row.
    """

    names: tuple[str, ...]
    samples: NDArray[np.int16]
    damaged: dict[str, str]

    @property
    def notes(self) -> list[str]:
        """What was left out, for people: the first few damaged recordings, and how many there are."""
        reasons = [f"left out, {reason}" for reason in list(self.damaged.values())[:NAMED]]
        more = len(self.damaged) - len(reasons)
        return [*reasons, f"left out, {more:,} more damaged recordings"] if more else reasons


def load_memory(root: Path, names: Sequence[str], progress: bool = True, strict: bool = False) -> Memory:
    """Read recordings (paths below `root`) in parallel, or map the copy that an earlier call left.

    The copy lies in `root/.speech_lstm`, or in the user's cache folder where `root` can't be written. It is
    used while names, sizes and times of the files are what they were. Raises CorpusError if `strict` and a
    recording is damaged, or if none can be read, and OutputError if there is no space for the copy.
    """
    fingerprint = fingerprint_of(root, names)
    folders = cache_folders(root)
    memory = next((found for folder in folders if (found := cached(folder, fingerprint))), None)
    if memory is None:
        folder = next((folder for folder in folders if writable(folder)), folders[-1])
        memory = read_all(root, names, folder, fingerprint, progress)
    if strict and memory.damaged:
        raise damage(root, names, memory.damaged)
    return memory


def damage(root: Path, names: Sequence[str], damaged: dict[str, str]) -> CorpusError:
    """The one line for recordings that can't be read: the first reason, and how many there are."""
    reason = next(iter(damaged.values()), "no recordings are named")
    return CorpusError(f"{reason} ({len(damaged)} of {len(names)} recordings in {root} can't be read)")


def fingerprint_of(root: Path, names: Sequence[str]) -> str:
    """A digest of the names, sizes and times of the files."""
    digest = hashlib.sha256(f"{FORMAT} {CLIP_SAMPLES}".encode())
    for name in names:
        try:
            facts = (root / name).stat()
        except OSError as error:
            raise CorpusError(f"{root / name}: can't be read: {error.strerror}; try again") from error
        digest.update(os.fsencode(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n"))
    return digest.hexdigest()


def cache_folders(root: Path) -> tuple[Path, Path]:
    """Where the copy of a folder may lie: inside it, or in the user's cache folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    whole_path = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()
    return root / CACHE_FOLDER, base / "speech_lstm" / whole_path[:16]


def writable(folder: Path) -> bool:
    """Whether files can be put into a folder, which is made if need be."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    return False


def places(folder: Path, fingerprint: str) -> tuple[Path, Path]:
    """The two files of a copy: its samples, int16 clip by clip, and the facts about them."""
    return folder / f"{fingerprint[:16]}.int16", folder / f"{fingerprint[:16]}.json"


def cached(folder: Path, fingerprint: str) -> Memory | None:
    """The copy with this fingerprint, if there is one and it is whole."""
    samples_path, facts_path = places(folder, fingerprint)
    try:
        facts = json.loads(facts_path.read_text(encoding="utf-8"))
        names, damaged = tuple(facts["names"]), dict(facts["damaged"])
        shape = (len(names), CLIP_SAMPLES)
        samples = np.memmap(samples_path, np.int16, "c", shape=shape)  # torch wants it writable; the file stays
        whole = facts["fingerprint"] == fingerprint and samples_path.stat().st_size == samples.nbytes
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Memory(names, samples, damaged) if whole else None


def read_all(root: Path, names: Sequence[str], folder: Path, fingerprint: str, progress: bool) -> Memory:
    """Read every recording into a copy on disk; damaged ones are named and leave no row."""
    from tqdm import tqdm

    samples_path, facts_path = places(folder, fingerprint)
    remove_stale(folder, samples_path.stem)
    check_space(folder, len(names) * CLIP_SAMPLES * 2)
    read: list[str] = []
    damaged: dict[str, str] = {}
    with atomic_path(samples_path) as temporary, temporary.open("wb") as file:
        clips = tqdm(
            read_clips(root, names),
            desc=f"reading {root.name}",
            total=len(names),
            unit="clip",
            disable=not progress,
            delay=2,
        )
        for name, clip in zip(names, clips, strict=True):
            if isinstance(clip, RecordingError):
                damaged[name] = str(clip)
            else:
                file.write(clip)
                read.append(name)
        if not read:
            raise damage(root, names, damaged)
    write_json(facts_path, {"fingerprint": fingerprint, "names": read, "damaged": damaged})
    memory = cached(folder, fingerprint)
    if memory is None:
        raise CorpusError(f"{folder}: the copy of the recordings can't be read back; delete the folder and try again")
    return memory


def remove_stale(folder: Path, stem: str) -> None:
    """Remove the copies of what the recordings were before, and what a killed run left half written."""
    with suppress(OSError):
        for path in folder.iterdir():
            half_written = path.name.startswith(".")  # perhaps by another process, which goes on
            age = time.time() - path.stat().st_mtime
            if path.stem != stem and (not half_written or age > ABANDONED_SECONDS):
                path.unlink(missing_ok=True)


def check_space(folder: Path, size: int) -> None:
    """Raise OutputError unless `size` bytes are free."""
    if not folder.is_dir():
        return  # it can't be made; writing says why
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"{folder}: the copy of the recordings needs {size / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free; "
            "free some disk space"
        )


def read_clips(root: Path, names: Sequence[str]) -> Iterator[NDArray[np.int16] | RecordingError]:
    """Each recording as int16 [CLIP_SAMPLES], in the order of the names, or what is wrong with it."""
    tasks = [names[start : start + FILES_PER_TASK] for start in range(0, len(names), FILES_PER_TASK)]
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(tasks), TASKS_AT_ONCE):
            for clips in pool.map(partial(read_some, root), tasks[start : start + TASKS_AT_ONCE]):
                yield from clips


def read_some(root: Path, names: Sequence[str]) -> list[NDArray[np.int16] | RecordingError]:
    """What `read_clips` gives, for one thread's share."""
    clips: list[NDArray[np.int16] | RecordingError] = []
    for name in names:
        try:
            clips.append(read_clip(root / name))
        except RecordingError as error:
            clips.append(error)
    return clips


def read_clip(path: Path) -> NDArray[np.int16]:
    """One recording of any kind as int16 [CLIP_SAMPLES]; raises RecordingError."""
    samples = plain_wav(path)
    if samples is None:
        return to_int16(fit_clip(read_recording(path, max_seconds=LONGEST_SECONDS)))
    return samples if len(samples) == CLIP_SAMPLES else to_int16(fit_clip(samples / np.float32(32768)))


def plain_wav(path: Path) -> NDArray[np.int16] | None:
    """The samples of a recording as the archive has them: 16 kHz, mono, 16 bit, with the shortest header.

    None for all others, which are `read_recording`'s. It would give the same samples, in ten times the time.
    """
    try:
        content = path.read_bytes() if path.stat().st_size < 2 * SAMPLE_RATE * LONGEST_SECONDS else b""
    except OSError:
        return None
    size = len(content) - WAV_HEADER.size
    if size <= 0 or size % 2:
        return None
    usual = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16, b"data", size)
    if content[: WAV_HEADER.size] != WAV_HEADER.pack(*usual):
        return None
    return np.frombuffer(content, "<i2", offset=WAV_HEADER.size)


def to_int16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """float32 in ±1 → int16, rounded and clipped."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
