"""All recordings of a folder as one int16 array of clips of a second, cached on disk as a memory map.

A recording of a word is one clip; a long recording is as many clips as it has seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import CorpusError, RecordingError
from speech_lstm.files import OutputError, atomic_path, remove_abandoned, write_json

CACHE_FOLDER = ".speech_lstm"
FORMAT = 3  # of the cache; a new number has every cache built again
LONGEST_SECONDS = 60.0  # a longer file among one-word recordings is a mistake
LONGEST_SPEECH_SECONDS = (
    3600.0  # of one file of running speech: eight of them, in the memory of the threads, are 2 GB
)
THREADS = 8  # they wait for the disk more than they compute
CHUNK = 64  # files that a thread reads at a time
CHUNKS_AT_ONCE = 64  # 4,096 clips, 128 MiB: held before they are written, and what Ctrl-C waits for
NAMED = 5  # damaged recordings that the notes name; the rest is counted
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


@dataclass(frozen=True)
class ClipCache:
    """Recordings of a folder: row i of `samples`, int16 [clips, CLIP_SAMPLES], is of the recording `names[i]`.

    `damaged` gives the reason for each recording that cannot be read; it has no row. `digest` changes with the
    samples.
    """

    names: tuple[str, ...]
    samples: NDArray[np.int16]
    damaged: dict[str, str]
    digest: str

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each recording of a word by its name."""
        return {name: row for row, name in enumerate(self.names)}

    @property
    def notes(self) -> list[str]:
        """What is skipped, for people: the first few damaged recordings, and the number of all others."""
        reasons = [f"skipped: {reason}" for reason in list(self.damaged.values())[:NAMED]]
        more = len(self.damaged) - len(reasons)
        return [*reasons, f"skipped: {more:,} more damaged recordings"] if more else reasons


@dataclass(frozen=True)
class Reader:
    """How recordings become clips, and how many of them are in memory at a time."""

    name: str  # tells the caches of one folder apart
    read: Callable[[Path], NDArray[np.int16]]  # → [clips, CLIP_SAMPLES]; raises RecordingError
    chunk: int  # files that a thread reads at a time
    chunks_at_once: int  # held before they are written, and what Ctrl-C waits for


def load_clips(
    root: Path, names: Sequence[str], progress: bool = True, strict: bool = False, long: bool = False
) -> ClipCache:
    """Read recordings (paths below `root`) in parallel, or map the cache that an earlier call wrote.

    Each is one clip, its loudest second if it is longer; with `long`, its consecutive seconds. The cache is in
    `root/.speech_lstm`, or in the user's cache folder where `root` cannot be written. It is valid while names, sizes
    and times of the files stay the same. Raises CorpusError if `strict` and a recording is damaged, or if none can be
    read, and OutputError if there is no space for the cache.
    """
    reader = SECONDS if long else WORDS
    fingerprint = fingerprint_of(root, names, reader)
    caches = (read_cache(folder, fingerprint) for folder in cache_folders(root))
    clips = next((cache for cache in caches if cache), None)
    if clips is None:
        clips = write_cache(root, names, reader, cache_folder(root), fingerprint, progress)
    if strict and clips.damaged:
        raise unreadable(root, names, clips.damaged)
    return clips


def unreadable(root: Path, names: Sequence[str], damaged: dict[str, str]) -> CorpusError:
    """The error for recordings that cannot be read: the first reason, and how many there are."""
    reason = next(iter(damaged.values()), "no recordings are named")
    return CorpusError(f"{reason} ({len(damaged)} of {len(names)} recordings in {root} cannot be read)")


