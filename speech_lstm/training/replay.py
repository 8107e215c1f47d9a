"""Training passes captured once as CUDA graphs and replayed at every step.

A cell that steps frame by frame launches thousands of small kernels for each batch, and launching one takes the
processor longer than running it takes the GPU.
"""

from __future__ import annotations

import gc
import warnings

import torch
from torch import Tensor


def capture(module: torch.nn.Module, inputs: Tensor, precision: torch.dtype) -> bool:
    """Make the module replay its training passes over batches of the shape of `inputs`, on a GPU.

    `inputs` [batch, …] are on the GPU; with `precision` bfloat16 the capture is under autocast. The module stays in
    training mode, with the same weights and buffers; from then on it takes only inputs of that shape in training.
    Python's decisions in a pass are fixed by the capture. Returns False, without a capture, if a pass waits for the
    GPU, for example to read a number back: that cannot be captured.
    """
    buffers = [buffer.clone() for buffer in module.buffers()]
    module.train()
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == torch.bfloat16, cache_enabled=False):
        possible = not waits(module, inputs)
        if possible:
            # The graph of an earlier pass binds its weights to the stream that it ran on, which breaks the capture.
            # An earlier capture whose module is gone holds memory that nothing else uses.
            gc.collect()
            torch.cuda.empty_cache()
            # The captured pass binds the weights to its own stream, about which torch would warn in training.
            torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
            torch.cuda.make_graphed_callables(module, (inputs,), allow_unused_input=True)
    for buffer, before in zip(module.buffers(), buffers, strict=True):
        buffer.copy_(before)
    return possible


def waits(module: torch.nn.Module, inputs: Tensor) -> bool:
    """Whether a pass of the module waits for the GPU. A failed capture would leave torch in a bad state."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")
    try:
        torch.autograd.grad(module(inputs).sum(), weights, allow_unused=True)
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    return False
