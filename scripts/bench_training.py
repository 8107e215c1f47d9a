"""The speed of training: the network alone, the whole loop, and a conventional loop with a DataLoader.

    python scripts/bench_training.py [--data data/demo] [--device cpu] [--threads 2] [--steps 8] [--rounds 5]

The three take turns, so other work on the machine affects all alike; the median of the rounds counts. Run nothing
else at the same time: two threads that wait for each other suffer most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from speech_lstm.audio.clips import fit_clip
from speech_lstm.config import CLIP_SAMPLES, COMMANDS_8, SAMPLE_RATE, Config
from speech_lstm.corpus.recordings import Recordings, read_recordings
from speech_lstm.model.network import Network
from speech_lstm.progress import Bar
from speech_lstm.training.batches import Batch
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes
from speech_lstm.training.hardware import choose_device, keep_freed_memory
from speech_lstm.training.run_folder import RunFolder
from speech_lstm.training.trainer import Trainer

PREFETCH = 2  # batches that each worker of the DataLoader prepares ahead: its default


class Bare:
    """Forward, backward and optimiser step of the network, at the trainer's precision."""

    def __init__(self, trainer: Trainer) -> None:
        config = trainer.config
        labels = len(trainer.model.labels)
        self.precision, self.device = trainer.precision, trainer.device
        self.smoothing = config.training.label_smoothing
        self.network = Network(config.features, config.network, labels).to(self.device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.training.learning_rate)

    def step(self, features: Tensor, labels: Tensor) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            logits = self.network(features)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        float(loss.detach())  # the trainer reads it too, which waits for the device


