"""The ONNX form of a model file: its header, a seal against damage, and how ONNX Runtime opens it.

It needs neither torch nor the package onnx.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ModelError
from speech_lstm.files import reason
from speech_lstm.model.header import Header, check_version

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FORMAT_VERSION = 1  # raise it when an older program cannot read a newer file
KIND = "speech-lstm onnx model"  # waveforms of any length to probabilities
STREAM_KIND = "speech-lstm onnx stream"  # samples and the state before them to probabilities and the state after them
STREAM_SUFFIX = ".stream.onnx"  # instead of the .onnx of the model that it belongs to
HEADER = tuple(part.name for part in fields(Header))  # each is an entry of the metadata

# The last entry of the file's metadata, as protobuf writes it: field 14 of a model, 74 bytes long, of two texts, the
# second of which, the SHA-256 of all bytes before the entry, is 64 characters long.
SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"
SEAL_SIZE = len(SEAL) + 64


def metadata(kind: str, header: Header, precision: str, source: str) -> dict[str, str]:
    """The metadata of a file: texts, all but the first two in JSON. `source` is the digest of the model."""
    facts = {"rate": SAMPLE_RATE, "clip_samples": CLIP_SAMPLES, "precision": precision, "source": source}
    facts |= header.to_dict()
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    return {"kind": kind, "version": str(FORMAT_VERSION)} | texts


def seal(content: bytes) -> bytes:
    """A serialised model with its seal, one more entry of the metadata to every reader of ONNX."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def intact(content: bytes) -> bool:
    """Whether the seal of a file is that of the bytes before it."""
    return content[-SEAL_SIZE:] == seal(content[:-SEAL_SIZE])[-SEAL_SIZE:]


def read_session(path: Path, kind: str = KIND) -> tuple[InferenceSession, Header]:
    """Open the ONNX file of a model of this kind; raises ModelError for any other."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({reason(error)})") from None
    sound = intact(content)
    if content[-SEAL_SIZE:].startswith(SEAL) and not sound:
        raise damaged(path)
    session = open_session(path, content)
    try:
        entries = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        raise damaged(path) from None
    check_kind(path, entries.get("kind", ""), kind)
    check_version(path, entries.get("version", ""), FORMAT_VERSION)
    if not sound:
        raise damaged(path)
    try:
        values: dict[str, Any] = {name: json.loads(entries[name]) for name in HEADER}
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the header of the model is damaged ({error}); export it again") from None
    return session, Header.from_dict(path, values)


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
    raise ModelError(f"{path}: an ONNX file, but not a {kind}; make one with `speech-lstm export`")


def open_session(path: Path, content: bytes, threads: int = 1) -> InferenceSession:
    """Load the bytes of an ONNX file into ONNX Runtime, on the processor.

    One thread scores a single window faster than two. Raises ModelError if ONNX Runtime rejects the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4  # its messages come as exceptions
    try:
        # The fallback would load the file a second time, and print a message.
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # its classes come from C++ and have no common base
        message = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not an ONNX file that can be loaded, or damaged ({message})") from None
