"""The ONNX form of a model file: its header, a seal against damage, and how ONNX Runtime opens it.

It needs neither torch nor the package onnx.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ModelError, foreign, lacks_memory
from speech_lstm.files import reason, to_json
from speech_lstm.model.header import Header, check_version
from speech_lstm.model.onnx_graph import Graph, read_graph, read_metadata
from speech_lstm.model.onnx_operators import Known
from speech_lstm.model.onnx_work import Work

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FORMAT_VERSION = 1  # raise it when an older program cannot read a newer file
KIND = "speech-lstm onnx model"  # waveforms of any length to probabilities
STREAM_KIND = "speech-lstm onnx stream"  # samples and the state before them to probabilities and the state after them
VECTOR = "vector"  # the output that the head reads; files of older versions lack it
STREAM_SUFFIX = ".stream.onnx"  # instead of the .onnx of the model that it belongs to
FACTS = ("precision", "source")  # entries that are texts, besides the header
COUNT = "frames"  # the part of a stream's state that is an integer
HEADER = tuple(part.name for part in fields(Header))  # each is an entry of the metadata

# What ONNX Runtime reads when it is imported. From 1.29 on it otherwise keeps a name for this machine in its user's
# cache, and reports the models that it loads to its maker.
NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"

Shapes = tuple[tuple[int, ...], ...]

# The last entry of the file's metadata, as protobuf writes it: field 14 of a model, 74 bytes long, of two texts, the
# second of which, the SHA-256 of all bytes before the entry, is 64 characters long.
SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"
SEAL_SIZE = len(SEAL) + 64


def metadata(kind: str, header: Header, precision: str, source: str) -> dict[str, str]:
    """The metadata of a file: texts, all but the first two in JSON. `source` is the digest of the model."""
    facts = {"rate": SAMPLE_RATE, "clip_samples": CLIP_SAMPLES, "precision": precision, "source": source}
    facts |= header.to_dict()
    texts = {name: to_json(value, ensure_ascii=False) for name, value in facts.items()}
    return {"kind": kind, "version": str(FORMAT_VERSION)} | texts


def seal(content: bytes) -> bytes:
    """A serialised model with its seal, one more entry of the metadata to every reader of ONNX."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def intact(content: bytes) -> bool:
    """Whether the seal of a file is that of the bytes before it."""
    return content[-SEAL_SIZE:] == seal(content[:-SEAL_SIZE])[-SEAL_SIZE:]


def check_seal(path: Path, content: bytes) -> None:
    """Raise ModelError if a file has a seal that is not that of its content."""
    if content[-SEAL_SIZE:].startswith(SEAL) and not intact(content):
        raise damaged(path)


