"""What the header of a sound file promises, compared with the size of the file.

libsndfile reads a truncated file as if it were merely shorter. The sizes in its header reveal that. Programs that
write to a pipe do not know them yet and leave a placeholder, which is accepted.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

MOST_CHUNKS = 1000  # before the sound; a file with more is not searched further
OGG_TAIL = 65_307  # bytes of the longest Ogg page


class Integrity(NamedTuple):
    """How the sizes in a header agree with the file."""

    missing: int = 0  # bytes that the header promises and the file lacks; 0 where no header says
    unset_size: int | None = None  # where a WAV file keeps the size of its sound, if that is 0 although sound follows


class Chunk(NamedTuple):
    """The sound in a file."""

    start: int  # bytes before it
    size: int  # bytes, as the header promises


def inspect(file: BinaryIO) -> Integrity:
    """Compare the header of `file` (open, seekable, at any position) with its size."""
    length = file.seek(0, os.SEEK_END)
    head = _read_at(file, 0, 40)
    kind = head[:4]
    if (sound := _sound_chunk(file, head, length)) is not None:
        return Integrity(_missing_of_chunk(sound, length), _unset_size(head, sound, length))
    if kind in (b".snd", b"dns."):
        layout = ">II" if kind == b".snd" else "<II"
        return Integrity(_missing_of_chunk(Chunk(*struct.unpack_from(layout, head.ljust(12, b"\0"), 4)), length))
    if kind == b"riff" and len(head) >= 24:  # Sony Wave64
        return Integrity(max(0, struct.unpack_from("<Q", head, 16)[0] - length))
    if kind == b"OggS":
        return Integrity(_missing_of_ogg(file, length))
    return Integrity(_missing_of_mp3(file, head, length))


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _is_placeholder(size: int) -> bool:
    """Whether a program wrote `size` before it knew the size: 0, or just below 2³¹ or 2³²."""
    return size == 0 or any(0 <= limit - size <= 0x1_0000 for limit in (1 << 31, 1 << 32))


def _missing_of_chunk(sound: Chunk, length: int) -> int:
    """What a file of `length` bytes lacks of its sound."""
    return 0 if _is_placeholder(sound.size) else max(0, sound.start + sound.size - length)


def _unset_size(head: bytes, sound: Chunk, length: int) -> int | None:
    """See `Integrity.unset_size`: left by programs that write to a pipe or end before they complete their header."""
    whole = struct.unpack_from("<I", head, 4)[0] + 8
    unset = sound.size == 0 and (whole <= sound.start or _is_placeholder(whole)) and length > sound.start
    return sound.start - 4 if head[:4] == b"RIFF" and unset else None


def _sound_chunk(file: BinaryIO, head: bytes, length: int) -> Chunk | None:
    """The sound in WAV, RF64, AIFF or CAF; None in other or damaged files."""
    kind = head[:4]
    caf = kind == b"caff"
    if kind not in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff"):
        return None
    layout = struct.Struct(("<" if kind in (b"RIFF", b"RF64") else ">") + ("4sq" if caf else "4sI"))
    sound_name = b"SSND" if kind == b"FORM" else b"data"
    position, long_size = (8 if caf else 12), 0
    for _ in range(MOST_CHUNKS):
        header = _read_at(file, position, layout.size)
        if len(header) < layout.size:
            return None
        name, size = layout.unpack(header)
        start = position + layout.size
        if name == sound_name:
            return Chunk(start, (long_size or size) if kind == b"RF64" else max(size, 0))  # CAF: −1 is a placeholder
        if name == b"ds64":
            long_size = int.from_bytes(_read_at(file, start + 8, 8), "little")
        if size < 0:
            return None
        position = start + size + (0 if caf else size & 1)  # chunks start at even positions, except in CAF
    return None


def _missing_of_ogg(file: BinaryIO, length: int) -> int:
    """What the last Ogg page lacks: its table of segments gives its length."""
    tail = _read_at(file, max(0, length - OGG_TAIL), OGG_TAIL)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return 27 - len(page)
    segments = page[26]
    table = page[27 : 27 + segments]
    return max(0, 27 + segments + sum(table) - len(page))


def _missing_of_mp3(file: BinaryIO, head: bytes, length: int) -> int:
    """What the stream lacks of the bytes that a Xing, Info or LAME header counts; 0 without one."""
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        start = 10 + sum(part << shift for part, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    frame = _read_at(file, start, 200)
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return 0
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if tag < 0 or len(frame) < tag + 16:
        return 0
    flags, first, second = struct.unpack_from(">III", frame, tag + 4)
    if not flags & 2:  # no count of bytes
        return 0
    return max(0, start + (second if flags & 1 else first) - length)
