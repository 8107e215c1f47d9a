"""The model file: safetensors with everything that recognition needs in its header. Pickle is never read."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from speech_lstm.config import DetectionConfig, FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError, ModelError, brief, foreign
from speech_lstm.files import atomic_path, to_json
from speech_lstm.model.header import Header, check_version
from speech_lstm.model.network import Network
from speech_lstm.recurrent.registry import UnknownCellError, cell_of_file

FORMAT_VERSION = 3  # raise it when an older program cannot read a newer file
KIND = "speech-lstm model"
DIGEST = "sha256"  # the entry of the metadata that is the digest of all others and of the tensors


@dataclass(frozen=True)
class Model:
    """A network with its settings, those of its front end, its labels and the facts of its training."""

    network: Network
    features: FeatureConfig
    config: NetworkConfig
    labels: tuple[str, ...]
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> Header:
        """Everything about the model but its weights."""
        return Header(self.labels, self.features, self.config, self.detection, self.training)

    @property
    def digest(self) -> str:
        """The SHA-256 of header and weights: it identifies the model that an ONNX file was exported from."""
        digest = hashlib.sha256(to_json(self.header.to_dict(), sort_keys=True).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()


def save_model(path: Path, model: Model) -> None:
    """Write a model file atomically; raises OutputError."""
    write_tensors(path, model.network.state_dict(), KIND, FORMAT_VERSION, model.header.to_dict())


def load_model(path: Path, device: str | torch.device = "cpu") -> Model:
    """Read a model file, ready to recognise; raises ModelError for a damaged or unsuitable file."""
    if path.suffix == ".onnx":
        raise ModelError(f"{path}: an ONNX file can only recognise; name the .safetensors of the network in it")
    file = read_tensors(path, KIND, FORMAT_VERSION)
    header = Header.from_dict(path, file.header)
    config = header.network
    try:
        cell_of_file(config.cell)
        with torch.device("meta"):  # only shapes: a damaged header must not allocate memory
            network = Network(header.features, config, len(header.labels))
    except UnknownCellError as error:
        raise ModelError(f"{path}: its cell {brief(config.cell)} is unknown; {error.advice}") from None
    except ConfigError as error:  # such as sizes that the cell does not allow
        raise ModelError(f"{path}: {error}") from None
    file.check(network.state_dict())
    # The tensors are views of the file; the clones do not change when the file is overwritten.
    network.load_state_dict({name: tensor.clone() for name, tensor in file.tensors.items()}, assign=True)
    network.requires_grad_(False)
    network.to(device).eval()
    return Model(network, header.features, config, header.labels, header.detection, header.training)


@dataclass(frozen=True)
class TensorFile:
    """The content of a safetensors file. Its tensors are views of it."""

    path: Path
    tensors: dict[str, Tensor]
    header: dict[str, Any]
    metadata: dict[str, str]

    def check(self, expected: dict[str, Tensor]) -> None:
        """Raise ModelError unless the tensors are the expected ones by name, shape and dtype, finite and undamaged.

        The digest comes last: only then the file's size is that of the tensors.
        """
        if missing := sorted(set(expected) - set(self.tensors)):
            raise self.error(f"{len(missing)} weight(s) of the network are missing, such as {missing[0]!r}")
        if extra := sorted(set(self.tensors) - set(expected)):
            raise self.error(f"{len(extra)} weight(s) that the network does not have, such as {brief(extra[0])}")
        for name, tensor in self.tensors.items():
            right = expected[name]
            if (tensor.shape, tensor.dtype) != (right.shape, right.dtype):
                raise self.error(
                    f"{name} is {describe(tensor)}, but the header describes a network with {describe(right)}"
                )
            if not tensor.isfinite().all():
                raise self.error(f"{name} holds values that are not numbers")
        if self.metadata.get(DIGEST, "") not in ("", digest_of(self.metadata, self.tensors)):  # older files have none
            raise self.error("it was damaged or changed after it was written; restore a copy of it")

    def error(self, text: str) -> ModelError:
        return ModelError(f"{self.path}: {text}")


def describe(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def digest_of(metadata: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """The SHA-256 of metadata and tensors: a seal against damage."""
    digest = hashlib.sha256()
    for key in sorted(metadata.keys() - {DIGEST}):
        digest.update(json.dumps([key, metadata[key]]).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, describe(tensor)]).encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], kind: str, version: int, header: dict[str, Any]) -> None:
    """Write a safetensors file atomically; raises OutputError."""
    plain = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # no shared memory
    metadata = {"kind": kind, "version": str(version), "header": to_json(header)}
    # Written here, not by safetensors, whose error for a full disk is not an OSError.
    content = save(plain, metadata | {DIGEST: digest_of(metadata, plain)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path, kind: str, version: int) -> TensorFile:
    """A file of this kind; raises ModelError for any other file and for newer ones.

    The tensors are views of the file, so a false size in it takes no memory until it is used.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"{path}: not a file; name a {kind}")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("kind") != kind:
                raise ModelError(f"{path}: a safetensors file, but not a {kind}")
            check_version(path, metadata.get("version", ""), version)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata["header"])
        if not isinstance(header, dict):
            raise ValueError("not an object")
        return TensorFile(path, tensors, header, metadata)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the header is damaged ({foreign(error)})") from None
    except (SafetensorError, OSError, RuntimeError) as error:  # RuntimeError: too large to be mapped
        raise ModelError(f"{path}: not a {kind}, or truncated ({foreign(error)})") from None
