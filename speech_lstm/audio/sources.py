"""Where the bytes of a recording come from: a path, standard input, a pipe or an open file, opened and checked."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import soundfile

from speech_lstm.audio import containers
from speech_lstm.errors import RecordingError, brief, foreign, printable

Source = str | os.PathLike[str] | BinaryIO  # "-" is standard input

STDIN = "standard input"
WAV_SUFFIXES = {".wav", ".wave", ".w64", ".rf64"}
AUDIO_SUFFIXES = frozenset(
    {*WAV_SUFFIXES, ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
)
FOREIGN_SUFFIXES = frozenset(  # of recordings that cannot be read: in a folder they are named, not skipped
    {".m4a", ".m4b", ".aac", ".amr", ".wma", ".weba", ".mka", ".ape", ".ac3", ".wv", ".spx"}
)


@contextlib.contextmanager
def open_sound(source: Source, name: str) -> Iterator[soundfile.SoundFile]:
    """Open the sound in `source`, which messages call `name`; raises RecordingError for a truncated one."""
    with contextlib.ExitStack() as stack:
        try:
            file = _seekable(source, name, stack)
            if not file.seek(0, os.SEEK_END):
                raise RecordingError(f"{name}: is empty (0 bytes)")
            missing, unset_size = containers.inspect(file)
            file.seek(0)
            if unset_size is not None:
                file = _with_size(file, unset_size, stack)
        except (RecordingError, MemoryError):
            raise
        except Exception as error:  # a closed file, a zero byte in a name; what a file object of the caller raises
            raise unreadable(name, error) from error
        if missing:
            raise RecordingError(
                f"{name}: is truncated: {missing} bytes that its header promises are missing; copy or record it again"
            )
        yield stack.enter_context(_sound_file(file, name))


def _sound_file(file: BinaryIO, name: str) -> soundfile.SoundFile:
    try:
        return _ForwardFile(_ShortReads(file))
    except soundfile.SoundFileError as error:
        raise RecordingError(
            f"{name}: not a recording in a supported format ({decoder_reason(error)}); "
            "convert it to WAV, FLAC, OGG or MP3"
        ) from error


def _seekable(source: Source, name: str, stack: contextlib.ExitStack) -> BinaryIO:
    """The bytes of `source` as a file that can seek, which libsndfile needs; a pipe is copied to the disk."""
    if isinstance(source, (str, os.PathLike)):
        if os.fspath(source) == "-":
            return _spool(standard_input(), stack)
        if not os.fspath(source):
            raise RecordingError("the name of the recording is empty; give a file, or - for standard input")
        file: BinaryIO = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISCHR(mode):  # such as /dev/zero, which has no end
            raise RecordingError(f"{name}: is a device, not a recording; use `speech-lstm listen` to listen to one")
        return file if stat.S_ISREG(mode) else _spool(file, stack)
    if isinstance(source.read(0), str):
        raise RecordingError(f"{name}: was opened as text; open it in binary mode (rb)")
    return source if source.seekable() else _spool(source, stack)


def standard_input() -> BinaryIO:
    """The bytes of standard input; raises RecordingError if it is closed or a terminal."""
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or stream.closed:
        raise RecordingError(f"{STDIN}: is closed; give a file")
    if stream.isatty():
        raise RecordingError(f"{STDIN}: is a terminal; redirect a recording into it: < recording.wav")
    return cast(BinaryIO, stream)


def _spool(file: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """A copy of the rest of `file` in a temporary file that is deleted when `stack` closes."""
    copy = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115
    shutil.copyfileobj(file, copy, 1 << 20)
    return copy


def _with_size(file: BinaryIO, position: int, stack: contextlib.ExitStack) -> BinaryIO:
    """A copy of a WAV file whose size of the sound, at `position`, says: until the end of the file."""
    copy = _spool(file, stack)
    copy.seek(position)
    copy.write(b"\xff\xff\xff\xff")
    copy.seek(0)
    return copy


def find_recordings(paths: Iterable[str | os.PathLike[str]]) -> list[Path | Literal["-"]]:
    """The recordings that `paths` name: files themselves, "-" as itself, and the recordings in folders.

    A folder is searched with its sub-folders for names that end in one of AUDIO_SUFFIXES or FOREIGN_SUFFIXES, in
    sorted order; hidden names are skipped. Links are followed, also those that lead nowhere, which reading reports.
    Raises RecordingError for a path that does not exist and a folder without a recording.
    """
    recordings: list[Path | Literal["-"]] = []
    for path in paths:
        if os.fspath(path) != "-":
            recordings.extend(_expand(os.fspath(path)))
        elif "-" in recordings:
            raise RecordingError("standard input (-) can be read only once; name it once")
        else:
            recordings.append("-")
    return recordings


def _expand(text: str) -> list[Path]:
    """The recordings that one path names."""
    name, path = printable(text), Path(text)
    try:
        if path.is_dir() and text:  # Path("") would be the current folder
            if recordings := _search(path):
                return recordings
            kinds = ", ".join(sorted(AUDIO_SUFFIXES))
            raise RecordingError(f"{name}: a folder without a recording ({kinds})")
        if path.exists() and text:
            return [path]
    except OSError as error:
        raise unreadable(name, error) from error
    raise RecordingError(f"{name or repr(name)}: there is no such file or folder")


def _search(folder: Path) -> list[Path]:
    """The recordings below a folder, sorted. A folder that several links lead to, or a loop, is searched once."""

    def fail(error: OSError) -> None:
        raise unreadable(printable(str(error.filename)), error) from error

    recordings = []
    searched: set[tuple[int, int]] = set()
    waiting = [str(folder)]  # links are followed after all folders, so that a folder is named by its own path
    for start in waiting:
        for root, folders, files in os.walk(start, onerror=fail):
            status = os.stat(root)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in searched:
                folders.clear()
                continue
            searched.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += [path for name in folders if os.path.islink(path := os.path.join(root, name))]  # noqa: PTH114, PTH118
            recordings += [Path(root, name) for name in files if is_recording(Path(root, name))]
    return sorted(recordings)


def is_recording(path: Path) -> bool:
    """Whether a path in a folder is a recording by its name: a file, or a link that leads nowhere."""
    suffixes = AUDIO_SUFFIXES | FOREIGN_SUFFIXES
    if path.name.startswith(".") or path.suffix.lower() not in suffixes:
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())


def unreadable(name: str, error: Exception) -> RecordingError:
    """The error for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return RecordingError(f"{name}: there is no such file")
    if isinstance(error, IsADirectoryError):
        return RecordingError(f"{name}: is a folder, not a recording")
    if isinstance(error, PermissionError):
        return RecordingError(f"{name}: may not be read; change its permissions")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return RecordingError(f"{name}: no disk space for a copy of it in {tempfile.gettempdir()}; free some space")
    return RecordingError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or foreign(error)}")


