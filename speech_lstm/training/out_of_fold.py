"""The answers of models to training recordings that they were not trained on."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from speech_lstm.config import Config
from speech_lstm.corpus.examples import Examples
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.corpus.speech_commands import speaker_of
from speech_lstm.errors import CorpusError
from speech_lstm.model.checkpoint import Model, load_model
from speech_lstm.training.console import Console
from speech_lstm.training.distributed import Processes
from speech_lstm.training.hardware import keep_freed_memory
from speech_lstm.training.onnx_teacher import OnnxTeacher
from speech_lstm.training.run_folder import RunFolder
from speech_lstm.training.scoring import BATCH, logits
from speech_lstm.training.teachers import LabelMap
from speech_lstm.training.trainer import Trainer

Answers = NDArray[np.float32]  # [recordings, labels] posteriors; a row of zeros where a model has no answer


class Questions:
    """Training recordings that models are asked about: rows of the corpus's clips, and their labels."""

    def __init__(self, recordings: Recordings, device: torch.device, console: Console) -> None:
        """Takes all training recordings of the corpus, and none of extra folders."""
        self.recordings, self.device, self.console = recordings, device, console
        own = recordings.examples.source == 0
        self.rows, self.truth = recordings.examples.row[own], recordings.examples.label[own]

    @property
    def names(self) -> list[str]:
        """The paths of the recordings in the corpus."""
        return [self.recordings.clips.names[row] for row in self.rows]

    def model_answers(self, model: Model | OnnxTeacher, path: Path) -> Answers:
        """The answers of a trained model in a file, see `LabelMap`.

        Raises ConfigError if it has no command of the task, ModelError if it cannot answer.
        """
        labels = LabelMap(path, model.labels, self.recordings.task.labels)
        posteriors = torch.from_numpy(self.posteriors(model, self.rows))
        return labels(posteriors, torch.from_numpy(self.truth)).numpy()

    def fold_answers(self, config: Config, examples: Examples, folds: int) -> Answers:
        """The answers of networks that are trained on the examples of other speakers.

        The speakers are divided into folds, and for each fold a network is trained without it; examples of extra
        folders are in every training. Raises CorpusError for fewer speakers than folds, ConfigError for settings that
        cannot be used, and `trainer.Stopped` when the user interrupts.
        """
        keep_freed_memory()
        fold = speaker_folds(self.names, folds)
        answers = np.zeros((len(self.rows), len(self.recordings.task.labels)), np.float32)
        for number in range(folds):
            asked = fold == number
            others = examples.subset((examples.source != 0) | ~np.isin(examples.row, self.rows[asked]))
            self.console.say(
                f"fold {number + 1} of {folds}: {len(others):,} recordings learnt, {asked.sum():,} answered"
            )
            model = self.trained(config, others)
            answers[asked] = self.posteriors(model, self.rows[asked])
        return answers

    def trained(self, config: Config, examples: Examples) -> Model:
        """The best model of a training on these examples, which leaves no files."""
        recordings = replace(self.recordings, examples=examples)
        with tempfile.TemporaryDirectory(prefix="speech-lstm-") as temporary:
            folder = RunFolder(Path(temporary), events=False)
            Trainer(config, recordings, Processes(0, 1, self.device), folder, self.console).run()
            return load_model(folder.path("best.safetensors"), self.device)

    def posteriors(self, model: Model | OnnxTeacher, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The posteriors of a model for rows of the clips: float32 [rows, its labels]."""
        blocks = self.blocks(rows)
        if isinstance(model, OnnxTeacher):
            raw = [model.answers(np.divide(clips, 32768, dtype=np.float32)) for clips in blocks]
            return model.posteriors(np.concatenate(raw))[0]
        return softmax(np.concatenate([logits(model, clips, self.device) for clips in blocks]), axis=1)

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int16]]:
        """The clips of these rows, int16 [block, CLIP_SAMPLES] at a time, under a progress bar."""
        from speech_lstm.progress import Bar

        with Bar(desc="answering", total=len(rows), unit="clip", disable=self.console.quiet) as bar:
            for start in range(0, len(rows), BATCH):
                block = rows[start : start + BATCH]
                yield self.recordings.clips.samples[block]
                bar.update(len(block))


def open_model(path: Path, config: Config, device: torch.device) -> Model | OnnxTeacher:
    """A model file of this program, or any network in an ONNX file; raises ModelError and ConfigError."""
    return OnnxTeacher(path, config.training.teacher_labels) if path.suffix == ".onnx" else load_model(path, device)


def speaker_folds(names: Sequence[str], folds: int) -> NDArray[np.int64]:
    """The fold of each recording, int64 [recordings]: all of a speaker in one, the folds about equally large."""
    counts = Counter(map(speaker_of, names))
    if len(counts) < folds:
        raise CorpusError(f"the training split has {len(counts)} speakers, fewer than {folds} folds; lower --folds")
    fold: dict[str, int] = {}
    sizes = [0] * folds
    for speaker, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        fold[speaker] = sizes.index(min(sizes))
        sizes[fold[speaker]] += count
    return np.array([fold[speaker_of(name)] for name in names])


def mean_answer(each: Sequence[Answers]) -> Answers:
    """The mean of several models, of those that have an answer to a recording."""
    total = np.sum(each, axis=0)
    return total / np.maximum(np.sum([answers.any(1) for answers in each], axis=0), 1)[:, None]
