"""Unpacking an untrusted tar.gz of recordings: files and folders only, inside the folder, of a limited size."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from speech_lstm.corpus.transfer import bar
from speech_lstm.errors import ArchiveError
from speech_lstm.files import byte_size, reason

MOST_MEMBERS = 500_000  # the largest release has 105,878
MOST_RATIO = 8  # unpacked bytes to packed ones; recordings reach 1.5
ALWAYS_ALLOWED = 64 << 20  # bytes; a small archive may unpack to this many
_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on


class UnusableArchive(ArchiveError):
    """A fault in the archive itself: unpacking it again cannot help."""


def unpack(archive: Path, folder: Path, progress: bool = True) -> None:
    """Unpack `archive` into a new `folder`; the rest of an interrupted attempt is removed first.

    Raises UnusableArchive for a file that is not a complete tar.gz, for a member that is neither file nor folder or
    would be outside, and for too many members or bytes; ArchiveError if `folder` cannot be written. After an error
    `folder` does not exist.
    """
    if folder.exists():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        if not _unpack(archive, folder, progress):
            raise UnusableArchive(f"{_name(archive)}: holds no file; check --url")
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UnusableArchive(f"{_name(archive)}: is not a complete tar.gz archive ({error}); check --url") from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ArchiveError(f"{folder}: cannot be written: {reason(error)}") from error
    except ArchiveError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Bounded:
    """The unpacked stream, which raises an error after `limit` bytes, whatever its members claim."""

    def __init__(self, stream: Any, limit: int, name: str) -> None:
        self._stream, self._left, self._error = stream, limit, _too_large(name, limit)

    def read(self, count: int) -> bytes:
        piece = self._stream.read(count)
        self._left -= len(piece)
        if self._left < 0:
            raise self._error
        return piece


def _too_large(name: str, limit: int) -> UnusableArchive:
    return UnusableArchive(f"{name}: unpacks to more than {byte_size(limit)}, which no archive of recordings does")


def _unpack(archive: Path, folder: Path, progress: bool) -> int:
    """Returns the number of files."""
    packed = archive.stat().st_size
    limit, name = max(ALWAYS_ALLOWED, MOST_RATIO * packed), _name(archive)
    files = members = total = 0
    with archive.open("rb") as raw, bar("Unpacking", packed, progress) as progress_bar, gzip.open(raw) as stream:
        bounded: Any = _Bounded(stream, limit, name)
        with tarfile.open(fileobj=bounded, mode="r|", bufsize=1 << 20) as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                _check(member, name)
                members += 1
                files += member.isreg()
                total += member.size
                if members > MOST_MEMBERS:
                    raise UnusableArchive(f"{name}: has more than {MOST_MEMBERS} members; check --url")
                if total > limit:
                    raise _too_large(name, limit)
                tar.extract(member, folder, set_attrs=False, **_FILTER)
                progress_bar.update(raw.tell() - progress_bar.n)
    return files


def _name(archive: Path) -> str:
    return archive.name.removesuffix(".part")  # of the download


def _check(member: tarfile.TarInfo, archive: str) -> None:
    """Raise UnusableArchive unless a member is a plain file or folder inside the folder, on POSIX and on Windows."""
    posix, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts):
        raise UnusableArchive(f"{archive}: rejected: {member.name!r} in it would be written outside the folder")
    if (
        member.size < 0
        or member.issparse()
        or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    ):
        kind = "link" if member.issym() or member.islnk() else "device or other special file"
        raise UnusableArchive(f"{archive}: rejected: {member.name!r} in it is a {kind}")