class OnnxSession:
    """An exported model in ONNX Runtime, which gets only inputs whose work is bounded."""

    def __init__(self, path: Path, content: bytes, kind: str, header: Header, facts: dict[str, str]) -> None:
        """Raises ModelError for a file that no exporter of this package writes."""
        self.path, self.size, self.facts, self.labels = path, len(content), facts, header.labels
        self.seal = content[-SEAL_SIZE:]
        self.checked: set[Shapes] = set()  # of the inputs
        try:
            self.graph = read_graph(content)
            self.state = check_interface(self.graph, kind, len(self.labels))
            self.vector_size = size_of_vector(self.graph)
            self.check(((1, CLIP_SAMPLES), *(shape for _, shape in self.state.values())))
        except ValueError as error:  # and WorkError, which is one
            raise refused(path, error) from None
        self.session = open_session(path, content)

    def initial_state(self) -> dict[str, NDArray[np.generic]]:
        """The state at the start of a stream, by the names of the inputs: zeros."""
        return {name: np.zeros(shape, dtype) for name, (dtype, shape) in self.state.items()}

    def check(self, shapes: Shapes) -> tuple[int, Shapes]:
        """The multiplications for inputs of these shapes, and the shapes of a stream's next state.

        Raises ValueError if they take too much, or give answers of another shape.
        """
        whole = [value is not None and value.dtype == np.int64 for value in self.graph.inputs.values()]
        known = [Known(shape, None, is_whole) for shape, is_whole in zip(shapes, whole, strict=True)]
        work = Work(self.size)
        sizes = [output.shape for output in work.outputs(self.graph, known)]
        if any(size != (shapes[0][0], len(self.labels)) for size in sizes[:2]):
            raise ValueError("answers of another size than its labels")
        if self.vector_size and sizes.pop(2) != (shapes[0][0], self.vector_size):
            raise ValueError("vectors of another size than they are said to have")
        self.checked.add(shapes)
        return work.multiplications, tuple(sizes[2:])

    def allows(self, batch: int) -> bool:
        """Whether as many whole windows at a time are within the limits of work."""
        try:
            self.check(((batch, CLIP_SAMPLES),))
        except ValueError:
            return False
        return True

    def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of these names; raises ModelError."""
        shapes = tuple(inputs[name].shape for name in self.graph.inputs)
        try:
            if shapes not in self.checked:
                self.check(shapes)
            outputs: list[NDArray[Any]] = self.session.run(names, inputs)
        except Exception as error:  # the classes of ONNX Runtime's come from C++ and have no common base
            if lacks_memory(error):
                raise
            raise refused(self.path, error) from None
        return outputs


def refused(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path}: cannot be run ({foreign(error)}); make another with `speech-lstm export`")


def check_interface(graph: Graph, kind: str, labels: int) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    """The types and shapes of a stream's first state, by name; raises ValueError for inputs or outputs that no export
    has."""
    sound, answers = "samples" if kind == STREAM_KIND else "waveforms", ["probabilities", "logits"]
    further = [VECTOR] if VECTOR in graph.outputs else []
    state = list(graph.inputs)[1:]
    if list(graph.inputs) != [sound, *state] or bool(state) != (kind == STREAM_KIND):
        raise ValueError("other inputs than an export has")
    if list(graph.outputs) != [*answers, *further, *(f"next.{name}" for name in state)]:
        raise ValueError("other outputs than an export has")
    expected = {sound: ("batch", "samples")} | dict.fromkeys(answers, ("batch", labels))
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {}
    for name, value in (graph.inputs | graph.outputs).items():
        counts = name.removeprefix("next.") == COUNT
        if value is None or value.dtype != (np.int64 if counts else np.float32):
            raise ValueError(f"{name[:40]!r} of a type that no export has")
        if value.shape != expected.get(name, value.shape) or (counts and value.shape):
            raise ValueError(f"{name[:40]!r} of a shape that no export has")
        if name in state:
            # Of the free sizes, all but the batch count past samples or frames: none.
            sizes = [int(size == "batch") if isinstance(size, str) else size for size in value.shape]
            if min(sizes, default=0) < 0:
                raise ValueError(f"{name[:40]!r} of a negative size")
            shapes[name] = value.dtype, tuple(sizes)
    return shapes


def size_of_vector(graph: Graph) -> int:
    """The numbers in the vector that the head reads; 0 if the file does not give it. Raises ValueError."""
    if (value := graph.outputs.get(VECTOR)) is None:
        return 0
    size = value.shape[-1] if len(value.shape) == 2 and value.shape[0] == "batch" else 0
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"{VECTOR!r} of a shape that no export has")
    return size


def read_session(path: Path, kind: str = KIND) -> tuple[OnnxSession, Header]:
    """Open the ONNX file of a model of this kind; raises ModelError for any other."""
    return open_model(path, read_content(path), kind)


def read_content(path: Path) -> bytes:
    """The bytes of a file; raises ModelError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({reason(error)})") from None


def open_model(path: Path, content: bytes, kind: str = KIND) -> tuple[OnnxSession, Header]:
    """Open the content of the ONNX file of a model of this kind; raises ModelError for any other."""
    check_seal(path, content)
    try:
        entries = read_metadata(content)
    except ValueError as error:
        raise ModelError(f"{path}: not an ONNX file, or damaged ({foreign(error)})") from None
    check_kind(path, entries.get("kind", ""), kind)
    check_version(path, entries.get("version", ""), FORMAT_VERSION)
    if not intact(content):
        raise damaged(path)
    try:
        values: dict[str, Any] = {name: json.loads(entries[name]) for name in HEADER}
        facts = {name: json.loads(entries.get(name, '""')) for name in FACTS}  # older files have not all
        if not all(isinstance(fact, str) for fact in facts.values()):
            raise ValueError("precision or source is no text")
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the header of the model is damaged ({foreign(error)}); export it again") from None
    header = Header.from_dict(path, values)
    return OnnxSession(path, content, kind, header, facts), header


def without_vector(path: Path) -> ModelError:
    """The error for a file of an older version."""
    return ModelError(
        f"{path}: does not give the vector that its head reads; make it again with `speech-lstm export`"
    )


def damaged(path: Path) -> ModelError:
    return ModelError(f"{path}: it was damaged or changed after its export; export or download it again")


def check_kind(path: Path, text: str, kind: str) -> None:
    """Raise ModelError unless `text`, the kind of an ONNX file, is `kind`."""
    if text == kind:
        return
    if text == STREAM_KIND:
        raise ModelError(f"{path}: runs frame by frame, with a state; name the export for whole recordings")
    if text == KIND:
        raise ModelError(f"{path}: runs on whole recordings; name the export that runs frame by frame")
    raise ModelError(f"{path}: not a {kind}, or damaged; make one with `speech-lstm export`")


def open_session(path: Path, content: bytes, threads: int = 1) -> InferenceSession:
    """Load the bytes of an ONNX file into ONNX Runtime, on the processor.

    One thread scores a single window faster than two. Raises ModelError if ONNX Runtime rejects the file.
    """
    os.environ.setdefault(NO_TELEMETRY, "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4  # its messages come as exceptions
    try:
        # The fallback would load the file a second time, and print a message.
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # its classes come from C++ and have no common base
        if lacks_memory(error):
            raise
        raise ModelError(f"{path}: not an ONNX file that can be loaded, or damaged ({foreign(error)})") from None
