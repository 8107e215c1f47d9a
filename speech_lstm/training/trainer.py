"""The training loop: epochs of steps, an evaluation after each, the best model and the state saved."""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from speech_lstm.audio.augment import Augment
from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import CLIP_SAMPLES, Config
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.model.bundled import find_model
from speech_lstm.model.checkpoint import Model, save_model
from speech_lstm.model.network import Network
from speech_lstm.training import replay
from speech_lstm.training.batches import Batch, Batches
from speech_lstm.training.carrying import CarriedStates
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes
from speech_lstm.training.hardware import choose_precision
from speech_lstm.training.optimiser import learning_rate, parameter_groups
from speech_lstm.training.run_folder import STATE, RunFolder
from speech_lstm.training.scoring import logits, loss_and_accuracy
from speech_lstm.training.side_tasks import SideTasks, imitated_vectors
from speech_lstm.training.state import RunProgress, State, damaged, start_from
from speech_lstm.training.teachers import Teachers
from speech_lstm.training.temperature import fit_calibration

STEP_SEEDS = 1_000_003  # a prime above the steps of any run, so runs with close seeds have no step's seed in common


class Stopped(Exception):
    """The user stopped the run; its state is saved."""


class Diverged(ConfigError):
    """The loss is no longer a number."""


class Trainer:
    """One run: the network, its optimiser and its progress."""

    def __init__(
        self, config: Config, recordings: Recordings, processes: Processes, folder: RunFolder, console: Console
    ) -> None:
        self.config, self.processes, self.folder, self.console = config, processes, folder, console
        self.device, self.validation, settings = processes.device, recordings.validation, config.training
        self.batches = Batches(recordings, config, self.device)
        torch.manual_seed(settings.seed)
        labels = recordings.task.labels
        network = Network(config.features, config.network, len(labels))
        if settings.start:
            start_from(find_model(settings.start, ".safetensors"), network, config, labels)
        averaged = copy.deepcopy(network).requires_grad_(False).to(self.device)
        self.network = network.to(self.device)
        self.model = Model(averaged, config.features, config.network, labels)  # what is scored and saved
        self.tasks = self.side_tasks(recordings)
        self.learner: torch.nn.Module = self.tasks or self.network
        self.parallel: torch.nn.Module = self.learner
        self.front_end = FrontEnd(config.features).to(self.device)
        self.precision = choose_precision(settings.precision, self.device)
        self.rows = processes.rows(settings.batch)
        if processes.count > 1 and settings.carry:
            raise ConfigError("carry needs a single process; leave it out or train without torchrun")
        carried = CarriedStates(self.network, settings.carry, settings.batch) if settings.carry else None
        if processes.count > 1:
            self.parallel = DistributedDataParallel(self.learner)
        elif self.device.type == "cuda" and carried is None:
            silence = torch.zeros(settings.batch, CLIP_SAMPLES, device=self.device)
            replay.capture(self.learner, self.front_end(silence), self.precision)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.learner, settings), lr=settings.learning_rate)
        noise = torch.from_numpy(recordings.noise).to(self.device)
        self.augment = Augment(config.augment, noise, CLIP_SAMPLES, config.features)
        with processes.in_turn():  # the first one writes the answers down for the others
            self.teachers = Teachers(settings, recordings, self.batches, not console.quiet)
        digests = recordings.digest, recordings.sound, self.teachers.digest
        self.state = State(self.learner, averaged, self.optimizer, RunProgress(), config.to_dict(), *digests, carried)

    def side_tasks(self, recordings: Recordings) -> SideTasks | None:
        """The network with heads for further tasks, if the settings name any."""
        settings = self.config.training
        if not (settings.words or settings.embedder):
            return None
        with self.processes.in_turn():
            vectors = imitated_vectors(settings, recordings, self.batches, not self.console.quiet)
        return SideTasks(self.network, recordings, settings, vectors).to(self.device)

    def load_state(self) -> None:
        """Continue from the state in the run's folder; raises ModelError if it is damaged or of another run."""
        path = self.folder.path(STATE)
        self.state.load(path)
        epochs = len(self.progress.history)
        if self.progress.step // self.batches.steps != epochs or self.progress.step > self.steps:
            raise damaged(path, f"step {self.progress.step} after {epochs} epochs of {self.batches.steps} steps")

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.config.training.epochs * self.batches.steps

    @property
    def progress(self) -> RunProgress:
        return self.state.progress

    @property
    def step_seed(self) -> int:
        """The seed of the random numbers of the next step."""
        return self.config.training.seed * STEP_SEEDS + self.progress.step

    def run(self) -> None:
        """Train to the end. Raises Stopped, with everything saved, when the user interrupts.

        Raises Diverged when the loss is no longer a number; what was saved before stays.
        """
        per_epoch = self.batches.steps
        with interrupts() as interrupted, self.console.bar(self.steps, self.progress.step) as bar:
            while self.progress.step < self.steps and not self.out_of_patience():
                epoch = self.progress.step // per_epoch
                batches = self.batches.epoch(epoch)
                start = time.perf_counter() - self.progress.seconds
                for index in range(self.progress.step % per_epoch, per_epoch):
                    loss, accuracy = self.step(batches[index])
                    self.progress.loss_sum += finite(loss, epoch + 1)
                    self.progress.accuracy_sum += accuracy
                    self.progress.step += 1
                    self.progress.seconds = time.perf_counter() - start
                    bar.step(epoch, self.progress.loss_sum / (index + 1), self.config.training.batch)
                    if self.is_interrupted(interrupted) and self.progress.step % per_epoch:
                        self.save()
                        raise Stopped
                self.end_epoch(epoch + 1)
                self.save()
                if self.is_interrupted(interrupted) and self.progress.step < self.steps:
                    raise Stopped

    def step(self, batch: Batch) -> tuple[float, float]:
        """Update the weights once; returns the batch's mean loss and its accuracy before that, over all processes."""
        settings, step = self.config.training, self.progress.step
        torch.manual_seed(self.step_seed * self.processes.count + self.processes.rank)  # of the dropout
        waveforms, features, labels = self.prepare(batch)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            answers = self.logits(features).float()
        logits = answers[:, : len(self.model.labels)]
        if len(self.teachers):
            targets = self.teachers.targets(batch.rows(self.rows), waveforms, self.precision)
            loss = torch.nn.functional.cross_entropy(logits, targets)
        else:
            loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        if self.tasks is not None:
            loss = loss + self.tasks.loss(answers, batch.rows(self.rows))
        accuracy = (logits.detach().argmax(1) == labels).float().mean()
        measured = self.processes.total(torch.stack([loss.detach(), accuracy]))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(self.learner.parameters(), settings.clip)
        rate = learning_rate(step, self.steps, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.update_average(step)
        loss_sum, accuracy_sum = measured.tolist()  # at the end: it waits for the device
        return loss_sum / self.processes.count, accuracy_sum / self.processes.count

    def logits(self, features: Tensor) -> Tensor:
        """The answers to features [rows, frames, size], in training: [rows, labels], then those of side tasks."""
        if self.state.carried is None:
            logits: Tensor = self.parallel(features)
            return logits
        return self.state.carried.logits(features, self.step_seed)

    def prepare(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """This process's rows of a batch, augmented: the waveforms float32 [rows, samples], their features
        [rows, frames, size] and the labels int64 [rows]."""
        draws = self.augment.draw(len(batch), self.step_seed).rows(self.rows.start, self.rows.stop)
        batch = batch.rows(self.rows)
        waveforms, unknown = batch.waveforms, batch.unknown
        draws = self.augment.shift_more(draws, unknown)
        draws = self.augment.shift_anywhere(draws, waveforms, unknown | batch.silent)
        waveforms = self.augment.waveforms(waveforms, batch.silent, draws)
        return waveforms, self.augment.features(self.front_end(waveforms), draws), batch.labels

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Move the averaged weights towards the current ones, faster at the start."""
        decay = min(self.config.training.average, (1 + step) / (10 + step)) if self.config.training.average else 0
        average, current = (list(network.state_dict().values()) for network in (self.model.network, self.network))
        torch._foreach_lerp_(average, current, 1 - decay)

    def end_epoch(self, epoch: int) -> None:
        """Score the averaged weights on the validation split, report the epoch, save the last and best model."""
        progress, batches, validation = self.progress, self.batches, self.validation
        answers = self.answers(epoch) if self.processes.first else None
        measured = (0.0, 0.0)
        if answers is not None:
            calibration = fit_calibration(self.model.labels, answers, validation.truth)
            measured = loss_and_accuracy(calibration.apply(answers), validation.truth)
        same = self.processes.same(torch.tensor(measured, dtype=torch.float64, device=self.device))
        loss, accuracy = same.tolist()
        finite(loss, epoch)
        entry = {
            "epoch": epoch,
            "train_loss": progress.loss_sum / batches.steps,
            "train_accuracy": progress.accuracy_sum / batches.steps,
            "validation_loss": loss,
            "validation_accuracy": accuracy,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "clips_per_second": batches.steps * batches.size / progress.seconds,
        }
        progress.add(entry)
        progress.loss_sum = progress.accuracy_sum = progress.seconds = 0.0
        better = progress.best_epoch == epoch
        if answers is not None:
            self.console.epoch(entry, better)
            self.folder.add_epoch(entry)
            model = calibration.fold(self.described_model())  # a copy: training does not use it
            for name in ("last", "best") if better else ("last",):
                save_model(self.folder.path(f"{name}.safetensors"), model)

    def answers(self, epoch: int) -> NDArray[np.float32]:
        """The logits of the validation recordings, float32 [recordings, labels]."""
        try:
            return logits(self.model, self.validation.waveforms, self.device)
        except ModelError:  # they are not finite: the last step was one too many
            return diverged(math.nan, epoch)

    def described_model(self) -> Model:
        """The model with the facts of its training."""
        facts: dict[str, Any] = {
            "config": self.config.to_dict(),
            "epoch": len(self.progress.history),
            "validation": self.progress.history[-1],
            "parameters": self.network.parameter_count,
            "torch": torch.__version__,
        }
        return replace(self.model, training=facts)

    def save(self) -> None:
        """Write the state that a resumed run continues from."""
        if self.processes.first:
            self.state.save(self.folder.path(STATE))

    def out_of_patience(self) -> bool:
        patience, progress = self.config.training.patience, self.progress
        return bool(patience) and len(progress.history) - progress.best_epoch >= patience

    def is_interrupted(self, interrupted: threading.Event) -> bool:
        """Whether any of the processes was interrupted."""
        if self.processes.count == 1:
            return interrupted.is_set()
        return bool(self.processes.total(torch.tensor(float(interrupted.is_set()), device=self.device)))


def finite(loss: float, epoch: int) -> float:
    """The loss; raises Diverged if it is no longer a number."""
    return loss if math.isfinite(loss) else diverged(loss, epoch)


def diverged(loss: float, epoch: int) -> NoReturn:
    raise Diverged(
        f"the loss became {loss} in epoch {epoch}: the weights have grown without bound; "
        "start again with a lower learning_rate or weight_decay, or with clip"
    )


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the current step can end first; a second signal stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, old in before.items():
            signal.signal(number, old)
