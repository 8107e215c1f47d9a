"""Everything a run needs to go on as if it had not been stopped, in one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_lstm.checkpoint import read_tensors, write_tensors
from speech_lstm.errors import ModelError

KIND, VERSION = "speech-lstm training state", 1


@dataclass
class Progress:
    """How far a run has come. The random numbers of a step follow from the seed and `step`, so they aren't kept."""

    step: int = 0
    loss_sum: float = 0.0  # over the steps of the epoch under way
    seconds: float = 0.0  # spent on the epoch under way
    history: list[dict[str, float]] = field(default_factory=list)  # one entry for each epoch
    best_epoch: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, then −loss: larger is better


def save_state(
    path: Path,
    network: torch.nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    config: dict[str, Any],
) -> None:
    """Write the state of a run."""
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in values.items()}
    header = {"progress": asdict(progress), "config": config}
    write_tensors(path, tensors, {"kind": KIND, "version": str(VERSION), "header": json.dumps(header)})


def load_state(
    path: Path,
    network: torch.nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    config: dict[str, Any],
) -> Progress:
    """Put the state of a run back; raises ModelError where the file is damaged or of other settings."""
    tensors, metadata = read_tensors(path, KIND, VERSION)
    try:
        header = json.loads(metadata["header"])
        for group, settings in header["config"].items():
            for name, value in settings.items():
                if config[group][name] != value:
                    raise ModelError(
                        f"{path}: the run was started with {name} = {value!r}, not {config[group][name]!r}; "
                        "resume with the same settings, or start a new run in another folder"
                    )
        groups: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = tensor
        network.load_state_dict(groups["network"])
        for name, tensor in average.items():
            tensor.copy_(groups["average"][name])
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups["optimizer"].items():
            index, _, value = name.partition("/")
            state.setdefault(int(index), {})[value] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        progress = Progress(**header["progress"])
        progress.best = (progress.best[0], progress.best[1])
        return progress
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: the training state is damaged ({reason}); start the run anew") from None
