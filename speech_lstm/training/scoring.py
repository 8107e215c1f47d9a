"""A split of a corpus put before a model: every recording is scored, none is left out for a batch's sake."""

from __future__ import annotations

from collections import Counter
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
from speech_lstm.recognition.recognizer import Recognizer
from speech_lstm.report.proportion import Proportion
from speech_lstm.report.tables import percent, span
from speech_lstm.training import report
from speech_lstm.training.evaluation import Evaluation, evaluate_scores
from speech_lstm.training.open_set import OpenSet, open_set
from speech_lstm.training.reliability import Calibration, calibration

BATCH = 256


def logits(
    model: Model, waveforms: NDArray[np.int16], device: torch.device, progress: bool = False
) -> NDArray[np.float32]:
    """What the model says to int16 waveforms [n, samples], before the soft-max: float32 [n, labels]."""
    from tqdm import tqdm

    model.network.eval()
    recognizer = Recognizer(model, device)
    starts = range(0, max(1, len(waveforms)), BATCH)  # none too is a batch
    return np.concatenate(
        [
            recognizer.logits(np.divide(waveforms[start : start + BATCH], 32768, dtype=np.float32))
            for start in tqdm(starts, desc="scoring", unit="batch", disable=not progress, delay=2)
        ]
    )


def loss_and_accuracy(logits: NDArray[Any], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy, in nats, and accuracy of logits [n, labels] with the right labels `truth` [n]."""
    logs = log_softmax(logits.astype(np.float64), axis=1)
    return float(-logs[np.arange(len(truth)), truth].mean()), float((logits.argmax(axis=1) == truth).mean())


def label_counts(labels: tuple[str, ...], truth: NDArray[np.int64]) -> str:
    """How many recordings each label has, in one line."""
    counts = Counter(truth.tolist())
    return ", ".join(f"{label} {counts[i]:,}" for i, label in enumerate(labels))


@dataclass(frozen=True)
class Scores:
    """What a split of a corpus says about a model."""

    split: Split
    evaluation: Evaluation
    calibration: Calibration
    unseen: Evaluation | None  # of the words that were held out of training, in all splits
    open_sets: tuple[OpenSet, ...]  # commands of the split against its unknown words, and against the held-out ones
    notes: tuple[str, ...]  # what was left out, for people

    def to_dict(self) -> dict[str, Any]:
        """Everything, in the types that JSON has."""
        unseen = self.unseen.to_dict() if self.unseen else None
        facts = {"split": self.split, "unknown_seed": UNKNOWN_SEED, "notes": list(self.notes)}
        known = {"calibration": self.calibration.to_dict(), "open_set": [item.to_dict() for item in self.open_sets]}
        return {**facts, **self.evaluation.to_dict(), "unseen_words": unseen, **known}

    def table(self) -> str:
        """A report for the terminal."""
        parts = [self.evaluation.table()]
        if self.unseen and (accepted := self.unseen.unknown_accepted):
            refused = Proportion(accepted.of - accepted.hits, accepted.of)
            told = (
                f"words never heard in training: {refused.hits} of {refused.of} recordings refused, "
                f"{percent(refused.share)} (95 % interval {span(refused.interval or (0.0, 1.0))})"
            )
            parts.append("\n".join([told, *report.word_lines(self.unseen, 30)]))
        return "\n\n".join([*parts, self.calibration.table(), *(item.table() for item in self.open_sets)])


def evaluate_model(
    model: Model, data: Path, split: Split, device: torch.device, strict: bool = False, progress: bool = True
) -> Scores:
    """Score a split of the corpus in `data`, and the words that the model's training held out."""
    corpus = scan(data, strict)
    clips = load_clips(data, [clip.name for clip in corpus.clips], progress, strict)
    task = Task(model.labels)
    scored = scored_set(corpus, clips, task, split)
    answers = logits(model, scored.waveforms, device, progress)
    evaluation = evaluated(model, scored, answers)
    others, unseen = {}, None
    if UNKNOWN in task.labels:
        others["unknown words"] = answers[scored.truth == task.labels.index(UNKNOWN)]
        held_out = split_names(model.training.get("config", {}).get("corpus", {}).get("hold_out", ""))
        never_heard = gather([(clip, UNKNOWN) for clip in corpus.clips if clip.word in held_out], clips, task)
        if never_heard.names:
            others["words never heard"] = logits(model, never_heard.waveforms, device)
            unseen = evaluated(model, never_heard, others["words never heard"])
    compared = (open_set(task.labels, answers, scored.truth, theirs, words) for words, theirs in others.items())
    return Scores(
        split,
        evaluation,
        calibration(softmax(answers.astype(np.float64), axis=1), scored.truth),
        unseen,
        tuple(item for item in compared if item),
        (*corpus.notes, *clips.notes),
    )


def evaluated(model: Model, scored: ScoredSet, answers: NDArray[np.float32]) -> Evaluation:
    """Count the answers, logits [n, labels], of a model."""
    posteriors = softmax(answers.astype(np.float64), axis=1)
    return evaluate_scores(model.labels, scored.names, scored.truth, posteriors, scored.words)
