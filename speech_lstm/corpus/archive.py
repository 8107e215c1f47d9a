"""The archives of Speech Commands: downloaded, verified, unpacked, and skipped if a valid copy exists."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from speech_lstm.corpus.tar_members import UnusableArchive
from speech_lstm.corpus.transfer import Transfer, bar, check_room
from speech_lstm.corpus.unpack import unpack
from speech_lstm.errors import ArchiveError, SpeechLSTMError, log_line, masked, printable
from speech_lstm.files import locked, reason, write_json

logger = logging.getLogger(__name__)

BASE = "https://storage.googleapis.com/download.tensorflow.org/data/"
MARKER = ".speech-lstm-archive.json"  # in the unpacked folder: its archive, and the number of files and bytes
DIGEST = re.compile("[0-9a-f]{64}")  # SHA-256
UNPACKED = 1.6  # disk space of the files to that of the archive, a little more than measured (1.45)


@dataclass(frozen=True)
class Release:
    """One published archive; `bytes` is None if its length is not known beforehand."""

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
    """Download a release (a key of RELEASES) into the folder `data`; returns the folder of its recordings.

    The archive comes from `url` if given, and must have the release's SHA-256, or `sha256` if given. An interrupted
    download is resumed, an interrupted unpacking is repeated, and a complete copy is skipped. The archive itself is
    deleted. With `progress`, bars and notes are printed on standard error. Raises ArchiveError for all faults of the
    arguments, the disk and the network.
    """
    if version not in RELEASES:
        raise ArchiveError(f"there is no version {version!r} of Speech Commands; choose from {', '.join(RELEASES)}")
    release = RELEASES[version]
    digest = (sha256 or release.sha256).lower()
    if not DIGEST.fullmatch(digest):
        raise ArchiveError(f"{sha256!r} is not a SHA-256, which has 64 hexadecimal digits")
    folder = Path(data) / release.folder
    try:
        if _complete(folder, digest):
            log_line(logger, f"{folder} is already complete", progress)
            return folder
        Path(data).mkdir(parents=True, exist_ok=True)
        part = Path(data) / f"{release.folder}.tar.gz.part"
        busy = ArchiveError(f"{data}: another download of this archive is running")
        with locked(part.with_name(part.name + ".lock"), busy):
            _fetch_and_unpack(release, release.url if url is None else url, digest, part, folder, progress)
    except OSError as error:
        raise ArchiveError(f"{data}: cannot be used: {reason(error)}") from error
    log_line(logger, f"{folder} is complete", progress)
    return folder


def _fetch_and_unpack(release: Release, url: str, digest: str, part: Path, folder: Path, progress: bool) -> None:
    expected = release.bytes if digest == release.sha256 else None
    transfer = Transfer(url, part, digest, expected, UNPACKED, progress)
    transfer.run()
    if (actual := _sha256(part, progress)) != digest:
        transfer.remove()
        raise ArchiveError(
            f"{printable(masked(url))}: is not the archive of {release.name}: its SHA-256 is {actual}, not {digest}; "
            "it was deleted; try again, or pass another address with --url"
        )
    check_room(part.parent, round(UNPACKED * part.stat().st_size), "to unpack it")
    unfinished = folder.with_name(folder.name + ".unpacking")
    if unfinished.exists():
        log_line(logger, f"{unfinished} is of an interrupted unpacking, which is repeated", progress)
    try:
        unpack(part, unfinished, progress)
        files, size = _census(unfinished)
        if (unfinished / MARKER).is_dir():  # of the archive
            shutil.rmtree(unfinished / MARKER)
        write_json(unfinished / MARKER, {"url": masked(url), "sha256": digest, "files": files, "bytes": size})
        if folder.exists():  # empty, else `_complete` raises
            folder.rmdir()
        unfinished.rename(folder)
    except (OSError, SpeechLSTMError) as error:  # such as a disk that is full
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, UnusableArchive):
            transfer.remove()
        raise
    transfer.remove()


def _complete(folder: Path, digest: str) -> bool:
    """Whether `folder` holds all of the archive `digest`; raises ArchiveError if it holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        source, files, size = str(marker["sha256"]), int(marker["files"]), int(marker["bytes"])
        if not DIGEST.fullmatch(source):
            raise ValueError(source)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ArchiveError(
            f"{folder}: exists, but not from this command; use it as it is, or move it away and download again"
        ) from None
    if source != digest:
        raise ArchiveError(f"{folder}: holds another archive (SHA-256 {source}); move it away or change --data")
    files_now, size_now = _census(folder)
    if files_now < files or size_now < size:
        raise ArchiveError(
            f"{folder}: is damaged: it has {files_now} of {files} files and {size_now} of {size} bytes; "
            "delete it and run the same command again"
        )
    return True


def _census(folder: Path) -> tuple[int, int]:
    """Files and bytes in a folder without the hidden files, which other programs create and delete."""
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
    with path.open("rb") as file, bar("Verifying", path.stat().st_size, progress) as progress_bar:
        while piece := file.read(1 << 20):
            digest.update(piece)
            progress_bar.update(len(piece))
    return digest.hexdigest()
