"""The names in an ONNX graph of the tensors that torch computes while a cell's step is traced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from speech_lstm.export.graph import OnnxGraph

DTYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float64: TensorProto.DOUBLE,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
    torch.bool: TensorProto.BOOL,
}


class TracedValues:
    """The tensors that depend on the inputs of a step, by name; every other tensor is a constant."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.names: dict[int, str] = {}
        self.alive: list[Tensor] = []  # a tensor that is freed gives its identity to another

    def add_input(self, hint: str, tensor: Tensor) -> str:
        """Make a tensor an input of the graph; its name."""
        return self.add(tensor, self.graph.name(hint))

    def add(self, tensor: Tensor, name: str) -> str:
        self.alive.append(tensor)
        self.names[id(tensor)] = name
        return name

    def __contains__(self, tensor: Any) -> bool:
        return id(tensor) in self.names

    def name(self, item: Tensor | float | bool, dtype: torch.dtype | None = None) -> str:
        """The name of an operand, traced or constant, cast to `dtype` if that is another."""
        if not isinstance(item, Tensor):
            item = torch.tensor(item, dtype=dtype)
        if item not in self:
            array = item.detach().to(dtype or item.dtype).cpu().numpy().copy()
            large = array.dtype == np.float32 and array.ndim > 1 and min(array.shape[-2:]) > 1
            return self.graph.weight(array) if large else self.graph.constant(array)
        name = self.names[id(item)]
        return self.graph("Cast", name, to=DTYPES[dtype]) if dtype not in (None, item.dtype) else name

    def name_in_batch(self, tensor: Tensor, others: Iterable[Tensor], dtype: torch.dtype) -> str:
        """The name of a value to concatenate with others: a constant, of one recording, is expanded to the batch."""
        name = self.name(tensor, dtype)
        if tensor in self or tensor.dim() < 2:
            return name
        batch = self.graph.dim(next(self.names[id(other)] for other in others if other in self), 1)
        shape = self.graph("Concat", [1], batch, [1] * (tensor.dim() - 2), axis=0)
        return self.graph("Expand", name, shape)
