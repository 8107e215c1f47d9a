"""Several processes that train one network, as `torchrun` starts them; one process is the plain case."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from speech_lstm.errors import ConfigError


@dataclass(frozen=True)
class Processes:
    """How many processes share each batch, which one this is, and the device it computes on."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """This process's rows of a batch; raises ConfigError unless all get as many."""
        if batch % self.count:
            raise ConfigError(f"batch is {batch}, which {self.count} processes cannot share equally")
        part = batch // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def total(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def same(self, value: Tensor) -> Tensor:
        """The first process's value of a tensor, in every process."""
        if self.count > 1:
            dist.broadcast(value, 0)
        return value

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """A block that the first process goes through before the others, also where it fails: so will they."""
        if self.count > 1 and not self.first:
            dist.barrier()
        try:
            yield
        finally:
            if self.count > 1 and self.first:
                dist.barrier()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of a setting auto, cpu, cuda or cuda:N; raises ConfigError where it isn't there.

    A GPU is the current one from then on, and float32 is float32 there: cuDNN would shorten it to TF32, 10 bits of
    mantissa, in the cells that it computes, and only there.
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
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = local_rank if device.index is None else device.index
    if device.index is None and index >= found > 0:
        raise ConfigError(f"process {index + 1} has no GPU, torch sees {found}; start {found}, or use --device cpu")
    if index >= found:
        raise ConfigError(f"device {name} asked for, but torch sees {found} GPU(s); use --device cpu or auto")
    torch.cuda.set_device(index)  # NCCL and recordings take the first GPU otherwise
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", index)


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """The processes of this run, joined while the block lasts; read from torchrun's environment."""
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    if chosen.type == "cuda":
        dist.init_process_group("nccl", device_id=chosen)
    else:
        dist.init_process_group("gloo")
    try:
        yield Processes(rank, count, chosen)
    finally:
        dist.destroy_process_group()
