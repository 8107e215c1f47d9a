"""The archives of Speech Commands: fetched, verified, unpacked, and recognised when they are there already."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from speech_lstm.corpus.transfer import Transfer, bar, check_room
from speech_lstm.corpus.unpack import UnusableArchive, unpack
from speech_lstm.errors import ArchiveError
from speech_lstm.files import discard, reason, write_json

BASE = "https://storage.googleapis.com/download.tensorflow.org/data/"
MARKER = ".speech-lstm-archive.json"  # in the unpacked folder: from which archive, and how much
UNPACKED = 1.6  # disk space of the files to that of the archive, a little more than was found (1.45)


@dataclass(frozen=True)
class Release:
    """One published archive; `bytes` is None where its length isn't known beforehand."""

    name: str
    url: str
    sha256: str
    bytes: int | None
    folder: str


RELEASES = {
    release.name: release
    for release in (
        Release(
            "v0.02",
            BASE + "speech_commands_v0.02.tar.gz",
            "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            2_428_923_189,
            "speech_commands_v0.02",
        ),
        Release(
            "v0.01",
            BASE + "speech_commands_v0.01.tar.gz",
            "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
            None,
            "speech_commands_v0.01",
        ),
        Release(
            "test-v0.02",
            BASE + "speech_commands_test_set_v0.02.tar.gz",
            "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            112_563_277,
            "speech_commands_test_set_v0.02",
        ),
    )
}


def download(
    version: str,
    data: str | os.PathLike[str],
    url: str | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a release (a key of RELEASES) into the folder `data`; returns the folder of its recordings.

    The archive comes from `url` where given, and must have the release's SHA-256, or `sha256` where given. A
    download that was cut off goes on, an unpacking that was cut off is done again, and where a complete copy
    is, nothing is done. The archive itself is not kept. With `progress`, bars and what was found are shown on
    standard error. Raises ArchiveError, one line, for everything that the user or the network can get wrong.
    """
    if version not in RELEASES:
        raise ArchiveError(f"there is no version {version!r} of Speech Commands; known are {', '.join(RELEASES)}")
    release = RELEASES[version]
    digest = (sha256 or release.sha256).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ArchiveError(f"{sha256!r} is no SHA-256; it has 64 hexadecimal digits")
    folder = Path(data) / release.folder
    try:
        if _complete(folder, digest):
            _say(f"{folder} is there already and complete", progress)
            return folder
        Path(data).mkdir(parents=True, exist_ok=True)
        part = Path(data) / f"{release.folder}.tar.gz.part"
        with _alone(part):
            _fetch_and_unpack(release, release.url if url is None else url, digest, part, folder, progress)
    except OSError as error:
        raise ArchiveError(f"{data}: can't be used: {reason(error)}") from error
    _say(f"{folder} is complete", progress)
    return folder


def _fetch_and_unpack(release: Release, url: str, digest: str, part: Path, folder: Path, progress: bool) -> None:
    expected = release.bytes if digest == release.sha256 else None
    transfer = Transfer(url, part, digest, expected, UNPACKED, progress)
    transfer.run()
    if (found := _sha256(part, progress)) != digest:
        transfer.remove()
        raise ArchiveError(
            f"{url}: is not the archive of {release.name}: its SHA-256 is {found}, not {digest}; "
            "it was deleted; try again, or give another address with --url"
        )
    check_room(part.parent, round(UNPACKED * part.stat().st_size), "to unpack it")
    unfinished = folder.with_name(folder.name + ".unpacking")
    if unfinished.exists():
        _say(f"{unfinished} was left by an unpacking that was cut off; it is done again", progress)
    try:
        unpack(part, unfinished, progress)
    except UnusableArchive:
        transfer.remove()
        raise
    files, size = _census(unfinished)
    write_json(unfinished / MARKER, {"url": url, "sha256": digest, "files": files, "bytes": size})
    if folder.exists():  # empty, or `_complete` had refused
        folder.rmdir()
    unfinished.rename(folder)
    transfer.remove()


def _complete(folder: Path, digest: str) -> bool:
    """Whether `folder` holds all of the archive `digest`; ArchiveError if it holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        found, files, size = str(marker["sha256"]), int(marker["files"]), int(marker["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ArchiveError(
            f"{folder}: is there already but was not made by this command; use it as it is, or move it away to "
            "download it anew"
        ) from None
    if found != digest:
        raise ArchiveError(f"{folder}: holds another archive (SHA-256 {found}); move it away or change --data")
    files_now, size_now = _census(folder)
    if files_now < files or size_now < size:
        raise ArchiveError(
            f"{folder}: is damaged: {files_now} of {files} files and {size_now} of {size} bytes are there; "
            "delete it and run the same command again"
        )
    return True


def _census(folder: Path) -> tuple[int, int]:
    """Files and bytes in a folder, hidden ones left out: other programs come and go with those."""
    files = size = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                files += 1
                size += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118  (100,000 of them)
    return files, size


def _sha256(path: Path, progress: bool) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file, bar("Verifying", path.stat().st_size, progress) as shown:
        while piece := file.read(1 << 20):
            digest.update(piece)
            shown.update(len(piece))
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keep a second download of the same archive off, where the system has locks for that."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    lock = part.with_name(part.name + ".lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArchiveError(f"{part.parent}: another download of this archive is running there") from error
        try:
            yield
        finally:
            discard(lock)


def _say(text: str, progress: bool) -> None:
    if progress:
        print(text, file=sys.stderr)