def fingerprint_of(root: Path, names: Sequence[str], reader: Reader) -> str:
    """A digest of the names, sizes and times of the files, and of how they are read."""
    digest = hashlib.sha256(f"{FORMAT} {CLIP_SAMPLES}{reader.name}".encode())
    for name in names:
        try:
            facts = (root / name).stat()
        except OSError as error:
            raise CorpusError(f"{root / name}: cannot be read: {error.strerror}; try again") from error
        digest.update(os.fsencode(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n"))
    return digest.hexdigest()


def cache_folders(root: Path) -> tuple[Path, Path]:
    """Where the cache of a folder may be: inside it, or in the user's cache folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    whole_path = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()
    return root / CACHE_FOLDER, base / "speech_lstm" / whole_path[:16]


def cache_folder(root: Path) -> Path:
    """Where the cache of a folder is written."""
    folders = cache_folders(root)
    return next((folder for folder in folders if writable(folder)), folders[-1])


def writable(folder: Path) -> bool:
    """Whether files can be written into a folder; makes it if it does not exist."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    return False


def cache_paths(folder: Path, fingerprint: str) -> tuple[Path, Path]:
    """The two files of a cache: its samples, int16 clip by clip, and the facts about them."""
    return folder / f"{fingerprint[:16]}.int16", folder / f"{fingerprint[:16]}.json"


def read_cache(folder: Path, fingerprint: str) -> ClipCache | None:
    """The cache with this fingerprint; None if there is none or it is incomplete."""
    samples_path, facts_path = cache_paths(folder, fingerprint)
    try:
        facts = json.loads(facts_path.read_text(encoding="utf-8"))
        names, damaged, digest = tuple(facts["names"]), dict(facts["damaged"]), str(facts["digest"])
        shape = (len(names), CLIP_SAMPLES)
        samples = np.memmap(samples_path, np.int16, "c", shape=shape)  # writable for torch; the file never changes
        complete = facts["fingerprint"] == fingerprint and samples_path.stat().st_size == samples.nbytes
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ClipCache(names, samples, damaged, digest) if complete else None


def write_cache(
    root: Path, names: Sequence[str], reader: Reader, folder: Path, fingerprint: str, progress: bool
) -> ClipCache:
    """Read every recording into a cache on disk; damaged ones are named and have no row."""
    from speech_lstm.progress import Bar

    samples_path, facts_path = cache_paths(folder, fingerprint)
    remove_stale(folder, samples_path.stem)
    check_space(folder, len(names) * CLIP_SAMPLES * 2)
    read: list[str] = []
    damaged: dict[str, str] = {}
    digest = hashlib.sha256()
    with atomic_path(samples_path) as temporary, temporary.open("wb") as file:
        clips = Bar(
            read_clips(root, names, reader),
            desc=f"reading {root.name}",
            total=len(names),
            unit="clip",
            disable=not progress,
        )
        for name, rows in zip(names, clips, strict=True):
            if isinstance(rows, RecordingError):
                damaged[name] = str(rows)
            else:
                file.write(rows)
                digest.update(rows)
                read += [name] * len(rows)
        if not read:
            raise unreadable(root, names, damaged)
    facts = {"fingerprint": fingerprint, "names": read, "damaged": damaged, "digest": digest.hexdigest()}
    write_json(facts_path, facts)
    cache = read_cache(folder, fingerprint)
    if cache is None:
        raise CorpusError(
            f"{folder}: the cache of the recordings cannot be read back; delete the folder and try again"
        )
    return cache


def remove_stale(folder: Path, stem: str) -> None:
    """Remove the caches of earlier states of the recordings, and files that a killed run left half written."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("."):  # half written, perhaps by a process that is still running
                remove_abandoned(path)
            elif path.stem != stem:
                path.unlink(missing_ok=True)


def check_space(folder: Path, size: int) -> None:
    """Raise OutputError unless `size` bytes are free."""
    if not folder.is_dir():
        return  # it cannot be made; writing says why
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"{folder}: the cache of the recordings needs {size / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free; "
            "free some disk space"
        )


def read_clips(root: Path, names: Sequence[str], reader: Reader) -> Iterator[NDArray[np.int16] | RecordingError]:
    """The clips of each recording, in the order of the names, or what is wrong with it."""
    chunks = [names[start : start + reader.chunk] for start in range(0, len(names), reader.chunk)]
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(chunks), reader.chunks_at_once):
            part = chunks[start : start + reader.chunks_at_once]
            for clips in pool.map(partial(read_chunk, root, reader.read), part):
                yield from clips


def read_chunk(
    root: Path, read: Callable[[Path], NDArray[np.int16]], names: Sequence[str]
) -> list[NDArray[np.int16] | RecordingError]:
    """The clips or errors of some recordings, for one thread."""
    clips: list[NDArray[np.int16] | RecordingError] = []
    for name in names:
        try:
            clips.append(read(root / name))
        except RecordingError as error:
            clips.append(error)
    return clips


def read_word(path: Path) -> NDArray[np.int16]:
    """A recording of any kind as one clip, int16 [1, CLIP_SAMPLES]; raises RecordingError."""
    samples = plain_wav(path)
    if samples is None:
        samples = to_int16(fit_clip(read_recording(path, max_seconds=LONGEST_SECONDS)))
    elif len(samples) != CLIP_SAMPLES:
        samples = to_int16(fit_clip(samples / np.float32(32768)))
    return samples[None]


def read_seconds(path: Path) -> NDArray[np.int16]:
    """The whole seconds of a long recording, int16 [seconds, CLIP_SAMPLES]; raises RecordingError."""
    samples = to_int16(read_recording(path, max_seconds=LONGEST_SPEECH_SECONDS))
    whole = len(samples) // CLIP_SAMPLES
    if not whole:
        raise RecordingError(f"{path}: is shorter than a second; a recording of running speech has many")
    return samples[: whole * CLIP_SAMPLES].reshape(whole, CLIP_SAMPLES)


def plain_wav(path: Path) -> NDArray[np.int16] | None:
    """The samples of a WAV file like those of the archive: 16 kHz, mono, 16 bit, with the shortest header.

    None for all others, which `read_recording` reads. It returns the same samples, but takes ten times as long.
    """
    try:
        content = path.read_bytes() if path.stat().st_size < 2 * SAMPLE_RATE * LONGEST_SECONDS else b""
    except OSError:
        return None
    size = len(content) - WAV_HEADER.size
    if size <= 0 or size % 2:
        return None
    expected = (b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16, b"data", size)
    if content[: WAV_HEADER.size] != WAV_HEADER.pack(*expected):
        return None
    return np.frombuffer(content, "<i2", offset=WAV_HEADER.size)


def to_int16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """float32 in ±1 → int16, rounded and clipped."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)


WORDS = Reader("", read_word, CHUNK, CHUNKS_AT_ONCE)
SECONDS = Reader(" seconds", read_seconds, 1, THREADS)
