"""A cell's own step as ONNX nodes, written while torch runs it once.

torch breaks every function down to a small set of operators of its library ATen before it computes; each of those
that uses a traced value becomes a node here. So a cell needs no code for its export, a user's own cell included.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speech_lstm.errors import ConfigError
from speech_lstm.export.operators import WRITERS, Call
from speech_lstm.export.values import TracedValues

# Operators that make a new tensor of the shape of another and do not read its values.
FRESH = frozenset(
    ["zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"]
)


class StepTracer(TorchDispatchMode):
    """Inside `with`, what is computed from traced values is written into their graph.

    The step runs with a batch of one; the nodes hold for any. Raises ConfigError for an operator without a node.
    """

    def __init__(self, values: TracedValues, cell: str) -> None:
        super().__init__()
        self.values, self.cell = values, cell

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its compiler, which takes seconds and is not used here

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        operator = func.overloadpacket.__name__
        if operator in FRESH or not any(item in self.values for item in tree_leaves((args, kwargs))):
            return out
        write = WRITERS.get(operator.removesuffix("_"))
        if write is None:
            raise ConfigError(
                f"the step of the cell {self.cell!r} uses torch's {operator!r}, which cannot be exported; "
                "write it with other operations"
            )
        names = write(Call(self.values, self.cell, out, args, kwargs or {}))
        outs = [out] if isinstance(out, Tensor) else [*out]
        for tensor, name in zip(outs, [names] if isinstance(names, str) else names, strict=False):
            self.values.add(tensor, name)
        return out
