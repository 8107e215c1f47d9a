"""Tiny models with random weights, as bytes: the corpus of the model kinds, made on the fly."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from speech_lstm.config import FeatureConfig, NetworkConfig
from speech_lstm.model.checkpoint import Model, save_model
from speech_lstm.model.network import Network

LABELS = ("yes", "no", "_unknown_", "_silence_")
FEATURES = FeatureConfig(mels=8, coefficients=4, hop_ms=25.0)
NETWORK = NetworkConfig(cell="lstm", layers=1, hidden=4, bidirectional=False, dropout=0.0)
CELLS = ("lstm", "gru", "rnn")


@cache
def model_of(cell: str) -> Model:
    """A network of few weights: the files are small, and everything in them is read."""
    torch.manual_seed(1)
    config = replace(NETWORK, cell=cell)
    network = Network(FEATURES, config, len(LABELS)).eval().requires_grad_(False)
    return Model(network, FEATURES, config, LABELS)


@cache
def model_bytes(cell: str) -> bytes:
    """The model in torch's form."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(path, model_of(cell))
        return path.read_bytes()


@cache
def exported_bytes(cell: str, streaming: bool = False) -> bytes:
    """The model in ONNX form, for whole recordings or frame by frame."""
    from speech_lstm.export.model import recording_model, stream_model

    return (stream_model if streaming else recording_model)(model_of(cell), False)
