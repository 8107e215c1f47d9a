"""The kinds of input by their names."""

from __future__ import annotations

from importlib import import_module

from fuzzing.kind import Kind

CLASSES = {
    "audio": "fuzzing.recordings:Audio",
    "model": "fuzzing.tensor_files:Models",
    "onnx": "fuzzing.onnx_graphs:Graphs",
    "archive": "fuzzing.archives:Archives",
    "state": "fuzzing.states:States",
    "stream": "fuzzing.streams:Streams",
}


def kind_of(name: str) -> Kind:
    """A kind by its name; what it needs is only then imported."""
    module, _, name = CLASSES[name].partition(":")
    kind: Kind = getattr(import_module(module), name)()
    return kind
