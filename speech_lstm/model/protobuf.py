"""A strict reader of protobuf, the encoding of ONNX files: it accepts the fields of a schema, each as it is written.

The lean install has no package that reads ONNX, and ONNX Runtime shows nothing of a file before it has loaded it. The
reader allocates nothing that the content does not have, and goes only as deep as the schema. The writer writes what
the reader has read.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple


class Field(NamedTuple):
    """A field of a message: its name, whether it repeats, and what it holds.

    `kind` is int, float, str, bytes (a view of the content), or the schema of a message.
    """

    name: str
    kind: Any
    repeats: bool = False


Schema = dict[int, Field]  # by the numbers of the fields
Message = dict[str, Any]  # by name; a field that repeats is a list, one that is missing is absent

VARINT, BYTES, FIXED32 = 0, 2, 5  # wire types: of int, of float, of every other kind the second


def read_message(content: memoryview, schema: Schema, others: bool = False) -> Message:
    """The message of this schema; with `others` fields that it does not have are skipped.

    Raises ValueError for a field that it does not have, of another type, or twice where it does not repeat: another
    reader could understand those differently.
    """
    message: Message = {field.name: [] for field in schema.values() if field.repeats}
    place, end = 0, len(content)
    while place < end:
        tag, place = read_varint(content, place)
        field, wire = schema.get(tag >> 3), tag & 7
        value: Any
        if wire == VARINT:
            value, place = read_varint(content, place)
        elif wire in (BYTES, FIXED32):
            size, place = read_varint(content, place) if wire == BYTES else (4, place)
            if size > end - place:
                raise ValueError("a part of it is longer than the whole")
            value, place = content[place : place + size], place + size
        else:
            raise ValueError("a field of a type that no export has")
        if field is None:
            if not others:
                raise ValueError(f"a field {tag >> 3} that no export has")
            continue
        if wire != (VARINT if field.kind is int else FIXED32 if field.kind is float else BYTES):
            raise ValueError(f"{field.name} of another type")
        value = value_of(field.kind, value)
        if field.repeats:
            message[field.name].append(value)
        elif field.name in message:
            raise ValueError(f"{field.name} twice")
        else:
            message[field.name] = value
    return message


def value_of(kind: Any, value: Any) -> Any:
    """A field's value from its varint or its bytes; raises ValueError."""
    if kind is int:
        return value - (1 << 64) if value >> 63 else value
    if kind is float:
        return struct.unpack("<f", value)[0]
    if kind is str:
        return str(value, "utf-8")
    return value if kind is bytes else read_message(value, kind)


def read_varint(content: memoryview, place: int) -> tuple[int, int]:
    """The number of up to 64 bits at a place, and the place after it; raises ValueError."""
    value = shift = 0
    for byte in content[place : place + 10]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if value >> 64:
                break
            return value, place + shift // 7
    raise ValueError("a number that has no end")


def write_message(message: Message, schema: Schema) -> bytes:
    """The bytes of a message of this schema, which `read_message` reads; a field that is missing is omitted."""
    parts: list[bytes | memoryview] = []
    for number, field in schema.items():
        if field.name not in message:
            continue
        values = message[field.name]
        for value in values if field.repeats else [values]:
            if field.kind is int:
                parts += [varint(number << 3 | VARINT), varint(value)]
            elif field.kind is float:
                parts += [varint(number << 3 | FIXED32), struct.pack("<f", value)]
            else:
                data = value.encode() if field.kind is str else value
                data = data if field.kind in (str, bytes) else write_message(data, field.kind)
                parts += [varint(number << 3 | BYTES), varint(len(data)), data]
    return b"".join(parts)


def varint(value: int) -> bytes:
    """A number of up to 64 bits; a negative one as its two's complement."""
    value &= (1 << 64) - 1
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
