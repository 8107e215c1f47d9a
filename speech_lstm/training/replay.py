"""Training passes recorded once on a GPU, as CUDA graphs, and replayed at every step.

A cell that steps frame by frame launches thousands of small kernels for each batch, and launching one takes the
processor longer than running it takes the GPU.
"""

from __future__ import annotations

import gc
import warnings

import torch
from torch import Tensor


def record(module: torch.nn.Module, inputs: Tensor, precision: torch.dtype) -> bool:
    """Have the module, in training, replay its passes over batches of the shape of `inputs`, on a GPU.

    `inputs` [batch, …] lie on the GPU; `precision` bfloat16 records under autocast. The module is left in training,
    with its weights and buffers as they are; from then on it takes only inputs of that shape in training. What
    Python decides in a pass is decided once, in the recording. False, and nothing recorded, where a pass waits for
    the GPU, to read a number back say: that can't be recorded.
    """
    buffers = [buffer.clone() for buffer in module.buffers()]
    module.train()
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == torch.bfloat16, cache_enabled=False):
        possible = not waits(module, inputs)
        if possible:
            # A pass that is left over ties its weights to the stream that it ran on, which breaks the recording; an
            # earlier recording whose module is gone holds memory that nothing else uses.
            gc.collect()
            torch.cuda.empty_cache()
            # The recorded pass ties the weights to its own stream, of which torch would warn in training.
            torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
            torch.cuda.make_graphed_callables(module, (inputs,), allow_unused_input=True)
    for buffer, before in zip(module.buffers(), buffers, strict=True):
        buffer.copy_(before)
    return possible


def waits(module: torch.nn.Module, inputs: Tensor) -> bool:
    """Whether a pass of the module waits for the GPU: a failed recording would leave torch in a bad state."""
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
