"""A whole training run: from a folder of recordings to a folder with the best model and its summary."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.config import UNKNOWN, Config
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.corpus.task import task_of
from speech_lstm.errors import printable
from speech_lstm.model.sizing import match_parameters, parameter_count
from speech_lstm.training.batches import Batches
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes, processes
from speech_lstm.training.hardware import keep_freed_memory
from speech_lstm.training.run_folder import RunFolder
from speech_lstm.training.trainer import Stopped, Trainer

LEAST_STEPS, LEAST_BATCH = 4, 4  # of an epoch that has fewer recordings than a batch


def train(config: Config, data: Path, out: Path, resume: bool = False, progress: bool = True) -> dict[str, Any]:
    """Train on the corpus in `data` and write everything to `out`; returns the summary that is written there.

    Raises SpeechLSTMError for settings, recordings or folders that cannot be used, and `trainer.Stopped`,
    with everything saved, when the user interrupts.
    """
    keep_freed_memory()
    folder = RunFolder(out)
    with processes(config.training.device) as group, folder.locked() if group.first else nullcontext():
        return train_in(group, folder, config, data, resume, progress)


def train_in(
    group: Processes, folder: RunFolder, config: Config, data: Path, resume: bool, progress: bool
) -> dict[str, Any]:
    """Train in one of the processes; what it has of PyTorch's connections is gone when it returns."""
    console = Console(quiet=not (group.first and progress))
    folder.check_free(resume)
    group.rows(config.training.batch)  # raises for a batch that does not divide, before the recordings are read
    parameter_count(config.features, config.network, 1)  # and for an impossible network
    with group.in_turn():  # the first process reads the recordings, the others map its cache
        recordings = read_recordings(config.corpus, data, not console.quiet)
    for note in recordings.notes:
        console.say(f"note: {note}")
    config = fit_batch(config, recordings, group, console)
    trainer = Trainer(config, recordings, group, folder, console)
    describe(trainer, recordings)
    if resume:
        trainer.load_state()
    elif group.first:
        folder.begin(config, data)
    try:
        trainer.run()
    except Stopped:
        if group.first and trainer.progress.history:
            folder.draw(trainer.progress.history)
        raise
    summary = {
        "best_epoch": trainer.progress.best_epoch,
        "best_validation_accuracy": trainer.progress.best[0],
        "epochs": len(trainer.progress.history),
        "parameters": trainer.network.parameter_count,
        "labels": list(recordings.task.labels),
        "model": str(folder.path("best.safetensors")),
        "history": trainer.progress.history,
    }
    if group.first:
        folder.end(summary)
    return summary


def fit_batch(config: Config, recordings: Recordings, group: Processes, console: Console) -> Config:
    """The settings with a smaller batch, for a single process whose epoch has fewer recordings than a batch."""
    one = replace(config, training=replace(config.training, batch=1))
    count, batch = Batches(recordings, one, torch.device("cpu")).count, config.training.batch
    if batch <= count or group.count > 1:
        return config
    size = max(min(LEAST_BATCH, count), 2 ** math.floor(math.log2(count / LEAST_STEPS)))
    console.say(f"note: a batch of {size} instead of {batch}, as an epoch has only {count} recordings")
    return replace(config, training=replace(config.training, batch=size))


def describe(trainer: Trainer, recordings: Recordings) -> None:
    """Print what is trained on, what is scored, and the network."""
    config, batches, say = trainer.config, trainer.batches, trainer.console.say
    labels = recordings.task.labels
    say(f"training: {label_counts(labels, recordings.examples.label)}")
    counts = {
        "commands": len(batches.commands) + batches.extra_count,
        "unknown": batches.unknown_count,
        "silence": batches.silence_count,
    }
    of_streams = {
        "seconds of speech": batches.speech_count,
        "commands within speech": batches.in_speech_count,
        "cut off": batches.cut_count,
    }
    counts |= {name: count for name, count in of_streams.items() if count}
    say("each epoch: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    if UNKNOWN in labels and not any(counts[name] for name in ("unknown", *of_streams) if name in counts):
        say(
            "note: there is no other speech, so everything that is said will be taken for a command: name a folder "
            f"of other words with --extra DIR --unknown 100, or use `speech-lstm teach --from "
            f"{printable(recordings.corpus.root)}`"
        )
    for note in trainer.teachers.notes:
        say(note)
    say(f"validation: {label_counts(labels, recordings.validation.truth)}")
    say(
        f"{config.network.cell} layers of {', '.join(map(str, config.network.layer_sizes))} units: "
        f"{trainer.network.parameter_count:,} parameters, {trainer.precision} on {trainer.device}, "
        f"{batches.steps} steps of {batches.size} recordings an epoch"
    )


def label_counts(labels: tuple[str, ...], truth: NDArray[np.int64]) -> str:
    """The number of recordings of each label, in one line."""
    counts = np.bincount(truth, minlength=len(labels))
    return ", ".join(f"{label} {count:,}" for label, count in zip(labels, counts, strict=True))


def match_budget(config: Config, data: Path, budget: int) -> Config:
    """The settings with the hidden size that brings the network nearest to `budget` parameters.

    Raises ConfigError if no size is near.
    """
    labels = task_of(config.corpus.labels, scan(data, config.corpus.strict)).labels
    return replace(config, network=match_parameters(config.features, config.network, len(labels), budget))
