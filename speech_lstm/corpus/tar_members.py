"""The members of a tar stream from a stranger: read one by one, in bounded time and memory.

tarfile would keep the members, read names of any length and call itself for each header before a member.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Protocol

from speech_lstm.errors import ArchiveError, printable

MOST_HEADERS = 8  # before one member, such as one for its long name; two are usual
LONGEST_HEADER = 1 << 16  # bytes
LONGEST_NAME = 400  # bytes of a member's path; those of recordings have some 40
LONG_NAME, LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
PAX_HEADERS = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
HEADERS = (LONG_NAME, LONG_LINK, *PAX_HEADERS, tarfile.XGLTYPE)
RECORD = re.compile(rb"(\d{1,6}) ([^=\n]+)=")  # length, keyword


class UnusableArchive(ArchiveError):
    """A fault in the archive itself: unpacking it again cannot help."""


class ByteStream(Protocol):
    """What an unpacked archive is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass
class Member:
    """A file or folder of an archive, inside the folder it is unpacked into; `pieces` are the file's content."""

    name: str
    size: int
    is_file: bool
    pieces: Iterator[bytes]


def tar_members(stream: ByteStream) -> Iterator[Member]:
    """The members, whose pieces are skipped where they are not read; raises UnusableArchive for all faults."""
    while (member := next_member(stream)) is not None:
        yield member
        for _ in member.pieces:
            pass


def next_member(stream: ByteStream) -> Member | None:
    """The member whose headers are next in the stream; None at the end of the archive."""
    name, size = None, None
    for _ in range(MOST_HEADERS):
        block = stream.read(tarfile.BLOCKSIZE)
        if not block or not any(block):  # the second one needs no end mark
            return None
        header = parse_header(block)
        if header.type not in HEADERS:
            return member_of(header, header.name if name is None else name, size, stream)
        if not 0 <= header.size <= LONGEST_HEADER:
            raise UnusableArchive(f"a header of {header.size} bytes in it is too long")
        content = b"".join(pieces_of(stream, header.size))
        if header.type == LONG_NAME:
            name = decode(content.partition(b"\0")[0])
        elif header.type in PAX_HEADERS:
            fields = pax_fields(content)
            name = decode(fields[b"path"]) if b"path" in fields else name
            size = number(fields[b"size"]) if b"size" in fields else size
    raise UnusableArchive(f"a member of it has more than {MOST_HEADERS} headers")


def parse_header(block: bytes) -> tarfile.TarInfo:
    """The header in a block of the archive."""
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise UnusableArchive(f"it is damaged ({error})") from error


def member_of(header: tarfile.TarInfo, name: str, size: int | None, stream: ByteStream) -> Member:
    """The member of a header; raises UnusableArchive unless it is a plain file or folder inside the folder."""
    shown = printable(repr(name), 100)
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise UnusableArchive(f"the name {shown} in it is too long")
    check_inside(name)
    is_file = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    if not is_file and header.type != tarfile.DIRTYPE:
        kind = "link" if header.issym() or header.islnk() else "device or other special file"
        raise UnusableArchive(f"{shown} in it is a {kind}")
    size = (header.size if size is None else size) if is_file else 0
    if size < 0:
        raise UnusableArchive(f"{shown} in it has a negative length")
    return Member(name, size, is_file, pieces_of(stream, size))


def check_inside(name: str) -> None:
    """Raise UnusableArchive for a path that leads out of the folder, on POSIX or on Windows."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts):
        raise UnusableArchive(f"{printable(repr(name), 100)} in it would be written outside the folder")


def pieces_of(stream: ByteStream, size: int) -> Iterator[bytes]:
    """The next `size` bytes of the stream, of which the rest of their last block is skipped."""
    left = size
    while left > 0:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            raise UnusableArchive("its end is missing")
        left -= len(piece)
        yield piece
    if padding := -size % tarfile.BLOCKSIZE:
        stream.read(padding)


def pax_fields(content: bytes) -> dict[bytes, bytes]:
    """The fields of a pax header by keyword; raises UnusableArchive for a damaged one or a sparse file."""
    fields, place = {}, 0
    while place < len(content) and content[place]:
        match = RECORD.match(content, place)
        end = place + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise UnusableArchive("a header in it is damaged")
        if match[2].startswith(b"GNU.sparse"):
            raise UnusableArchive("a file in it is a sparse one")
        fields[match[2]] = content[match.end() : end - 1]
        place = end
    return fields


def number(text: bytes) -> int:
    """A length in a pax header."""
    if not re.fullmatch(rb"\d{1,18}", text):
        raise UnusableArchive("a length in it is damaged")
    return int(text)


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
