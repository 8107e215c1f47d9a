"""Unpacking a tar.gz of recordings that nobody vouches for: files and folders only, inside the folder, bounded."""

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
MOST_RATIO = 8  # unpacked to packed bytes; recordings reach 1.5
ALWAYS_ALLOWED = 64 << 20  # bytes that even a small archive may unpack to
_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on


class UnusableArchive(ArchiveError):
    """What is wrong is in the archive, so that unpacking it once more can't help."""


def unpack(archive: Path, folder: Path, progress: bool = True) -> None:
    """Unpack `archive` into `folder`, which is made anew; what a cut attempt left in it is removed first.

    Raises UnusableArchive for what is not a whole tar.gz, for a member that is neither file nor folder or would
    lie outside, and for too many members or bytes; ArchiveError where `folder` can't be written. `folder` is
    gone then.
    """
    if folder.exists():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        if not _unpack(archive, folder, progress):
            raise UnusableArchive(f"{_shown(archive)}: holds no file; check --url")
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UnusableArchive(f"{_shown(archive)}: is not a whole tar.gz archive ({error}); check --url") from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ArchiveError(f"{folder}: can't be written: {reason(error)}") from error
    except ArchiveError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Bounded:
    """The unpacked stream, ended with an error at `limit` bytes, whatever its members claim."""

    def __init__(self, stream: Any, limit: int, name: str) -> None:
        self._stream, self._left, self._refusal = stream, limit, _too_large(name, limit)

    def read(self, count: int) -> bytes:
        piece = self._stream.read(count)
        self._left -= len(piece)
        if self._left < 0:
            raise self._refusal
        return piece


def _too_large(name: str, limit: int) -> UnusableArchive:
    return UnusableArchive(f"{name}: unpacks to more than {byte_size(limit)}, which no archive of recordings does")


def _unpack(archive: Path, folder: Path, progress: bool) -> int:
    """Returns how many files there were."""
    packed = archive.stat().st_size
    limit, name = max(ALWAYS_ALLOWED, MOST_RATIO * packed), _shown(archive)
    files = members = total = 0
    with archive.open("rb") as raw, bar("Unpacking", packed, progress) as shown, gzip.open(raw) as stream:
        bounded: Any = _Bounded(stream, limit, name)
        with tarfile.open(fileobj=bounded, mode="r|", bufsize=1 << 20) as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # it keeps them all otherwise
                _check(member, name)
                members += 1
                files += member.isreg()
                total += member.size
                if members > MOST_MEMBERS:
                    raise UnusableArchive(f"{name}: has more than {MOST_MEMBERS} members; check --url")
                if total > limit:
                    raise _too_large(name, limit)
                tar.extract(member, folder, set_attrs=False, **_FILTER)
                shown.update(raw.tell() - shown.n)
    return files


def _shown(archive: Path) -> str:
    return archive.name.removesuffix(".part")  # that it was kept under another name is no concern of the user


def _check(member: tarfile.TarInfo, archive: str) -> None:
    """Refuse what isn't a plain file or folder inside the folder, under POSIX and Windows names alike."""
    posix, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts):
        raise UnusableArchive(f"{archive}: refused: {member.name!r} in it would be written outside of the folder")
    if (
        member.size < 0
        or member.issparse()
        or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    ):
        kind = "link" if member.issym() or member.islnk() else "device or other special file"
        raise UnusableArchive(f"{archive}: refused: {member.name!r} in it is a {kind}")
