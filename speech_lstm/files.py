"""Files: written whole or not at all, locked against other processes, and read as text within a bound."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from speech_lstm.errors import SpeechLSTMError

ADVICE = {
    errno.ENOSPC: "free some disk space or write to another place",
    errno.EDQUOT: "free some of your quota or write to another place",
    errno.EFBIG: "raise the limit for the size of a file or write to another place",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder on a file system that is not read-only",
    errno.ENOTDIR: "a part of the path is a file; choose a folder",
    errno.EEXIST: "a part of the path is a file; choose a folder",
}


MOST_TEXT = 100 << 20  # bytes of a text file; a day of words in a truth file has some 3 MB


class OutputError(SpeechLSTMError):
    """A file that cannot be written to its path."""


class InputError(SpeechLSTMError):
    """A text file that cannot be read."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path next to `path`, with the same suffix, that replaces it when the block succeeds.

    Missing parent folders are made. If the block fails or is interrupted, the temporary file is removed and
    `path` stays as it was. What a killed process left is removed when `path` is written again.
    A link is followed; a device or a pipe is written in place.
    Raises OutputError if the system refuses (no space, no permission, a folder of that name).
    An OSError of the block that concerns another file or a connection passes through.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112  (Path.is_dir raises for a name that is too long)
        raise OutputError(f"{path}: cannot be written: it is a folder; name a file")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        try:
            yield path
        except OSError as error:
            if error.filename not in (None, str(path)):
                raise
            raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
        return
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock_holder = create_temporary(target)  # an unwritable folder fails before the block's work
        with lock_holder:
            try:
                yield temporary
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())  # some file systems report only here that there is no space
                temporary.replace(target)
            except BaseException:
                discard(temporary)
                raise
    except OSError as error:
        if not concerns(error, target):
            raise
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error


def create_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """A new file next to `target`, and the open file whose lock shows that a process is writing it.

    The names are the same for every writer of `target`, which takes the first that no other one has. So it meets
    what a killed process left: a file that nobody has locked.
    """
    for number in itertools.count():
        path = target.with_name(f"{temporary_stem(target)}-{number}{target.suffix}")
        remove_abandoned(path)
        file = None
        try:
            file = path.open("xb")
            if not lock(file):
                file.close()  # Windows does not rename a file that is open
            elif not is_at(file, path):
                raise BlockingIOError
            return path, file
        except FileExistsError:
            continue
        except BlockingIOError:  # another process has taken it for abandoned before it was locked
            if file:
                file.close()
        except BaseException:  # an interruption
            if file:
                file.close()
            remove_abandoned(path)
            raise
    raise AssertionError("the numbers do not end")


def temporary_stem(target: Path) -> str:
    """The beginning of the names of the temporary files of `target`."""
    return "." + hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file that no process holds."""
    with suppress(OSError), path.open("rb+") as file:
        if lock(file) and is_at(file, path):
            path.unlink()


@contextmanager
def locked(path: Path, refusal: SpeechLSTMError) -> Iterator[None]:
    """Hold the lock of the file `path`, which exists only for it; raises `refusal` if another process holds it.

    The lock ends with its process, in whatever way that ends. Raises OSError if the file cannot be made.
    """
    while True:
        with path.open("ab") as file:
            try:
                lock(file)
            except BlockingIOError:
                raise refusal from None
            if not is_at(file, path):
                continue  # its last holder has removed it between the two steps
            try:
                yield
            finally:
                discard(path)
            return


def lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; raises BlockingIOError if another process or another open file holds the lock.

    False if the system or the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # such as NFS without its lock service
        return False
    return True


def is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False


def concerns(error: OSError, target: Path) -> bool:
    """Whether `error` is about writing `target`: it names that path, or is of a kind that `write` raises."""
    if error.filename is None:
        return is_of_writing(error)
    path = Path(str(error.filename))
    is_temporary = path.parent == target.parent and path.name.startswith(temporary_stem(target))
    return is_temporary or path in (target, *target.parents)


def is_of_writing(error: OSError) -> bool:
    """Whether an error is of a kind that writing raises, such as that of a full disk."""
    return error.errno in ADVICE or error.errno == errno.EIO


def reason(error: OSError) -> str:
    """The system's message in lower case, followed by what to do where ADVICE knows it."""
    message = (error.strerror or str(error) or type(error).__name__).lower()
    advice = ADVICE.get(error.errno or 0)
    return f"{message}; {advice}" if advice else message


def byte_size(count: int) -> str:
    """A number of bytes for people: `12.3 MB`."""
    if count < 10**4:
        return f"{count} bytes"
    return f"{count / 1e9:.1f} GB" if count >= 10**9 else f"{count / 1e6:.{1 if count >= 10**7 else 2}f} MB"


def discard(path: Path) -> None:
    """Remove a temporary file if it exists and can be removed."""
    with suppress(OSError):  # the folder is gone or never was one: nothing of ours is in it
        path.unlink(missing_ok=True)


def read_text(path: str | os.PathLike[str], most: int = MOST_TEXT, errors: str = "strict") -> str:
    """The UTF-8 text of a file, with or without a byte order mark; raises InputError, also above `most` bytes.

    No more than that is read, whatever is at `path`: a device such as /dev/zero does not end.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(most + 1) if size <= most else b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from None
    except ValueError as error:  # an impossible path
        raise InputError(f"{path!s:.100}: cannot be read ({error})") from None
    if max(size, len(content)) > most:
        raise InputError(f"{path}: is larger than {byte_size(most)}; name a text file")
    try:
        return io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors).read()
    except ValueError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error})") from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically, lone surrogates as backslash escapes; raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` atomically as indented UTF-8 JSON; raises OutputError.

    NumPy scalars and arrays become numbers and lists, paths become strings. NaN and infinities, which JSON does
    not have, become null. Anything else that JSON does not have raises TypeError.
    """
    # A file name that is not UTF-8 holds lone surrogates. Their backslash form is also JSON's escape.
    write_text(path, to_json(value, indent=2, ensure_ascii=False) + "\n")


def to_json(value: Any, **layout: Any) -> str:
    """`value` as JSON, of the types of `write_json`; `layout` is that of `json.dumps`."""
    return json.dumps(plain(value), allow_nan=False, **layout)


def plain(value: Any) -> Any:
    """`value` in JSON's types; see `write_json`."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value
