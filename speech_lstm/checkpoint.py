"""The model file: safetensors with everything that recognition needs in its header. No pickle is ever read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.files import atomic_path
from speech_lstm.network import Network

FORMAT_VERSION = 1  # raise it when an older program could not read a newer file
KIND = "speech-lstm model"


@dataclass(frozen=True)
class Model:
    """A network with what belongs to it: its front end's settings, its labels and how it came to be."""

    network: Network
    features: FeatureConfig
    config: NetworkConfig
    labels: tuple[str, ...]
    training: dict[str, Any] = field(default_factory=dict)


def save_model(path: Path, model: Model, weights: dict[str, Tensor] | None = None) -> None:
    """Write a model file; `weights` stands in for the network's own where an average of them is kept."""
    header = {
        "labels": list(model.labels),
        "features": model.features.to_dict(),
        "network": model.config.to_dict(),
        "training": model.training,
    }
    metadata = {"kind": KIND, "version": str(FORMAT_VERSION), "header": json.dumps(header)}
    write_tensors(path, weights or model.network.state_dict(), metadata)


def load_model(path: Path, device: str | torch.device = "cpu") -> Model:
    """Read a model file, ready to recognise; raises ModelError, in one line, for a file that isn't whole."""
    tensors, metadata = read_tensors(path, KIND, FORMAT_VERSION)
    try:
        header = json.loads(metadata["header"])
        features = FeatureConfig.from_dict(header["features"])
        config = NetworkConfig.from_dict(header["network"])
        labels = tuple(header["labels"])
        training = dict(header["training"])
        if not labels or len(set(labels)) != len(labels) or not all(isinstance(name, str) for name in labels):
            raise ConfigError("its labels are not a list of different names")
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise ModelError(f"{path}: the header of the model is damaged ({error}); train or download it anew") from None
    with torch.device("meta"):  # only shapes: a damaged header must not claim memory
        network = Network(features, config, len(labels))
    check_tensors(path, tensors, network.state_dict())
    network.load_state_dict(tensors, assign=True)
    network.requires_grad_(False)
    return Model(network.to(device).eval(), features, config, labels, training)


def check_tensors(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise ModelError unless the tensors are the expected ones by name, shape and dtype, and finite."""
    if missing := sorted(set(expected) - set(tensors)):
        raise ModelError(f"{path}: {len(missing)} weight(s) of the network are missing, such as {missing[0]}")
    if extra := sorted(set(tensors) - set(expected)):
        raise ModelError(f"{path}: {len(extra)} weight(s) that the network hasn't, such as {extra[0]}")
    for name, tensor in tensors.items():
        want = expected[name]
        if (tensor.shape, tensor.dtype) != (want.shape, want.dtype):
            raise ModelError(
                f"{path}: {name} is {describe(tensor)}, but the header describes a network with {describe(want)}"
            )
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: {name} holds values that are not numbers")


def describe(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file under a temporary name and rename it."""
    plain = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # no shared memory
    with atomic_path(path) as temporary:
        save_file(plain, temporary, metadata)


def read_tensors(path: Path, kind: str, version: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a file of this kind; raises ModelError for any other file and for newer ones."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file" if not path.exists() else f"{path}: a folder, not a model file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("kind") != kind:
                raise ModelError(f"{path}: a safetensors file, but not a {kind}")
            if not metadata.get("version", "").isdecimal() or int(metadata["version"]) > version:
                raise ModelError(
                    f"{path}: format {metadata.get('version')!r} is newer than this program (format {version}); "
                    "upgrade speech-lstm"
                )
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a {kind}, or cut off ({str(error).splitlines()[0]})") from None
