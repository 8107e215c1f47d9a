"""All recordings of a folder as one int16 array of one-second clips, kept on disk as a memory map."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.recording import fit_clip, read_recording
from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import CorpusError, RecordingError
from speech_lstm.files import atomic_path, write_json

CACHE_FOLDER = ".speech_lstm"
FORMAT = 1  # of the cache; another number makes it be built anew
LONGEST_SECONDS = 60.0  # a longer file among one-word recordings is a mistake


@dataclass(frozen=True)
class Memory:
    """Clips in memory: row i of `samples`, int16 [clips, CLIP_SAMPLES], is the recording `names[i]`.

    `damaged` gives the reason for each recording that could not be read; it has no row.
    """

    names: tuple[str, ...]
    samples: NDArray[np.int16]
    damaged: dict[str, str]


def load_memory(root: Path, names: Sequence[str], progress: bool = True, strict: bool = False) -> Memory:
    """Read recordings (paths below `root`) in parallel, or map the copy that an earlier call left.

    The copy lies in `root/.speech_lstm`, or in the user's cache folder where `root` can't be written. It is
    used while names, sizes and times of the files are what they were. Raises CorpusError if `strict` and a
    recording is damaged, or if none can be read.
    """
    fingerprint = fingerprint_of(root, names)
    folder = cache_folder(root)
    memory = cached(folder, fingerprint) or read_all(root, names, folder, fingerprint, progress)
    if memory.damaged and (strict or not memory.names):
        reason = next(iter(memory.damaged.values()))
        raise CorpusError(f"{reason} ({len(memory.damaged)} damaged of {len(names)} in {root})")
    return memory


def fingerprint_of(root: Path, names: Sequence[str]) -> str:
    """A digest of the names, sizes and times of the files."""
    digest = hashlib.sha256(f"{FORMAT} {CLIP_SAMPLES}".encode())
    for name in names:
        facts = (root / name).stat()
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def cache_folder(root: Path) -> Path:
    """Where the copy of a folder lies."""
    if os.access(root, os.W_OK):
        return root / CACHE_FOLDER
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "speech_lstm" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


def cached(folder: Path, fingerprint: str) -> Memory | None:
    """The copy with this fingerprint, if there is one and it is whole."""
    facts_path, samples_path = folder / f"{fingerprint[:16]}.json", folder / f"{fingerprint[:16]}.npy"
    try:
        facts = json.loads(facts_path.read_text())
        samples = np.load(samples_path, mmap_mode="c")  # torch wants it writable; the file stays as it is
    except (OSError, ValueError, EOFError):
        return None
    rows = len(facts["names"])  # damaged recordings leave unused rows at the end
    if facts["fingerprint"] != fingerprint or samples.shape != (rows + len(facts["damaged"]), CLIP_SAMPLES):
        return None
    return Memory(tuple(facts["names"]), samples[:rows], facts["damaged"])


def read_all(root: Path, names: Sequence[str], folder: Path, fingerprint: str, progress: bool) -> Memory:
    """Read every recording into the memory map; damaged ones are named and leave no row."""
    from tqdm import tqdm

    stem = fingerprint[:16]
    read: list[str] = []
    damaged: dict[str, str] = {}
    shape = (len(names), CLIP_SAMPLES)
    with atomic_path(folder / f"{stem}.npy") as temporary:
        samples = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.int16, shape=shape)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # libsndfile works outside Python's lock
            clips = pool.map(reader(root), names)
            bar = tqdm(
                clips, desc=f"reading {root.name}", total=len(names), unit="clip", disable=not progress, delay=2
            )
            for name, clip in zip(names, bar, strict=True):
                if isinstance(clip, RecordingError):
                    damaged[name] = str(clip)
                else:
                    samples[len(read)] = clip
                    read.append(name)
        samples.flush()
    for old in folder.glob("*"):
        if old.stem != stem:
            old.unlink(missing_ok=True)
    write_json(folder / f"{stem}.json", {"fingerprint": fingerprint, "names": read, "damaged": damaged})
    memory = cached(folder, fingerprint)
    if memory is None:
        raise CorpusError(f"{folder}: the copy of the recordings can't be read back; delete the folder and try again")
    return memory


def reader(root: Path) -> Callable[[str], NDArray[np.int16] | RecordingError]:
    """A function that reads one recording below `root`, or returns what is wrong with it."""

    def read(name: str) -> NDArray[np.int16] | RecordingError:
        try:
            waveform = fit_clip(read_recording(root / name, max_seconds=LONGEST_SECONDS))
        except RecordingError as error:
            return error
        return to_int16(waveform)

    return read


def to_int16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """float32 in ±1 → int16, rounded and clipped."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
