"""Changes of bytes and of JSON, drawn from a seeded generator, that know nothing of what the content means."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

INTEGERS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 100, 127, 128, 255, 256, 1023, 4096, 32_767, 32_768, 65_535, 65_536, 1 << 24)
INTEGERS += (2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, 2**64 - 1)
FLOATS = (0.0, -0.0, 1e-45, 1e-30, 1.0, -1.0, 2.0, 1e6, -1e6, 1e10, 1e25, 3.4e38, -3.4e38)
NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))
TEXTS = (
    "",
    " ",
    "\x00",
    "\n",
    "a\nb",
    "\x1b]0;title\x07",
    "\x1b[31mred",
    "\x9b31m",
    "\u202etxt",
    "\ud800",
    "..",
    "/",
    "%s%n{}",
    "x" * 300,
    "NaN",
    "9" * 5000,
)
HEADER = 200  # bytes at the start, where most formats keep their sizes


def mutate(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`content` with one to twelve changes; `others` are spliced into it."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5, 12))):
        random.choice(CHANGES)(data, others, random)
    return bytes(data)


def place(data: bytearray, random: Random) -> int:
    """A position in the content, half of the time in its header."""
    return random.randrange(max(1, min(len(data), HEADER) if random.random() < 0.5 else len(data)))


def stretch(data: Sequence[int], random: Random) -> slice:
    """A part of the content: short ones and long ones are equally likely."""
    first = random.randrange(max(1, len(data)))
    return slice(first, first + int(2 ** random.uniform(0, len(data).bit_length())))


def flip(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    if data:
        data[place(data, random)] ^= 1 << random.randrange(8)


def replace(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    if data:
        data[place(data, random)] = random.randrange(256)


def write_integer(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    size = random.choice((1, 2, 4, 8))
    value = (random.choice(INTEGERS) + random.choice((-1, 0, 0, 1))) % 256**size
    at = place(data, random)
    data[at : at + size] = value.to_bytes(size, random.choice(("little", "big")))


def cut(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    del data[place(data, random) :]


def remove(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    del data[stretch(data, random)]


def repeat(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    part = data[stretch(data, random)]
    at = place(data, random)
    data[at:at] = (part * random.choice((1, 1, 2, 50)))[: 1 << 20]


def insert(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    at = place(data, random)
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 32, 700)))


def blank(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    part = stretch(data, random)
    data[part] = bytes([random.choice((0, 255))]) * len(data[part])


def splice(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    other = random.choice(others)
    part = other[stretch(other, random)]
    at = place(data, random)
    data[at : at + random.choice((0, len(part), len(data)))] = part


CHANGES = (flip, flip, replace, write_integer, write_integer, cut, remove, repeat, insert, blank, splice)


def mutate_json(value: Any, random: Random) -> Any:
    """A JSON value with one change somewhere in it."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value))
        rest = {name: item for name, item in value.items() if name != key}
        match random.randrange(10):
            case 0:
                return rest
            case 1:
                return rest | {random.choice(TEXTS): value[key]}
            case _:
                return value | {key: mutate_json(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[:at] + value[at : at + 1] + value[at:]
            case _:
                return [*value[:at], mutate_json(value[at], random), *value[at + 1 :]]
    return odd_value(random)


def odd_value(random: Random) -> Any:
    """A value of any type, extreme ones above all."""
    deep: Any = []
    for _ in range(random.choice((1, 30, 900))):
        deep = [deep]
    number = random.choice(INTEGERS) * random.choice((1, -1))
    return random.choice(
        (None, True, False, number, random.choice(FLOATS + NOT_NUMBERS), random.choice(TEXTS), {}, [], deep)
    )