class OneByOne(Dataset):  # type: ignore[type-arg]
    """Recordings as in a conventional loop: each file is opened, augmented and turned into MFCC by itself."""

    def __init__(self, trainer: Trainer, recordings: Recordings) -> None:
        task, corpus = recordings.task, recordings.corpus
        training = (clip for clip in corpus.clips if clip.split == "training")
        labelled = [(corpus.root / clip.name, task.label_of(clip)) for clip in training]
        self.items = [(path, task.labels.index(label)) for path, label in labelled if label]
        self.config, self.noise = trainer.config.augment, recordings.noise
        settings = trainer.config.features
        mel = {
            "n_fft": 512,
            "win_length": settings.window,
            "hop_length": settings.hop,
            "n_mels": settings.mels,
            "f_min": settings.low_hz,
            "f_max": settings.high_hz,
            "center": False,
            "pad": (512 - settings.window) // 2,
        }
        self.mfcc = torchaudio.transforms.MFCC(SAMPLE_RATE, settings.coefficients, log_mels=True, melkwargs=mel)
        longest = round(self.config.time_mask_ms / settings.hop_ms)
        self.time_mask = torchaudio.transforms.TimeMasking(longest)
        self.frequency_mask = torchaudio.transforms.FrequencyMasking(self.config.frequency_mask)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.items[index]
        waveform = self.augmented(fit_clip(soundfile.read(path, dtype="float32")[0]))
        features = self.mfcc(torch.from_numpy(waveform)[None])
        for _ in range(self.config.time_masks):
            features = self.time_mask(features)
        for _ in range(self.config.frequency_masks):
            features = self.frequency_mask(features)
        return features[0].T.contiguous(), label

    def augmented(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shift, speed, level and noise, drawn with torch's generator, of which every worker has its own."""
        config = self.config
        shift, speed, level, noisy, place, ratio = torch.rand(6).tolist()
        time, middle = np.arange(CLIP_SAMPLES), CLIP_SAMPLES / 2
        offset = (2 * shift - 1) * config.shift_ms * SAMPLE_RATE / 1000
        position = (time - middle - offset) * (1 + (2 * speed - 1) * config.speed) + middle
        waveform = np.interp(position, time, waveform, 0, 0).astype(np.float32)
        waveform *= 10 ** ((2 * level - 1) * config.level_db / 20)
        if noisy < config.noise:
            start = int(place * (len(self.noise) - CLIP_SAMPLES))
            noise = self.noise[start : start + CLIP_SAMPLES]
            decibels = config.snr_low_db + ratio * (config.snr_high_db - config.snr_low_db)
            scale = np.linalg.norm(waveform) / max(float(np.linalg.norm(noise)), 1e-4) * 10 ** (-decibels / 20)
            waveform += np.float32(scale) * noise
        return np.clip(waveform, -1, 1)


class Benchmark:
    """The three loops over the same recordings; each method runs some steps and returns their seconds."""

    def __init__(self, config: Config, data: Path, device: torch.device, workers: int, steps: int) -> None:
        recordings, folder = read_recordings(config.corpus, data), RunFolder(Path(os.devnull))
        self.trainer = Trainer(config, recordings, Processes(0, 1, device), folder, Console(quiet=True))
        self.steps, self.batch, self.workers = steps, config.training.batch, workers
        self.bare = Bare(self.trainer)
        self.order = self.orders()
        _, self.ready, self.ready_labels = self.trainer.prepare(next(self.order))
        files = OneByOne(self.trainer, recordings)
        # The first batches are not timed and the last ones are not used: the workers are as far ahead at the end of
        # the timed steps as at their start.
        self.ahead = PREFETCH * workers
        count = (steps + 2 * self.ahead) * self.batch
        sampler = RandomSampler(files, replacement=True, num_samples=count)
        self.loader = DataLoader(files, self.batch, sampler=sampler, num_workers=workers, persistent_workers=True)

    def orders(self) -> Iterator[Batch]:
        """The batches of step after step, as the trainer draws them."""
        epoch = 0
        while True:
            yield from self.trainer.batches.epoch(epoch)
            epoch += 1

    def network(self) -> float:
        start = time.perf_counter()
        for _ in range(self.steps):
            self.bare.step(self.ready, self.ready_labels)
        return time.perf_counter() - start

    def whole_loop(self) -> float:
        start = time.perf_counter()
        for _ in range(self.steps):
            self.trainer.step(next(self.order))
            self.trainer.progress.step += 1
        return time.perf_counter() - start

    def conventional(self) -> float:
        device, start, seconds = self.trainer.device, 0.0, 0.0
        for index, (features, labels) in enumerate(self.loader):
            if index == self.ahead:
                start = time.perf_counter()
            if self.ahead <= index < self.ahead + self.steps:
                self.bare.step(features.to(device), labels.to(device))
                seconds = time.perf_counter() - start
        return seconds

    def input_only(self) -> float:
        """The whole loop's input path alone: gathering, augmentation, features."""
        start = time.perf_counter()
        for _ in range(self.steps):
            float(self.trainer.prepare(next(self.order))[1].sum())
        return time.perf_counter() - start


def table(rates: dict[str, list[float]]) -> str:
    """The median rates, and the median of each round's ratio to the first."""
    base = next(iter(rates.values()))
    lines = [f"{'':44}{'clips/s':>9}{'ms a clip':>11}{'of the network':>16}"]
    for name, values in rates.items():
        rate = statistics.median(values)
        ratio = statistics.median(value / other for value, other in zip(values, base, strict=True))
        lines.append(f"{name:44}{rate:9,.0f}{1000 / rate:11.3f}{100 * ratio:14.0f} %")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/demo"), help="the corpus (%(default)s)")
    parser.add_argument("--labels", default=",".join(COMMANDS_8), help="the task (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of the DataLoader (%(default)s)")
    parser.add_argument("--steps", type=int, default=8, help="steps of each loop in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    arguments = parser.parse_args()
    if min(arguments.threads, arguments.workers, arguments.steps, arguments.rounds) < 1:
        parser.error("threads, workers, steps and rounds must be at least 1")
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as `train` does; the three loops share the process
    device = choose_device(arguments.device)
    config = Config.from_dict({"corpus": {"labels": arguments.labels}, "training": {"epochs": 10_000}})
    benchmark = Benchmark(config, arguments.data, device, arguments.workers, arguments.steps)
    loops: dict[str, Callable[[], float]] = {
        "a  network alone: forward, backward, step": benchmark.network,
        "b  whole loop: recordings to weights": benchmark.whole_loop,
        f"c  conventional: DataLoader, {arguments.workers} workers": benchmark.conventional,
        "   the input path of b by itself": benchmark.input_only,
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    with Bar(total=(1 + arguments.rounds) * len(loops), unit="turn", desc="warming up") as bar:
        for turn in range(1 + arguments.rounds):
            for name, loop in loops.items():
                rate = arguments.steps * benchmark.batch / loop()
                if turn:  # the first round warms up
                    rates[name].append(rate)
                    bar.set_description(f"{name.strip()[:12]} {rate:,.0f}/s")
                bar.update()
    trainer = benchmark.trainer
    print(
        f"\n{trainer.network.parameter_count:,} parameters, {trainer.precision} on {device}, {arguments.threads} "
        f"threads, batches of {benchmark.batch}, medians of {arguments.rounds} rounds of {arguments.steps} steps\n"
    )
    print(table(rates))


if __name__ == "__main__":
    main()