def decoder_reason(error: Exception) -> str:
    """libsndfile's message, for use in parentheses."""
    return str(getattr(error, "error_string", error)).strip().removeprefix("Error : ").rstrip(".")


def source_name(source: Source) -> str:
    """The name of `source` in messages; raises RecordingError if it is no source at all."""
    if not is_source(source):
        raise RecordingError(f"{brief(source)} is not a recording: give a path, an open file or - for standard input")
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None) or "recording"
        return printable(source) if isinstance(source, str) else "recording"
    path = os.fspath(source)
    if not isinstance(path, str):
        raise RecordingError(f"{brief(source)} is a path of bytes: give it as text, os.fsdecode(path)")
    return STDIN if path == "-" else printable(path)


def is_source(thing: Any) -> bool:
    """Whether it is a path or an open file, which may still be of a wrong kind."""
    return isinstance(thing, (str, os.PathLike)) or hasattr(thing, "read")


class _ShortReads:
    """A file that returns fewer bytes where the disk or a damaged header makes an operation fail.

    libsndfile cannot pass on an exception of its callbacks: it would be printed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with contextlib.suppress(Exception):  # before the beginning; what a file object of the caller raises
            self._file.seek(offset, whence)
        return self._file.tell()

    def read(self, count: int) -> bytes:
        try:
            return bytes(self._file.read(count))[:count]
        except Exception:  # a disk's, and what a file object of the caller raises
            return b""


class _ForwardFile(soundfile.SoundFile):
    """soundfile seeks after every block; that takes time, and fails at the end of a FLAC file from a pipe."""

    def seekable(self) -> bool:
        return False
