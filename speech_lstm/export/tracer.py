"""A cell's own step, written down as ONNX nodes while torch runs it once.

torch breaks every function down to a small set of operators of its library ATen before it computes; each of those
that touches a recorded value becomes a node here. So a cell needs no code of its own, one from outside included.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from speech_lstm.errors import ConfigError
from speech_lstm.export.graph import Graph
from speech_lstm.export.operators import WRITERS, Call, flat

DTYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float64: TensorProto.DOUBLE,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
    torch.bool: TensorProto.BOOL,
}
# Operators that make a new tensor of the shape of another, whose values they don't read.
FRESH = frozenset(
    ["zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"]
)


class Recorder(TorchDispatchMode):
    """Inside `with`, what is computed of the values in `names` is written into `graph`.

    It is run with a batch of one; the nodes hold for any. Raises ConfigError for an operator it has no node for.
    """

    def __init__(self, graph: Graph, cell: str) -> None:
        super().__init__()
        self.graph, self.cell = graph, cell
        self.names: dict[int, str] = {}
        self.alive: list[Tensor] = []  # so that no other tensor gets the identity of one that is named

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, which takes seconds and isn't used here

    def value(self, hint: str, example: Tensor) -> str:
        """Make a tensor a value that is recorded; its name."""
        return self.let(example, self.graph.name(hint))

    def let(self, tensor: Tensor, name: str) -> str:
        self.alive.append(tensor)
        self.names[id(tensor)] = name
        return name

    def known(self, tensor: Any) -> bool:
        return id(tensor) in self.names

    def name(self, item: Tensor | float | bool, dtype: torch.dtype | None = None) -> str:
        """The name of an operand: of a recorded value, or of a constant; cast to `dtype` where that is another."""
        if not isinstance(item, Tensor):
            item = torch.tensor(item, dtype=dtype)
        if not self.known(item):
            array = item.detach().to(dtype or item.dtype).cpu().numpy().copy()
            large = array.dtype == np.float32 and array.ndim > 1 and min(array.shape[-2:]) > 1
            return self.graph.weight(array) if large else self.graph.constant(array)
        name = self.names[id(item)]
        return self.graph("Cast", name, to=DTYPES[dtype]) if dtype not in (None, item.dtype) else name

    def laid_out(self, tensor: Tensor, beside: Iterable[Tensor], dtype: torch.dtype) -> str:
        """The name of a value that stands beside others: a constant, of one recording, is laid out for all."""
        name = self.name(tensor, dtype)
        if self.known(tensor) or tensor.dim() < 2:
            return name
        batch = self.graph.dim(next(self.names[id(other)] for other in beside if self.known(other)), 1)
        shape = self.graph("Concat", [1], batch, [1] * (tensor.dim() - 2), axis=0)
        return self.graph("Expand", name, shape)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        kind = func.overloadpacket.__name__
        if kind in FRESH or not any(map(self.known, flat([*args, *(kwargs or {}).values()]))):
            return out
        write = WRITERS.get(kind.removesuffix("_"))
        if write is None:
            raise ConfigError(
                f"the step of the cell {self.cell!r} uses torch's {kind!r}, which can't be exported; "
                "write it with other operations"
            )
        call = Call(self, out, args, kwargs or {})
        names = write(call)
        outs = [out] if isinstance(out, Tensor) else [*out]
        for tensor, name in zip(outs, [names] if isinstance(names, str) else names, strict=False):
            self.let(tensor, name)
        return out
