"""Writing files atomically: a reader sees the old content or the whole new one, never a part of it."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

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


class OutputError(SpeechLSTMError):
    """A file that cannot be written to its path."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path next to `path`, with the same suffix, that replaces it when the block succeeds.

    Missing parent folders are made. If the block fails or is interrupted, the temporary file is removed and
    `path` stays as it was. A link is followed; a device or a pipe is written in place.
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
    temporary = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()  # a folder that cannot be written to fails before the block's work
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # some file systems report only here that there is no space
        temporary.replace(target)
    except OSError as error:
        if not concerns(error, target, temporary):
            raise
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        discard(temporary)


def concerns(error: OSError, target: Path, temporary: Path) -> bool:
    """Whether `error` is about writing `target`: it names that path, or is of a kind that `write` raises."""
    if error.filename is None:
        return error.errno in ADVICE or error.errno == errno.EIO
    return str(error.filename) in {str(temporary), *map(str, (target, *target.parents))}


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
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


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
