"""The ONNX form of a model file: what it says of itself, a seal against damage, and how ONNX Runtime opens it.

Neither torch nor the package onnx is needed here.
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

FORMAT_VERSION = 1  # raise it when an older program could not read a newer file
KIND = "speech-lstm onnx model"  # waveforms of any length to probabilities
STREAM_KIND = "speech-lstm onnx stream"  # samples and the state before to probabilities and the state after
STREAM_SUFFIX = ".stream.onnx"  # of the name, in place of the .onnx of the model that it belongs to
HEADER = tuple(part.name for part in fields(Header))  # each is an entry of the metadata

# The last entry of the file's metadata, as protobuf writes it: field 14 of a model, 74 bytes long, of two texts, the
# second of which, the SHA-256 of all bytes before the entry, is 64 characters long.
SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"
SEAL_SIZE = len(SEAL) + 64


def metadata(kind: str, header: Header, precision: str, source: str) -> dict[str, str]:
    """What is written into the file: texts, each but the first two as JSON. `source` is the digest of the model."""
    facts = {"rate": SAMPLE_RATE, "clip_samples": CLIP_SAMPLES, "precision": precision, "source": source}
    facts |= header.to_dict()
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}
    return {"kind": kind, "version": str(FORMAT_VERSION)} | texts


def sealed(content: bytes) -> bytes:
    """A serialised model with its seal, which for every reader of ONNX is one more entry of the metadata."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def whole(content: bytes) -> bool:
    """Whether the seal of a file is the one of the bytes before it."""
    return content[-SEAL_SIZE:] == sealed(content[:-SEAL_SIZE])[-SEAL_SIZE:]


def read_session(path: Path, kind: str = KIND) -> tuple[InferenceSession, Header]:
    """Open the ONNX file of a model of this kind; raises ModelError, in one line, for any other."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({reason(error)})") from None
    good = whole(content)
    if content[-SEAL_SIZE:].startswith(SEAL) and not good:
        raise damaged(path)
    session = open_session(path, content)
    try:
        found = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        raise damaged(path) from None
    check_kind(path, found.get("kind", ""), kind)
    check_version(path, found.get("version", ""), FORMAT_VERSION)
    if not good:
        raise damaged(path)
    try:
        values: dict[str, Any] = {name: json.loads(found[name]) for name in HEADER}
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the header of the model is damaged ({error}); export it anew") from None
    return session, Header.from_dict(path, values)


def damaged(path: Path) -> ModelError:
    return ModelError(f"{path}: it was damaged or changed after its export; export or download it anew")


def check_kind(path: Path, found: str, kind: str) -> None:
    """Raise ModelError unless an ONNX file is of the kind that is wanted."""
    if found == kind:
        return
    if found == STREAM_KIND:
        raise ModelError(f"{path}: goes frame by frame and carries a state; give the export without it")
    if found == KIND:
        raise ModelError(f"{path}: hears whole recordings; give the export that goes frame by frame")
    raise ModelError(f"{path}: an ONNX file, but not a {kind}; make one with `speech-lstm export`")


def open_session(path: Path, content: bytes, threads: int = 1) -> InferenceSession:
    """Load the bytes of an ONNX file into ONNX Runtime, on the processor.

    One window is heard faster by one thread than by two. Raises ModelError where ONNX Runtime refuses the
    file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4  # what it has to say comes as an exception
    try:
        # The fallback would load the file once more, and print that it does.
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # its classes are those of C++, and derive of nothing in common
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not an ONNX file that can be loaded, or damaged ({said})") from None
