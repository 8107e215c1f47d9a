"""A split of a corpus put before a model: every recording is scored, none is left out for a batch's sake."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.checkpoint import Model
from speech_lstm.config import SILENCE
from speech_lstm.corpus.memory import Memory, load_memory, to_int16
from speech_lstm.corpus.noise import noise_of, silences
from speech_lstm.corpus.speech_commands import Corpus, Split, Task, scan, scored_clips
from speech_lstm.training.evaluation import Evaluation, evaluate_scores

BATCH = 256


@dataclass(frozen=True)
class ScoredSet:
    """Recordings with their right answers."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    waveforms: NDArray[np.int16]  # [recordings, CLIP_SAMPLES]
    truth: NDArray[np.int64]  # [recordings] number of the right label


def scored_set(corpus: Corpus, memory: Memory, task: Task, split: Split) -> ScoredSet:
    """The recordings of a split that the task scores, silence included; see `scored_clips` for which."""
    pairs, silence_count = scored_clips(corpus, task, split)
    row = {name: i for i, name in enumerate(memory.names)}
    pairs = [(clip, label) for clip, label in pairs if clip.name in row]
    truth = [task.labels.index(label) for _, label in pairs]
    names = [clip.name for clip, _ in pairs] + [f"{SILENCE}/{i}" for i in range(silence_count)]
    words = [clip.word for clip, _ in pairs] + [SILENCE] * silence_count
    waveforms = memory.samples[[row[clip.name] for clip, _ in pairs]]
    if silence_count:
        quiet = to_int16(silences(noise_of(corpus, split), silence_count))
        waveforms = np.concatenate([waveforms, quiet])
        truth += [task.labels.index(SILENCE)] * silence_count
    return ScoredSet(tuple(names), tuple(words), waveforms, np.array(truth, np.int64))


@torch.inference_mode()
def probabilities(
    model: Model, waveforms: NDArray[np.int16], device: torch.device, progress: bool = False
) -> NDArray[np.float32]:
    """The posterior of every label for int16 waveforms [n, samples]: float32 [n, labels], rows add up to 1."""
    from tqdm import tqdm

    network, front_end = model.network.eval(), FrontEnd(model.features).to(device)
    starts = range(0, len(waveforms), BATCH)
    answers = []
    for start in tqdm(starts, desc="scoring", unit="batch", disable=not progress):
        batch = torch.from_numpy(waveforms[start : start + BATCH]).to(device).float() / 32768
        answers.append(network(front_end(batch)).float().softmax(1).cpu().numpy())
    return np.concatenate(answers)


def label_counts(labels: tuple[str, ...], truth: NDArray[np.int64]) -> str:
    """How many recordings each label has, in one line."""
    counts = Counter(truth.tolist())
    return ", ".join(f"{label} {counts[i]:,}" for i, label in enumerate(labels))


def evaluate_model(
    model: Model, data: Path, split: Split, device: torch.device, strict: bool = False, progress: bool = True
) -> tuple[Evaluation, list[str]]:
    """Score a split of the corpus in `data`; also returns what was left out, for people."""
    corpus = scan(data)
    memory = load_memory(data, [clip.name for clip in corpus.clips], progress, strict)
    task = Task(model.labels)
    scored = scored_set(corpus, memory, task, split)
    answers = probabilities(model, scored.waveforms, device, progress)
    evaluation = evaluate_scores(model.labels, scored.names, scored.truth, answers, scored.words)
    damaged = [f"left out, {reason}" for reason in memory.damaged.values()]
    return evaluation, [*corpus.notes, *damaged]
