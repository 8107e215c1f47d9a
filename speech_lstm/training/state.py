"""What a run starts from: its saved state in one safetensors file, or the weights of another model."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from speech_lstm.config import Config
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.model.checkpoint import load_model, read_tensors, write_tensors
from speech_lstm.model.network import Network
from speech_lstm.training.carrying import CarriedStates

KIND, VERSION = "speech-lstm training state", 2
CONTENT = {  # the digests of what a run reads, and the beginning of what is said of another one
    "corpus": "the recordings have",
    "sound": "the sound of recordings has",
    "teachers": "the files of the teachers have",
}
ADDED = {"train_accuracy"}  # what earlier versions did not write
ENTRY = {  # the facts of an epoch
    *("epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate", "clips_per_second"),
    *ADDED,
}


@dataclass
class RunProgress:
    """How far a run has come. The random numbers of a step follow from the seed and `step`, so they are not saved."""

    step: int = 0
    loss_sum: float = 0.0  # over the steps of the current epoch
    accuracy_sum: float = 0.0  # on the augmented clips of these steps
    seconds: float = 0.0  # spent on the current epoch
    history: list[dict[str, float]] = field(default_factory=list)  # one entry for each epoch
    best_epoch: int = 0
    best: tuple[float, float] = (-1.0, 0.0)  # validation accuracy, then −loss: larger is better

    def add(self, entry: dict[str, float]) -> None:
        """Count a finished epoch."""
        self.history.append(entry)
        merit = entry["validation_accuracy"], -entry["validation_loss"]
        if merit > self.best:
            self.best, self.best_epoch = merit, len(self.history)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The progress in the header of a file; raises ValueError, KeyError or TypeError if it cannot be one."""
        step, history = values["step"], values["history"]
        accuracy_sum = number(values.get("accuracy_sum", 0.0))
        progress = cls(step, number(values["loss_sum"]), accuracy_sum, number(values["seconds"]))
        if type(step) is not int or step < 0 or not isinstance(history, list):
            raise ValueError("a progress that no run has")
        for epoch, entry in enumerate(history, 1):
            if not isinstance(entry, dict) or set(entry) | ADDED != ENTRY or entry["epoch"] != epoch:
                raise ValueError("a history that no run has")
            progress.add({name: number(value) for name, value in entry.items()})
        if (progress.best_epoch, list(progress.best)) != (values["best_epoch"], values["best"]):
            raise ValueError("a best epoch that is not the best of its history")
        return progress


@dataclass
class State:
    """Everything that a run needs to continue as if it had not stopped."""

    network: torch.nn.Module
    average: torch.nn.Module
    optimizer: torch.optim.Optimizer
    progress: RunProgress
    config: dict[str, Any]
    corpus: str  # digest of what is trained on and scored
    sound: str = ""  # digest of the samples
    teachers: str = ""  # digest of the files of the teachers
    carried: CarriedStates | None = None

    def save(self, path: Path) -> None:
        """Write the state atomically; raises OutputError."""
        tensors = with_group("network", self.network.state_dict()) | with_group("average", self.average.state_dict())
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= with_group(f"optimizer/{index}", values)
        if self.carried is not None:
            tensors |= with_group("carried", self.carried.tensors())
        header = {"progress": asdict(self.progress), "config": self.config}
        header |= {name: getattr(self, name) for name in CONTENT}
        write_tensors(path, tensors, KIND, VERSION, header)

    def load(self, path: Path) -> None:
        """Restore the state; raises ModelError if the file is damaged, or of other settings or recordings."""
        file = read_tensors(path, KIND, VERSION)
        tensors, header = file.tensors, file.header
        try:
            self.check_same(path, header)
            progress = RunProgress.from_dict(header["progress"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, str(error)) from None
        file.check(self.expected())
        for name, values in tensors.items():
            part = name.rpartition("/")[2] if name.startswith("optimizer/") else ""
            # AdamW divides by what follows from its count of steps, and by the root of the mean square.
            if (part == "step" and values != progress.step) or (part == "exp_avg_sq" and (values < 0).any()):
                raise damaged(path, f"{name} is impossible after {progress.step} steps")
        self.progress = progress
        self.network.load_state_dict(group_of("network", tensors))
        self.average.load_state_dict(group_of("average", tensors))
        if self.carried is not None:
            self.carried.load(group_of("carried", tensors))
        state = {i: group_of(f"optimizer/{i}", tensors) for i in range(len(self.parameters()))}
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})

    def check_same(self, path: Path, header: dict[str, Any]) -> None:
        """Raise ModelError unless the run was started with these settings, recordings and teachers.

        What a state of an earlier version does not have is taken as the same, a setting as its default.
        """
        for group, settings in self.config.items():
            before = Config.GROUPS[group]().to_dict() | header["config"][group]
            for name, value in settings.items():
                if before[name] != value:
                    raise ModelError(
                        f"{path}: the run was started with {name} = {before[name]!r}, not {value!r}; "
                        "resume with the same settings (--config takes its config.toml), or start in another folder"
                    )
        for name, changed in CONTENT.items():
            if header.get(name, getattr(self, name)) != getattr(self, name):
                raise ModelError(
                    f"{path}: {changed} changed since the run was started; "
                    "restore them, or start a new run in another folder"
                )

    def parameters(self) -> list[Tensor]:
        """The optimised parameters, in the optimiser's order."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def expected(self) -> dict[str, Tensor]:
        """Tensors of the names, shapes and dtypes that `save` writes."""
        tensors = with_group("network", self.network.state_dict()) | with_group("average", self.average.state_dict())
        for index, parameter in enumerate(self.parameters()):
            values = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}  # AdamW's
            tensors |= with_group(f"optimizer/{index}", values)
        return tensors | with_group("carried", self.carried.tensors() if self.carried is not None else {})


def number(value: Any) -> float:
    """A finite number of a header; raises ValueError for anything else."""
    if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:  # NaN is not below anything
        raise ValueError(f"{value!r:.40} is not a number")
    return value


def damaged(path: Path, reason: str) -> ModelError:
    """The error for a state that no run has written."""
    return ModelError(f"{path}: the training state is damaged ({reason}); start the run again")


def with_group(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the name of their group."""
    return {f"{group}/{name}": tensor for name, tensor in tensors.items()}


def group_of(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors of a group, under their own names; see `with_group`."""
    start = f"{group}/"
    return {name.removeprefix(start): tensor.clone() for name, tensor in tensors.items() if name.startswith(start)}


def start_from(path: Path, network: Network, config: Config, labels: tuple[str, ...]) -> None:
    """Load the weights of a model file into a network; raises ModelError, and ConfigError for another network."""
    model = load_model(path)
    network_config = replace(model.config, dropout=config.network.dropout)  # no weight depends on the dropout
    if (model.features, network_config) != (config.features, config.network):
        raise ConfigError(
            f"start: {path} has other features or another network than this run; pass the config.toml of its "
            "run with --config"
        )
    weights = model.network.state_dict()
    if model.labels != labels:
        weights = {name: weight for name, weight in weights.items() if not name.startswith("head.")}
    network.load_state_dict(weights, strict=False)
