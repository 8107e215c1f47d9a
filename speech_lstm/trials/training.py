"""One training of a study or search: the network is trained as by `train`, scored, and described for the storage."""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # the first optimiser would import it, and its two seconds would count for the first training

import speech_lstm
from speech_lstm.config import CLIP_SAMPLES, Config
from speech_lstm.corpus.scored_set import ScoredSet
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes
from speech_lstm.training.run_folder import RunFolder
from speech_lstm.training.scoring import logits, loss_and_accuracy
from speech_lstm.training.trainer import Diverged, Trainer
from speech_lstm.trials.recordings import NO_ANSWER, TrialRecordings, pack

WORST_LOSS = 100.0  # nats, of a network that never answered: more than that of any other
ROUNDS = 20  # of measuring the latency
PACKAGES = ("torch", "torchaudio", "numpy", "optuna")


def train_and_score(config: Config, recordings: TrialRecordings, device: torch.device) -> dict[str, Any]:
    """Train and score one network: the outcome, in the types that JSON has.

    A network whose loss becomes infinite is scored with the weights of its best epoch before that; without such an
    epoch all its answers count as wrong. Raises `trainer.Stopped` when the user interrupts, and ConfigError.
    """
    start, own_start = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="speech-lstm-") as temporary:
        folder, processes = RunFolder(Path(temporary), events=False), Processes(0, 1, device)
        trainer = Trainer(config, recordings, processes, folder, Console(quiet=True))
        diverged = False
        try:
            trainer.run()
        except Diverged:
            diverged = True
        seconds, own_seconds = time.perf_counter() - start, time.process_time() - own_start
        best = folder.path("best.safetensors")
        model = load_model(best, device) if best.exists() else None
    return {
        "config": config.to_dict(),
        "parameters": trainer.network.parameter_count,
        "curve": trainer.progress.history,
        "best_epoch": trainer.progress.best_epoch,
        "diverged": diverged,
        "validation": score(model, recordings.validation, device),
        "testing": score(model, recordings.testing, device),
        "seconds": seconds,
        "own_seconds": own_seconds,  # of this process's threads: other work on the machine does not count
        "latency": measure_latency(model, device) if model else None,
        "device": device_name(device),
        "versions": versions(),
        "corpus": recordings.fingerprint,
    }


def score(model: Model | None, scored: ScoredSet, device: torch.device) -> dict[str, Any]:
    """Accuracy, loss in nats, and the answer to each clip."""
    if model is None:
        answers, loss = np.full(len(scored.truth), NO_ANSWER), WORST_LOSS
    else:
        outputs = logits(model, scored.waveforms, device)
        answers, loss = outputs.argmax(1), loss_and_accuracy(outputs, scored.truth)[0]
    return {"accuracy": float((answers == scored.truth).mean()), "loss": loss, "answers": pack(answers)}


def measure_latency(model: Model, device: torch.device) -> float:
    """Median seconds for one recording of a second, front end included. On the CPU it is the time of one thread."""
    recognizer, clock = Recognizer(model, device), time.thread_time if device.type == "cpu" else time.perf_counter
    clip = np.random.default_rng(0).uniform(-0.1, 0.1, (1, CLIP_SAMPLES)).astype(np.float32)
    times = []
    for _ in range(ROUNDS):
        start = clock()
        recognizer.posteriors(clip)
        times.append(clock() - start)
    return statistics.median(times)


def device_name(device: torch.device) -> str:
    """The device, with the name of the GPU."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that compute the result."""
    packages = {name: version(name) for name in PACKAGES}
    return {"speech-lstm": speech_lstm.__version__, "python": platform.python_version(), **packages}
