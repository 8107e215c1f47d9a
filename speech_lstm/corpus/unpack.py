"""Unpacking an untrusted tar.gz of recordings: files and folders only, inside the folder, of a limited size."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import zlib
from pathlib import Path

from speech_lstm.corpus.tar_members import ByteStream, Member, UnusableArchive, tar_members
from speech_lstm.corpus.transfer import bar
from speech_lstm.errors import ArchiveError, foreign
from speech_lstm.files import byte_size, reason

MOST_MEMBERS = 500_000  # the largest release has 105,878
MOST_RATIO = 8  # unpacked bytes to packed ones; recordings reach 1.5
ALWAYS_ALLOWED = 64 << 20  # bytes; a small archive may unpack to this many
TINY_ALLOWED = 2000  # members, folders too; further ones must have
LEAST_MEAN = 256  # bytes, taken together; recordings have some 32,000
NOT_OF_ARCHIVE = {  # faults of the disk and the system, which another attempt may not meet
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ENODEV),
}


def unpack(archive: Path, folder: Path, progress: bool = True) -> None:
    """Unpack `archive` into a new `folder`; the rest of an interrupted attempt is removed first.

    Raises UnusableArchive for a file that is not a complete tar.gz, for a member that is neither file nor folder or
    would be outside, and for too many members or bytes; ArchiveError if `folder` cannot be written. After an error
    or an interruption `folder` does not exist.
    """
    _remove(folder)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot be written: {reason(error)}") from error
    try:
        if not _unpack(archive, folder, progress):
            raise UnusableArchive("it holds no file")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in NOT_OF_ARCHIVE:
            raise ArchiveError(f"{folder}: cannot be written: {reason(error)}") from error
        if not isinstance(error, Exception) or isinstance(error, MemoryError):
            raise
        fault = error.strerror if isinstance(error, OSError) and error.strerror else foreign(error)
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            fault = f"it is not a complete tar.gz archive ({fault})"
        name = archive.name.removesuffix(".part")  # of the download
        raise UnusableArchive(f"{name}: rejected: {fault}; check --url") from error


def _remove(folder: Path) -> None:
    """Remove what an interrupted attempt left."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except RecursionError as error:  # folders in folders, thousands deep
        raise ArchiveError(f"{folder}: cannot be removed; delete it and run the same command again") from error


class _Bounded:
    """The unpacked stream, which raises an error after `limit` bytes, whatever its members claim."""

    def __init__(self, stream: ByteStream, limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    def read(self, size: int, /) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _too_large(self._limit)
        return piece


def _too_large(limit: int) -> UnusableArchive:
    return UnusableArchive(f"it unpacks to more than {byte_size(limit)}, which no archive of recordings does")


def _unpack(archive: Path, folder: Path, progress: bool) -> int:
    """Returns the number of files."""
    packed = archive.stat().st_size
    limit = max(ALWAYS_ALLOWED, MOST_RATIO * packed)
    files = members = total = 0
    made = {folder}
    with archive.open("rb") as raw, bar("Unpacking", packed, progress) as progress_bar, gzip.open(raw) as stream:
        for member in tar_members(_Bounded(stream, limit)):
            members += 1
            files += member.is_file
            total += member.size
            if members > MOST_MEMBERS:
                raise UnusableArchive(f"it has more than {MOST_MEMBERS} members")
            if members > TINY_ALLOWED + total // LEAST_MEAN:
                raise UnusableArchive(f"it has {members} members of {byte_size(total)} in all: too many empty ones")
            if total > limit:
                raise _too_large(limit)
            _write(member, folder, made)
            progress_bar.update(raw.tell() - progress_bar.n)
    return files


def _write(member: Member, folder: Path, made: set[Path]) -> None:
    """Write a member; `made` are the folders that exist."""
    path = folder / member.name
    parent = path.parent if member.is_file else path
    if parent not in made:
        parent.mkdir(parents=True, exist_ok=True)
        made.add(parent)
    if member.is_file:
        with open(os.fspath(path), "wb") as file:  # noqa: PTH123  (100,000 of them)
            for piece in member.pieces:
                file.write(piece)
