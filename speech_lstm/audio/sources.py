"""Where a recording's bytes come from: a path, standard input, a pipe or an open file, opened and checked."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import soundfile

from speech_lstm.audio import containers
from speech_lstm.errors import RecordingError, printable

Source = str | os.PathLike[str] | BinaryIO  # "-" is standard input

STDIN = "standard input"


@contextlib.contextmanager
def opened(source: Source, name: str) -> Iterator[soundfile.SoundFile]:
    """Open the sound in `source`, checked to be whole."""
    with contextlib.ExitStack() as stack:
        try:
            file = _seekable(source, name, stack)
            if (position := containers.unfinished_size(file)) is not None:
                file.seek(0)
                file = _spooled(file, stack)
                file.seek(position)
                file.write(b"\xff\xff\xff\xff")  # for libsndfile: until the end of the file
            if not file.seek(0, os.SEEK_END):
                raise RecordingError(f"{name}: is empty (0 bytes)")
            missing = containers.missing_bytes(file)
            file.seek(0)
        except (OSError, ValueError) as error:  # ValueError: a closed file, a zero byte in a name
            raise unreadable(name, error) from error
        if missing:
            raise RecordingError(
                f"{name}: is truncated: {missing} bytes that its header promises are missing; copy or record it again"
            )
        yield stack.enter_context(_sound(file, name))


def _sound(file: BinaryIO, name: str) -> soundfile.SoundFile:
    try:
        return _ForwardFile(_Bytes(file))
    except soundfile.SoundFileError as error:
        raise RecordingError(
            f"{name}: not a recording that can be read ({decoder_reason(error)}); "
            "WAV, FLAC, OGG and MP3 can be, convert others to one of them"
        ) from error


def _seekable(source: Source, name: str, stack: contextlib.ExitStack) -> BinaryIO:
    """The bytes of `source` as a file that can seek, as libsndfile needs; from a pipe by way of the disk."""
    if isinstance(source, (str, os.PathLike)):
        if os.fspath(source) == "-":
            return _spooled(standard_input(), stack)
        if not os.fspath(source):
            raise RecordingError("an empty name is given where a recording is wanted")
        file: BinaryIO = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISCHR(mode):  # such as /dev/zero, which has no end
            raise RecordingError(f"{name}: is a device, not a recording; use `speech-lstm listen` to listen to one")
        return file if stat.S_ISREG(mode) else _spooled(file, stack)
    if isinstance(source.read(0), str):
        raise RecordingError(f"{name}: was opened as text; open it in binary mode (rb)")
    return source if source.seekable() else _spooled(source, stack)


def standard_input() -> BinaryIO:
    """The bytes of standard input; raises RecordingError where there are none to come."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise RecordingError(f"{STDIN}: there is none; give a file")
    if stream.isatty():
        raise RecordingError(f"{STDIN}: is a terminal; send a recording in, such as with: < recording.wav")
    return cast(BinaryIO, stream)


def _spooled(file: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """A copy of the rest of `file` in a temporary file that is gone when `stack` closes."""
    copy = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115
    shutil.copyfileobj(file, copy, 1 << 20)
    return copy


def unreadable(name: str, error: Exception) -> RecordingError:
    """The one line for a file that can't be opened or read."""
    if isinstance(error, FileNotFoundError):
        return RecordingError(f"{name}: there is no such file")
    if isinstance(error, IsADirectoryError):
        return RecordingError(f"{name}: is a folder, not a recording")
    if isinstance(error, PermissionError):
        return RecordingError(f"{name}: may not be read; change its permissions")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return RecordingError(f"{name}: no disk space for a copy of it in {tempfile.gettempdir()}; free some")
    return RecordingError(f"{name}: can't be read: {getattr(error, 'strerror', None) or error}")


def decoder_reason(error: Exception) -> str:
    """libsndfile's own words, to stand in parentheses."""
    return str(getattr(error, "error_string", error)).strip().removeprefix("Error : ").rstrip(".")


def source_name(source: Source) -> str:
    """What messages call `source`."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None) or "recording"
        return printable(source) if isinstance(source, str) else "recording"
    return STDIN if os.fspath(source) == "-" else printable(os.fspath(source))


class _Bytes:
    """A file as libsndfile sees it: what the disk or a damaged header makes impossible is no more bytes.

    An exception in one of its callbacks would be printed, not raised.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with contextlib.suppress(OSError, ValueError):  # before the beginning
            self._file.seek(offset, whence)
        return self._file.tell()

    def read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError:
            return b""


class _ForwardFile(soundfile.SoundFile):
    """soundfile seeks after every block; that takes time, and fails at the end of a FLAC file from a pipe."""

    def seekable(self) -> bool:
        return False
