"""Fetching one large file over HTTP, going on where an earlier attempt was cut off."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_lstm.errors import ArchiveError
from speech_lstm.files import byte_size, discard, reason, write_json

WAITS = (0.5, 1.0, 2.0)  # seconds before the attempts that follow one without gain
SILENCE = 30.0  # seconds without a byte after which a connection counts as cut
PIECE = 1 << 18  # bytes
MOST_BYTES = 16 << 30  # of any archive; a server that never ends is left there
BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that may be better in a moment


class _Cut(Exception):
    """The connection ended early or the server is busy: worth another attempt."""


@dataclass
class Transfer:
    """One download of `url` into the file `part`, which may hold its beginning from an earlier run.

    Beside `part` lies a note (JSON) of where it came from. `expected` is the length in bytes, where known;
    beyond the file itself, `room` times its length must be free on the disk. `digest` says which file is
    meant: the beginning of one with another digest is not gone on with.
    """

    url: str
    part: Path
    digest: str
    expected: int | None = None
    room: float = 0.0
    progress: bool = True
    total: int | None = field(init=False, default=None)

    def run(self) -> None:
        """Fetch what is missing; raises ArchiveError, and OSError where `part` can't be written."""
        if not re.match("https?://.", self.url, re.IGNORECASE):
            raise ArchiveError(f"{self.url!r} is no address to download from; give one with http:// or https://")
        note = self._note()
        if note.get("digest") != self.digest:
            self.remove()
        self.total = note.get("total") or self.expected
        best, waits = self._have(), list(WAITS)
        while not (best and best == self.total):
            try:
                self._attempt()
                return
            except _Cut as cut:
                if self._have() > best:
                    best, waits = self._have(), list(WAITS)
                if not waits:
                    raise ArchiveError(f"{self.url}: {cut}; {self._outlook()}") from cut
                if self.progress:
                    print(f"{cut}; trying again in {waits[0]:g} s", file=sys.stderr)
                time.sleep(waits.pop(0))

    def remove(self) -> None:
        """Delete what was fetched, and the note on it."""
        discard(self.part)
        discard(self.note_path)

    @property
    def note_path(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _note(self) -> dict[str, Any]:
        try:
            note = json.loads(self.note_path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _outlook(self) -> str:
        if not (have := self._have()):
            return "try again later, or give another address with --url"
        of = f" of {byte_size(self.total)}" if self.total else ""
        return f"{byte_size(have)}{of} are kept, run the same command again to go on"

    def _attempt(self) -> None:
        have = self._have()
        with self._answer(have) as response:
            if response is None:  # all of it is here already
                return
            if response.status == 206:
                begin, self.total = _content_range(response)
                if begin != have:
                    self.remove()
                    raise _Cut("the server sent another part than was asked for")
            else:
                have, self.total = 0, _number(response.headers.get("Content-Length"))
            self._check_total(have)
            etag = response.headers.get("ETag", "")
            strong = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
            write_json(
                self.note_path,
                {"url": self.url, "digest": self.digest, "validator": strong, "total": self.total},
            )
            self._receive(response, have)

    @contextlib.contextmanager
    def _answer(self, have: int) -> Iterator[http.client.HTTPResponse | None]:
        """The server's answer to a request for what follows the first `have` bytes."""
        headers = {"User-Agent": "speech-lstm", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            note = self._note()
            if note.get("validator") and note.get("url") == self.url:
                headers["If-Range"] = note["validator"]
        try:
            response = urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=SILENCE)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{have}"):
                yield None
                return
            raise self._refusal(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", None) or error
            text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            said = f"can't be reached ({text})"
            if have or isinstance(cause, (ConnectionResetError, http.client.RemoteDisconnected, TimeoutError)):
                raise _Cut(said) from error
            raise ArchiveError(
                f"{self.url}: {said}; check the network, or give another address with --url"
            ) from error
        with response:
            yield response

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        if error.code == 416:  # what is here is longer than the file there
            self.remove()
            return _Cut("the server's file is shorter than what was kept of it")
        said = f"the server answers {error.code} {error.reason or ''}".rstrip()
        if error.code in BUSY:
            return _Cut(said)
        if error.code in (404, 410):
            return ArchiveError(f"{self.url}: there is no such file ({said}); check --url")
        return ArchiveError(f"{self.url}: {said}; give another address with --url")

    def _check_total(self, have: int) -> None:
        """Refuse a file of another length, or one for which there is no room."""
        if self.total is None:
            return
        if self.expected is not None and self.total != self.expected:
            raise ArchiveError(
                f"{self.url}: the file there has {self.total} bytes, the right one has {self.expected}; "
                "check --url and --version"
            )
        if self.total > MOST_BYTES:
            raise ArchiveError(f"{self.url}: the file there has {byte_size(self.total)}; too large for an archive")
        check_room(self.part.parent, self.total - have + round(self.room * self.total), "to fetch and unpack it")

    def _receive(self, response: http.client.HTTPResponse, have: int) -> None:
        with (
            self.part.open("ab" if have else "wb", buffering=0) as file,
            bar("Downloading", self.total, self.progress, have) as shown,
        ):
            while True:
                try:
                    piece = response.read(PIECE)
                except (OSError, http.client.HTTPException) as error:
                    raise _Cut("the connection was cut") from error
                if not piece:
                    break
                have += len(piece)
                if have > MOST_BYTES:
                    raise ArchiveError(f"{self.url}: the server sends more than {byte_size(MOST_BYTES)}; check --url")
                self._write(file, piece)
                shown.update(len(piece))
        if self.total is not None and have < self.total:
            raise _Cut("the connection was cut")

    def _write(self, file: Any, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:  # an unbuffered file may take a part only
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise ArchiveError(f"{self.part}: can't be written: {reason(error)}; {self._outlook()}") from error


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raise ArchiveError unless `needed` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ArchiveError(
            f"{folder}: {byte_size(needed)} of free disk space are needed {purpose}, {byte_size(free)} are there; "
            "free some or choose a folder on another disk with --data"
        )


def bar(text: str, total: int | None, progress: bool, initial: int = 0) -> Any:
    """A tqdm bar over bytes on standard error, redrawn less often where that isn't a terminal."""
    from tqdm import tqdm

    often = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        desc=text,
        total=total,
        initial=initial,
        disable=not progress,
        unit="B",
        unit_scale=True,
        mininterval=often,
        maxinterval=often,
    )


def _content_range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """First byte and total length that a 206 answer states; (-1, None) if it doesn't."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    return (int(found[1]), _number(found[2])) if found else (-1, None)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
