"""A whole training run: from a folder of recordings to a folder with the best model and its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.config import Config, CorpusConfig
from speech_lstm.corpus.clip_cache import Memory, load_memory
from speech_lstm.corpus.noise import training_noise
from speech_lstm.corpus.speech_commands import Corpus, Task, scan, task_of
from speech_lstm.model.sizing import match_parameters, parameter_count
from speech_lstm.training.allocator import keep_freed_memory
from speech_lstm.training.batches import Batches, Examples, training_examples
from speech_lstm.training.distributed import Processes, processes
from speech_lstm.training.run_folder import STATE, Record
from speech_lstm.training.scoring import ScoredSet, label_counts, scored_set
from speech_lstm.training.trainer import Material, Trainer


def train(config: Config, data: Path, out: Path, resume: bool = False, progress: bool = True) -> dict[str, Any]:
    """Train on the corpus in `data` and leave everything in `out`; returns the summary that is written there.

    Raises SpeechLSTMError for settings, recordings or folders that can't be used, and `trainer.Stopped`,
    with everything saved, when the user interrupts.
    """
    keep_freed_memory()
    with processes(config.training.device) as group:
        record = Record(out, quiet=not (group.first and progress))
        record.check_free(resume)
        group.share(config.training.batch)  # refuses what can't be shared before the recordings are read
        parameter_count(config.features, config.network, 1)  # and what can't be a network
        material = prepare(config, data, group, record)
        trainer = Trainer(config, material, group, record)
        network = trainer.network
        units = ", ".join(map(str, config.network.layer_sizes))
        record.say(
            f"{config.network.cell} layers of {units} units: {network.parameter_count:,} parameters, "
            f"{trainer.precision} on {trainer.device}, "
            f"{material.batches.steps} steps of {config.training.batch} recordings an epoch"
        )
        if resume:
            trainer.state.load(record.path(STATE))
        elif group.first:
            record.begin(config, data)
        trainer.run()
        summary = {
            "best_epoch": trainer.progress.best_epoch,
            "best_validation_accuracy": trainer.progress.best[0],
            "epochs": len(trainer.progress.history),
            "parameters": network.parameter_count,
            "labels": list(material.task.labels),
            "model": str(record.path("best.safetensors")),
            "history": trainer.progress.history,
        }
        if group.first:
            record.end(summary)
        return summary


def matched(config: Config, data: Path, budget: int) -> Config:
    """The settings with the hidden size that brings the network nearest to `budget` parameters.

    Raises ConfigError where none comes near.
    """
    labels = task_of(config.corpus.labels, scan(data, config.corpus.strict)).labels
    return replace(config, network=match_parameters(config.features, config.network, len(labels), budget))


@dataclass(frozen=True)
class Recordings:
    """A corpus in memory: what any number of runs of one task learn from and are judged by."""

    corpus: Corpus
    memory: Memory
    task: Task
    examples: Examples
    validation: ScoredSet
    noise: NDArray[np.float32]  # [samples]

    def material(self, config: Config, device: torch.device) -> Material:
        """What one run of these settings is given."""
        settings = config.training
        batches = Batches(self.examples, self.task, config.corpus, settings.batch, settings.seed, device)
        return Material(self.task, batches, torch.from_numpy(self.noise).to(device), self.validation)


def read_recordings(config: CorpusConfig, data: Path, group: Processes, record: Record) -> Recordings:
    """Read the corpus and choose what is trained on and what is scored."""
    corpus = scan(data, config.strict)
    task = task_of(config.labels, corpus)
    with group.in_turn():  # the first process reads the recordings, the others find its copy
        names = [clip.name for clip in corpus.clips]
        memory = load_memory(data, names, not record.quiet, config.strict)
        examples = training_examples(corpus, memory, task, config, not record.quiet)
    for note in [*corpus.notes, *memory.notes, *examples.notes]:
        record.say(f"note: {note}")
    validation = scored_set(corpus, memory, task, "validation")
    return Recordings(corpus, memory, task, examples, validation, training_noise(corpus))


def prepare(config: Config, data: Path, group: Processes, record: Record) -> Material:
    """The material of a run, saying what was found."""
    recordings = read_recordings(config.corpus, data, group, record)
    material = recordings.material(config, group.device)
    labels, batches = material.task.labels, material.batches
    record.say(f"training: {label_counts(labels, recordings.examples.label)}")
    record.say(
        f"each epoch: {len(batches.commands) + batches.extra_count:,} commands, {batches.unknown_count:,} unknown, "
        f"{batches.silence_count:,} silence"
    )
    record.say(f"validation: {label_counts(labels, material.validation.truth)}")
    return material
