"""One frame of a layer in one direction as ONNX nodes: the products of its input, then the step of its cell.

The step is traced as for an export. What it passes to its tap becomes a node of its own, so that the page can show it
and set it by hand; recurrent products are noted by the names of their weights.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_lstm.export.graph import OnnxGraph
from speech_lstm.export.loop import frame_width, input_products
from speech_lstm.export.tracer import StepTracer
from speech_lstm.export.values import TracedValues
from speech_lstm.recurrent.cell import Frame, Matrix, Product, Weights
from speech_lstm.recurrent.layer import Layer

HOLD = "Hold"  # the node of a value that the tap sees


class FrameTrace:
    """The nodes of one frame of a layer in one direction, and what their inputs and outputs mean."""

    def __init__(self, layer: Layer, direction: int) -> None:
        self.layer, self.direction = layer, direction
        self.graph = OnnxGraph()
        self.values = TracedValues(self.graph)
        self.parts: dict[str, str] = {}  # a recurrent product's name → the name of its weights
        self.vectors: dict[str, tuple[str, NDArray[np.float32]]] = {}  # name of an input → its weights
        self.holds: list[tuple[str, str]] = []  # gate and the name of its value
        self.record()

    @torch.no_grad()
    def record(self) -> None:
        """Write the nodes: the input's products as the export has them, then the cell's step, then the holds."""
        layer, cell, values = self.layer, self.layer.cell, self.values
        inputs = layer.front.shape[-1] if layer.front is not None else layer.input.shape[-1]
        self.x = self.graph.name("x")
        self.width = inputs * cell.bands
        xs = input_products(self.graph, layer, self.x, self.direction)
        self.products = len(self.graph.nodes)  # the nodes that belong to the input
        x = layer.input.new_zeros(1, 1, frame_width(layer))
        values.add(x, xs)
        index, below = torch.zeros((), dtype=torch.int64), None
        self.index, self.below = values.add_input("index", index), ""
        if cell.below:
            below = layer.input.new_zeros(1, 1, cell.hidden)
            self.below = values.add_input("below", below)
        state = tuple(part.clone() for part in cell.start(1, 1, layer.input))
        self.start = [part.numpy().copy() for part in state]
        self.before = [values.add_input("before", part) for part in state]
        weights = self.weights()
        with StepTracer(values, cell.name):
            after = cell.step(Frame(x, below, index, self.tap), state, weights)
            after = tuple(self.tap(name, part) for name, part in zip(cell.state, after, strict=True))
        self.after = [values.name(part) for part in after]

    def weights(self) -> Weights:
        """The weights of this direction; the products are noted by name, the vectors are inputs."""
        products: dict[str, Product] = {}
        vectors: dict[str, Tensor] = {}
        for name, spec in self.layer.specs.items():
            whole = self.layer.cell.constrain(name, self.layer.get_parameter(name))
            weight = whole[self.direction : self.direction + 1].clone()
            if isinstance(spec, Matrix):
                products[name] = self.product(name, weight.transpose(1, 2))
            else:
                vectors[name] = weight[:, None].clone()
                self.vectors[self.values.add_input("vector", vectors[name])] = name, vectors[name].numpy()
        return Weights(products, vectors)

    def product(self, name: str, transposed: Tensor) -> Product:
        """A recurrent product whose node is noted."""

        def times(x: Tensor, h: Tensor) -> Tensor:
            result = torch.bmm(h, transposed)
            self.parts[self.values.name(result)] = name
            return x + result

        return times

    def tap(self, name: str, value: Tensor) -> Tensor:
        """The value, which the engine can set by hand."""
        held = value.clone()
        self.holds.append((name, self.graph(HOLD, self.values.name(value))))
        self.values.add(held, self.holds[-1][1])
        return held
