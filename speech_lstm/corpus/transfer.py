"""Downloading one large file over HTTP, resumed where an earlier attempt was interrupted."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_lstm.errors import ArchiveError, foreign, log_line, masked, printable
from speech_lstm.files import byte_size, discard, reason, write_json

logger = logging.getLogger(__name__)

WAITS = (0.5, 1.0, 2.0)  # seconds before each new attempt after one without progress
SILENCE = 30.0  # seconds without a byte after which a connection counts as lost
PIECE = 1 << 18  # bytes
MOST_BYTES = 16 << 30  # of any archive; a longer answer is stopped there
DIGITS = 18  # of a length in a header; Python refuses to read some thousands of them
LARGEST = 10**DIGITS
TEXTS = ("url", "digest", "validator")  # of the note next to the downloaded part
VALIDATOR = re.compile(r"[ -~]{1,1000}")  # an ETag or a date
BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses that may change in a moment


class _Interrupted(Exception):
    """The connection ended early or the server is busy: worth another attempt."""


@dataclass
class Transfer:
    """One download of `url` into the file `part`, which may hold its beginning from an earlier run.

    A note (JSON) next to `part` names its origin. `expected` is the length in bytes, if known; besides the file
    itself, `room` times its length must be free on the disk. `digest` identifies the file: the beginning of one with
    another digest is not resumed.
    """

    url: str
    part: Path
    digest: str
    expected: int | None = None
    room: float = 0.0
    progress: bool = True
    total: int | None = field(init=False, default=None)

    def run(self) -> None:
        """Download what is missing; raises ArchiveError, and OSError if `part` cannot be written."""
        if not re.match("https?://.", self.url, re.IGNORECASE):
            raise ArchiveError(f"{self.address!r} is not a download address; pass one with http:// or https://")
        note = self._note()
        if note.get("digest") != self.digest:
            self.remove()
        self.total = note.get("total") or self.expected
        try:
            self._run_attempts()
        except BaseException:
            if not self._size():  # there is nothing to resume
                self.remove()
            raise

    def _run_attempts(self) -> None:
        best, waits = self._size(), list(WAITS)
        while not (best and best == self.total):
            try:
                self._attempt()
                return
            except _Interrupted as interruption:
                if self._size() > best:
                    best, waits = self._size(), list(WAITS)
                if not waits:
                    raise ArchiveError(f"{self.address}: {interruption}; {self._outlook()}") from interruption
                line = f"{interruption}; trying again in {waits[0]:g} s"
                log_line(logger, line, self.progress, logging.WARNING)
                time.sleep(waits.pop(0))

    def remove(self) -> None:
        """Delete the downloaded part and its note."""
        discard(self.part)
        discard(self.note_path)

    @property
    def address(self) -> str:
        """The URL without passwords, for messages and notes."""
        return printable(masked(self.url))

    @property
    def note_path(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _note(self) -> dict[str, Any]:
        """The fields of the note that are of the right kind; none of a damaged note."""
        try:
            note = json.loads(self.note_path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(note, dict):
            return {}
        fields: dict[str, Any] = {name: note[name] for name in TEXTS if isinstance(note.get(name), str)}
        if not VALIDATOR.fullmatch(fields.get("validator", "")):
            fields.pop("validator", None)
        if type(total := note.get("total")) is int and 0 <= total <= MOST_BYTES:
            fields["total"] = total
        return fields

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _outlook(self) -> str:
        if not (have := self._size()):
            return "try again later, or pass another address with --url"
        of = f" of {byte_size(self.total)}" if self.total else ""
        return f"{byte_size(have)}{of} are saved, run the same command again to continue"

    def _attempt(self) -> None:
        have = self._size()
        with self._answer(have) as response:
            if response is None:  # the part is complete
                return
            if response.status == 206:
                begin, self.total = _content_range(response)
                if begin != have:
                    self.remove()
                    raise _Interrupted("the server sent another part than requested")
            else:
                have, self.total = 0, _number(response.headers.get("Content-Length"))
            self._check_total(have)
            etag = response.headers.get("ETag", "")
            strong = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
            write_json(
                self.note_path,
                {"url": self.address, "digest": self.digest, "validator": strong, "total": self.total},
            )
            self._receive(response, have)

    @contextlib.contextmanager
    def _answer(self, have: int) -> Iterator[http.client.HTTPResponse | None]:
        """The server's answer to a request for everything after the first `have` bytes; None if that is nothing."""
        headers = {"User-Agent": "speech-lstm", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            note = self._note()
            if note.get("validator") and note.get("url") == self.address:
                headers["If-Range"] = note["validator"]
        try:
            response = urllib.request.urlopen(_request(self.url, headers), timeout=SILENCE)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{have}"):
                yield None
                return
            raise self._refusal(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", None) or error
            message = f"cannot be reached ({foreign(getattr(cause, 'strerror', None) or cause)})"
            if have or isinstance(cause, (ConnectionResetError, http.client.RemoteDisconnected, TimeoutError)):
                raise _Interrupted(message) from error
            raise ArchiveError(
                f"{self.address}: {message}; check the network, or pass another address with --url"
            ) from error
        with response:
            yield response

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        if error.code == 416:  # the part is longer than the server's file
            self.remove()
            return _Interrupted("the server's file is shorter than the downloaded part")
        message = f"the server answers {error.code} {foreign(error.reason) if error.reason else ''}".rstrip()
        if error.code in BUSY:
            return _Interrupted(message)
        if error.code in (404, 410):
            return ArchiveError(f"{self.address}: there is no such file ({message}); check --url")
        return ArchiveError(f"{self.address}: {message}; pass another address with --url")

    def _check_total(self, have: int) -> None:
        """Raise ArchiveError for a file of another length, or one for which there is no disk space."""
        if self.total is None:
            return
        if self.expected is not None and self.total != self.expected:
            raise ArchiveError(
                f"{self.address}: its length is {self.total} bytes, not {self.expected}; check --url and --version"
            )
        if self.total > MOST_BYTES:
            raise ArchiveError(f"{self.address}: its length is {byte_size(self.total)}; too large for an archive")
        check_room(self.part.parent, self.total - have + round(self.room * self.total), "to fetch and unpack it")

    def _receive(self, response: http.client.HTTPResponse, have: int) -> None:
        with (
            self.part.open("ab" if have else "wb", buffering=0) as file,
            bar("Downloading", self.total, self.progress, have) as progress_bar,
        ):
            while True:
                try:
                    piece = response.read(PIECE)
                except (OSError, http.client.HTTPException, ValueError) as error:  # the last for a wrong chunk
                    raise _Interrupted("the connection was cut") from error
                if not piece:
                    break
                have += len(piece)
                if have > MOST_BYTES:
                    raise ArchiveError(
                        f"{self.address}: the server sent more than {byte_size(MOST_BYTES)}; check --url"
                    )
                self._write(file, piece)
                progress_bar.update(len(piece))
        if self.total is not None and have < self.total:
            raise _Interrupted("the connection was cut")

    def _write(self, file: Any, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:  # an unbuffered file may write only a part
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise ArchiveError(f"{self.part}: cannot be written: {reason(error)}; {self._outlook()}") from error


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raise ArchiveError unless `needed` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ArchiveError(
            f"{folder}: {byte_size(needed)} of disk space are needed {purpose}, {byte_size(free)} are free; "
            "free some or choose a folder on another disk with --data"
        )


def bar(text: str, total: int | None, progress: bool, initial: int = 0) -> Any:
    """A bar of bytes on standard error."""
    from speech_lstm.progress import Bar

    return Bar(
        desc=text,
        total=total,
        initial=initial,
        disable=not progress,
        unit="B",
        unit_scale=True,
    )


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """A request; a user and a password in the URL go into a header, which no other server gets by a redirection."""
    scheme, user, rest = re.fullmatch("(https?://)(?:([^/?#]*)@)?(.*)", url, re.IGNORECASE | re.DOTALL).groups()  # type: ignore[union-attr]
    request = urllib.request.Request(scheme + rest, headers=headers)
    if user:
        secret = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _content_range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """First byte and total length of a 206 answer; (-1, None) if it does not state them."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if match is None or (begin := _number(match[1])) is None:
        return -1, None
    return begin, _number(match[2])


def _number(text: str | None) -> int | None:
    """A number of bytes in a header, at most LARGEST, and None for anything else."""
    if text is None or not re.fullmatch("[0-9]+", text):
        return None
    return int(text) if len(text) <= DIGITS else LARGEST
