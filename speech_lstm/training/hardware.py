"""What training takes from the machine: the device, its precision, and how the C library handles freed memory."""

from __future__ import annotations

import ctypes
import platform

import torch

from speech_lstm.errors import ConfigError

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = (1 << 31) - 1  # free bytes that the process keeps; the largest int
LARGEST = (1 << 30, 1 << 25)  # bytes, larger blocks come from the system as before; old versions reject the first


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of a setting auto, cpu, cuda or cuda:N; raises ConfigError if there is none.

    A GPU becomes the current one, and float32 stays float32 on it: cuDNN would round it to TF32, 10 bits of
    mantissa, in the cells that it computes, and only in these.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from None
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise ConfigError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = local_rank if device.index is None else device.index
    if device.index is None and index >= count > 0:
        raise ConfigError(f"process {index + 1} has no GPU, torch sees {count}; start {count}, or use --device cpu")
    if index >= count:
        raise ConfigError(f"device {name} does not exist: torch sees {count} GPU(s); use --device cpu or auto")
    torch.cuda.set_device(index)  # otherwise NCCL and CUDA graphs use the first GPU
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", index)


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """The precision of a setting; auto is bfloat16 if the hardware computes it, else float32."""
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    abilities = torch.cpu.get_capabilities()
    fast = abilities.get("avx512_bf16") or abilities.get("amx_bf16") or abilities.get("bf16")
    return torch.bfloat16 if fast else torch.float32


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, for the next step; True if that could be set.

    A training step allocates and frees some hundred megabytes. By default glibc returns large blocks to the system
    at once, and allocating them again costs a page fault for every 4 KiB: forward and backward of the default network
    took 0.27 s without this and 0.17 s with it (batch of 128, 49 frames, bfloat16, one thread of an AMD EPYC).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    taken = any(library.mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST)
    return taken and bool(library.mallopt(M_TRIM_THRESHOLD, KEPT))
