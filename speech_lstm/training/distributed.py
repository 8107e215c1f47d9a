"""Several processes that train one network, as `torchrun` starts them, or a single one."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from speech_lstm.errors import ConfigError
from speech_lstm.training.hardware import choose_device


@dataclass(frozen=True)
class Processes:
    """The number of processes that share each batch, the rank of this one and its device."""

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
        """A block that the first process runs before the others, even if it fails: then they fail too."""
        if self.count > 1 and not self.first:
            dist.barrier()
        try:
            yield
        finally:
            if self.count > 1 and self.first:
                dist.barrier()


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """The processes of this run, connected while the block lasts; read from torchrun's environment."""
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
        gc.collect()  # a network that still used the connections would end after them, and abort the process
        dist.destroy_process_group()
