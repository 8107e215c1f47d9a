"""The weights of one model in the form that each way of `peers.py` reads.

python scripts/prepare_peers.py FOLDER [MODEL]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from speech_lstm.audio.mfcc import fft_length
from speech_lstm.export.graph import OnnxGraph
from speech_lstm.export.model import recording_model, value_info
from speech_lstm.export.network import StreamState, array, write_head, write_pooling, write_stack
from speech_lstm.model.checkpoint import save_model
from speech_lstm.model.network import Network
from speech_lstm.recognition.recognizer import load
from speech_lstm.recurrent.stack import Stack


def prepare(folder: Path, file: Path | None) -> None:
    """The same weights as a model file, as ONNX files and for the network in plain torch."""
    model = load(file).model
    config, network, features = model.config, model.network, model.features
    if (config.cell, config.pooling, config.normalise, features.kind) != ("lstm", "attention", "batch", "mfcc"):
        sys.exit("the peers need an LSTM on normalised MFCC with attention, like the bundled model")
    save_model(folder / "model.safetensors", model)
    (folder / "model.onnx").write_bytes(recording_model(model))
    (folder / "model.int8.onnx").write_bytes(recording_model(model, int8=True))
    write_parts(folder, network, features.size)
    facts = {
        "labels": list(model.labels),
        "size": features.size,
        "hidden": config.layer_sizes[0],
        "layers": network.stack.depth,
        "heads": config.heads,
        "bidirectional": config.bidirectional,
        "mels": features.mels,
        "low": features.low_hz,
        "high": features.high_hz,
        "window": features.window,
        "hop": features.hop,
        "fft": fft_length(features),
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


@torch.no_grad()
def write_parts(folder: Path, network: Network, size: int) -> None:
    """The network alone in float32 and its recurrent layers alone in int8 as ONNX files, and its weights by the names
    of torch's own modules."""
    normalise, features = network.normalise, value_info("features", ("batch", "frames", size))
    scale = array(normalise.weight * torch.rsqrt(normalise.variance + normalise.epsilon))
    shift = array(normalise.bias) - array(normalise.mean) * scale
    alone, layers = OnnxGraph(), OnnxGraph(int8=True)
    hidden = write_stack(alone, alone("Add", alone("Mul", "features", scale), shift), network.stack, StreamState())
    logits = value_info(write_head(alone, write_pooling(alone, hidden, network), network), ("batch", None))
    (folder / "network.onnx").write_bytes(alone.model("network", [features], [logits], {}).SerializeToString())
    hidden = value_info(write_stack(layers, "features", network.stack, StreamState()), ("batch", "frames", None))
    (folder / "layers.int8.onnx").write_bytes(layers.model("layers", [features], [hidden], {}).SerializeToString())
    weights = {f"lstm.{name}": value for name, value in lstm_weights(network.stack)}
    weights |= {f"attention.{name}": value for name, value in network.pooling.score.state_dict().items()}
    weights |= {f"head.{name}": value for name, value in network.head.state_dict().items()}
    torch.save(weights | {"scale": torch.from_numpy(scale), "shift": torch.from_numpy(shift)}, folder / "plain.pt")


def lstm_weights(stack: Stack) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of a stack of LSTM by the names that torch.nn.LSTM gives them."""
    for i in range(stack.depth):
        layer = stack.layer(i)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for j, weight in enumerate(layer.torch_weights()):
            yield f"{kinds[j % 4]}_l{i}{'_reverse' if j >= 4 else ''}", weight.detach().clone()


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
