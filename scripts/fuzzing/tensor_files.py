"""safetensors files: taken apart into header and weights, changed there, and put together again."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.kind import Kind, check_answers
from fuzzing.mutation import FLOATS, NOT_NUMBERS, mutate, mutate_json
from fuzzing.networks import CELLS, model_bytes
from fuzzing.recordings import speech


def parts_of(content: bytes) -> tuple[Any, bytes]:
    """The header of a safetensors file and its weights."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header: Any, weights: bytes) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + weights


def changed(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A safetensors file with a change of its bytes, its header, the project's header in it, or its weights."""
    if random.random() < 0.3:
        return mutate(content, others, random)
    header, weights = parts_of(content)
    header["__metadata__"].pop("sha256", None)  # as in older files: else every change would end at the digest
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        match random.randrange(4):
            case 0:
                header = mutate_json(header, random)
            case 1:
                weights = extreme_weights(weights, random)
            case _:
                header = with_own_header(header, random)
    return joined(header, weights)


def with_own_header(header: Any, random: Random) -> Any:
    """The file's header with a change of the project's header, which is JSON inside its JSON."""
    try:
        metadata = header["__metadata__"]
        own = json.dumps(mutate_json(json.loads(metadata["header"]), random))
        return header | {"__metadata__": metadata | {"header": own}}
    except (KeyError, TypeError, ValueError, RecursionError):  # an earlier change took it away
        return mutate_json(header, random)


def extreme_weights(weights: bytes, random: Random) -> bytes:
    """Some weights replaced by extreme ones."""
    values = np.frombuffer(weights[: len(weights) // 4 * 4], "<f4").copy()
    if not len(values):
        return weights
    first = random.randrange(len(values))
    values[first : first + random.choice((1, 1, 10, len(values)))] = random.choice(FLOATS + NOT_NUMBERS)
    return values.tobytes()


class Models(Kind):
    """Model files in torch's form: loaded, and asked about one recording."""

    suffix = ".safetensors"
    modules = ("speech_lstm.recognition.recognizer", "speech_lstm.model.torch_model")

    def case(self, random: Random) -> bytes:
        corpus = [model_bytes(cell) for cell in CELLS]
        return changed(random.choice(corpus), corpus, random)

    def run(self, content: bytes, folder: Path) -> None:
        from speech_lstm.recognition.recognizer import load

        path = folder / "case.safetensors"
        path.write_bytes(content)
        model = load(path)
        word = speech("yes")
        check_answers([model.classify(word, 16_000), *model.commands(np.tile(word, 3), 16_000)])
