"""What the header of a sound file promises, compared with what the file holds.

libsndfile reads a file that was cut off as if it were merely shorter. The sizes in its header tell the two
apart; programs that write to a pipe can't know them and leave a stand-in, which is accepted.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

MOST_CHUNKS = 1000  # before the sound; a file of more is not searched on
OGG_TAIL = 65_307  # bytes of the longest Ogg page


def missing_bytes(file: BinaryIO) -> int:
    """How many bytes `file` (open, seekable) lacks of those its header promises; 0 where it can't be told."""
    length = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 40)
    if (found := _sound_chunk(file, head, length)) is not None:
        start, size = found
        return 0 if _stand_in(size) else max(0, start + size - length)
    if head[:4] in (b".snd", b"dns."):
        start, size = struct.unpack_from(">II" if head[:4] == b".snd" else "<II", head.ljust(12, b"\0"), 4)
        return 0 if _stand_in(size) else max(0, start + size - length)
    if head[:4] == b"riff" and len(head) >= 24:  # Sony Wave64
        return max(0, struct.unpack_from("<Q", head, 16)[0] - length)
    if head[:4] == b"OggS":
        return _missing_of_ogg(file, length)
    return _missing_of_mp3(file, head, length)


def unfinished_size(file: BinaryIO) -> int | None:
    """Where a WAV file keeps the size of its sound, if that was left at 0 although sound follows; else None.

    So do programs that write to a pipe or were ended before they could fill in their header.
    """
    length = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 12)
    if head[:4] != b"RIFF" or (found := _sound_chunk(file, head, length)) is None:
        return None
    start, size = found
    whole = struct.unpack_from("<I", head, 4)[0] + 8
    return start - 4 if size == 0 and (whole <= start or _stand_in(whole)) and length > start else None


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _stand_in(size: int) -> bool:
    """Whether `size` is what a program writes into a header before it knows: just below 2³¹ or 2³²."""
    return size == 0 or any(0 <= limit - size <= 0x1_0000 for limit in (1 << 31, 1 << 32))


def _sound_chunk(file: BinaryIO, head: bytes, length: int) -> tuple[int, int] | None:
    """Position and promised bytes of the sound in WAV, RF64, AIFF or CAF; None in other or broken files."""
    kind = head[:4]
    caf = kind == b"caff"
    if kind not in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff"):
        return None
    layout = struct.Struct(("<" if kind in (b"RIFF", b"RF64") else ">") + ("4sq" if caf else "4sI"))
    wanted = b"SSND" if kind == b"FORM" else b"data"
    position, long_size = (8 if caf else 12), 0
    for _ in range(MOST_CHUNKS):
        header = _at(file, position, layout.size)
        if len(header) < layout.size:
            return None
        name, size = layout.unpack(header)
        start = position + layout.size
        if name == wanted:
            return start, (long_size or size) if kind == b"RF64" else max(size, 0)  # CAF: -1 is a stand-in
        if name == b"ds64":
            long_size = int.from_bytes(_at(file, start + 8, 8), "little")
        if size < 0:
            return None
        position = start + size + (0 if caf else size & 1)  # chunks start at even positions, but for CAF
    return None


def _missing_of_ogg(file: BinaryIO, length: int) -> int:
    """What the last Ogg page lacks: its table of segments says how long it is."""
    tail = _at(file, max(0, length - OGG_TAIL), OGG_TAIL)
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
    frame = _at(file, start, 200)
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return 0
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if tag < 0 or len(frame) < tag + 16:
        return 0
    flags, first, second = struct.unpack_from(">III", frame, tag + 4)
    if not flags & 2:  # no count of bytes
        return 0
    return max(0, start + (second if flags & 1 else first) - length)
