"""The answers of a model to all recordings of a split, and everything that they say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from speech_lstm.config import UNKNOWN, split_names
from speech_lstm.corpus.clip_cache import load_clips
from speech_lstm.corpus.scored_set import UNKNOWN_SEED, ScoredSet, gather, scored_set
from speech_lstm.corpus.speech_commands import Split, scan
from speech_lstm.corpus.task import Task
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.torch_model import TorchModel
from speech_lstm.recognition.vocabulary import Vocabulary
from speech_lstm.training.evaluation import Evaluation, evaluate
from speech_lstm.training.open_set import OpenSet, open_set
from speech_lstm.training.reliability import Reliability, reliability

BATCH = 256


def logits(
    model: Model, waveforms: NDArray[np.int16], device: torch.device, progress: bool = False
) -> NDArray[np.float32]:
    """The logits float32 [n, labels] of int16 waveforms [n, samples]."""
    from speech_lstm.progress import Bar

    model.network.eval()
    torch_model = TorchModel(model, device)
    starts = range(0, max(1, len(waveforms)), BATCH)  # an empty batch gives the shape [0, labels]
    return np.concatenate(
        [
            torch_model.logits(np.divide(waveforms[start : start + BATCH], 32768, dtype=np.float32))
            for start in Bar(starts, desc="scoring", unit="step", disable=not progress)
        ]
    )


def loss_and_accuracy(logits: NDArray[Any], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy, in nats, and accuracy of logits [n, labels] with the right labels `truth` [n]."""
    logs = log_softmax(logits.astype(np.float64), axis=1)
    return float(-logs[np.arange(len(truth)), truth].mean()), float((logits.argmax(axis=1) == truth).mean())


@dataclass(frozen=True)
class Assessment:
    """The results of a model on a split of a corpus."""

    split: Split
    evaluation: Evaluation
    reliability: Reliability
    unseen: Evaluation | None  # of the words that were held out of training, in all splits
    open_sets: tuple[OpenSet, ...]  # commands of the split against its unknown words, and against the held-out ones
    notes: tuple[str, ...]  # what was skipped, for people

    def to_dict(self) -> dict[str, Any]:
        """Everything, in JSON types."""
        return {
            "split": self.split,
            "unknown_seed": UNKNOWN_SEED,
            "notes": list(self.notes),
            **self.evaluation.to_dict(),
            "unseen_words": self.unseen.to_dict() if self.unseen else None,
            "calibration": self.reliability.to_dict(),
            "open_set": [item.to_dict() for item in self.open_sets],
        }


def assess_model(
    model: Model,
    data: Path,
    split: Split,
    device: torch.device,
    strict: bool = False,
    progress: bool = True,
    words: Sequence[str] | None = None,
) -> Assessment:
    """Score a split of the corpus in `data`, and the words that the model's training held out.

    `words` are those of the model's commands that count as commands; None: all. Raises ConfigError for other words.
    """
    vocabulary = Vocabulary(model.labels, words)
    corpus = scan(data, strict)
    clips = load_clips(data, [clip.name for clip in corpus.clips], progress, strict)
    task = Task(vocabulary.labels)
    scored = scored_set(corpus, clips, task, split)
    answers = vocabulary.logits(logits(model, scored.waveforms, device, progress))
    others, unseen = {}, None
    if UNKNOWN in task.labels:
        others["unknown words"] = answers[scored.truth == task.labels.index(UNKNOWN)]
        held_out = split_names(model.training.get("config", {}).get("corpus", {}).get("hold_out", ""))
        unseen_set = gather([(clip, UNKNOWN) for clip in corpus.clips if clip.word in held_out], clips, task)
        if unseen_set.names:
            others["unseen words"] = vocabulary.logits(logits(model, unseen_set.waveforms, device))
            unseen = evaluate_logits(task, unseen_set, others["unseen words"])
    open_sets = (open_set(task.labels, answers, scored.truth, other, words) for words, other in others.items())
    return Assessment(
        split,
        evaluate_logits(task, scored, answers),
        reliability(softmax(answers.astype(np.float64), axis=1), scored.truth),
        unseen,
        tuple(item for item in open_sets if item),
        (*corpus.notes, *clips.notes),
    )


def evaluate_logits(task: Task, scored: ScoredSet, logits: NDArray[np.float32]) -> Evaluation:
    """Evaluate logits [n, labels] of a task."""
    posteriors = softmax(logits.astype(np.float64), axis=1)
    return evaluate(task.labels, scored.names, scored.truth, posteriors, scored.words)
