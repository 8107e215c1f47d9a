"""Trained models whose answers a new one learns besides the labels: knowledge distillation.

A model of this program (`.safetensors`) answers every batch as the new one gets it, augmented. Any other network
(`.onnx`) answers each training recording once, as it is, before the training. Most such files take one recording at a
time, which costs as much as the new network's whole step for it, and they would answer it in every epoch. The answer
to the clean recording is also a good target for its noisy copies, where the teacher itself may fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from speech_lstm.audio.mfcc import FrontEnd
from speech_lstm.config import SILENCE, UNKNOWN, TrainingConfig, commands_of, split_names
from speech_lstm.corpus.clip_cache import cache_folder
from speech_lstm.corpus.recordings import Recordings
from speech_lstm.corpus.speech_commands import listing
from speech_lstm.errors import ConfigError, ModelError
from speech_lstm.files import OutputError
from speech_lstm.model.bundled import find_model
from speech_lstm.model.checkpoint import load_model, read_tensors, write_tensors
from speech_lstm.training.batches import Batch, Batches
from speech_lstm.training.onnx_teacher import OnnxNetwork, OnnxTeacher

KIND, VERSION = "speech-lstm answers of a teacher", 1
CHUNK = 64  # recordings that a teacher answers before Ctrl-C ends it


class Teachers:
    """The teachers of a run. `digest` changes with their files and the embedder; `notes` describes the ONNX files."""

    def __init__(self, config: TrainingConfig, recordings: Recordings, batches: Batches, progress: bool) -> None:
        """Raises ModelError for a file that cannot teach, ConfigError for settings or labels that do not fit."""
        self.share, self.smoothing, self.labels = config.teaching, config.label_smoothing, recordings.task.labels
        distrusted = split_names(config.distrust)
        if absent := sorted(set(distrusted) - {*self.labels, SILENCE, UNKNOWN}):
            raise ConfigError(f"distrust names {absent[0]!r}; name labels of the run: {listing(self.labels, 40)}")
        paths = [find_model(path, ".safetensors") for path in split_names(config.teachers)]
        models = [ModelTeacher(path, self.labels, batches.device) for path in paths if path.suffix != ".onnx"]
        # All are opened, which finds most faults, before the first answers every recording.
        networks = [OnnxTeacher(path, config.teacher_labels) for path in paths if path.suffix == ".onnx"]
        maps = [LabelMap(network.path, network.labels, self.labels) for network in networks]
        recorded = [
            RecordedTeacher(network, labels, distrusted, recordings, batches, progress)
            for network, labels in zip(networks, maps, strict=True)
        ]
        self.teachers: list[ModelTeacher | RecordedTeacher] = [*models, *recorded]
        self.notes = [teacher.note for teacher in recorded]
        self.digest = digest_of([*paths, *map(Path, filter(None, [config.embedder]))])

    def __len__(self) -> int:
        return len(self.teachers)

    @torch.no_grad()
    def answers(self, batch: Batch, waveforms: Tensor, precision: torch.dtype) -> Tensor:
        """The mean answer of the teachers that answer a row, float32 [rows, labels], zeros where none does.

        `waveforms` float32 [rows, samples] are the batch's, augmented.
        """
        each = torch.stack([teacher(batch, waveforms, precision) for teacher in self.teachers])
        count = (each.sum(2, keepdim=True) > 0).sum(0)
        return each.sum(0) / count.clamp(min=1)

    def targets(self, batch: Batch, waveforms: Tensor, precision: torch.dtype) -> Tensor:
        """The distributions to learn, float32 [rows, labels]: the smoothed label, and the answers in their share.

        What an answer lacks to 1 stays with the label: all of it in a row without an answer, and where the label is
        certain. There a teacher could only be wrong: it would teach the false accepts that a network is to unlearn.
        """
        count = len(self.labels)
        answers = self.answers(batch, waveforms, precision) * ~batch.certain[:, None]
        smoothed = one_hot(batch.labels, count) * (1 - self.smoothing) + self.smoothing / count
        return smoothed + self.share * (answers - answers.sum(1, keepdim=True) * smoothed)


class LabelMap:
    """The labels of a teacher as those of a run: labels that the run does not have count as `_unknown_`.

    `known` says for each label of the run whether any of the teacher's is it, bool [labels].
    """

    def __init__(self, path: Path, own: tuple[str, ...], labels: tuple[str, ...]) -> None:
        """Raises ConfigError if the teacher knows no command of the run."""
        if not set(commands_of(own)) & set(labels):
            commands = listing(commands_of(labels), 40)
            raise ConfigError(f"the teacher {path} answers {listing(own, 40)}, but none of the commands {commands}")
        names = [name if name in labels else UNKNOWN for name in own]
        self.matrix = torch.tensor([[float(name == label) for label in labels] for name in names])
        self.known = self.matrix.any(0)

    def __call__(self, posteriors: Tensor, truth: Tensor) -> Tensor:
        """Posteriors float32 [rows, own labels] → float32 [rows, labels], zeros where the teacher does not know the
        label of the row: what it takes another word for says nothing. `truth` int64 [rows] are the labels."""
        return posteriors @ self.matrix.to(posteriors) * self.known.to(truth.device)[truth, None]


class ModelTeacher:
    """A model of this program with a front end of its own."""

    def __init__(self, path: Path, labels: tuple[str, ...], device: torch.device) -> None:
        """Raises ModelError for a file that is not a model, ConfigError for one of other commands."""
        self.model = load_model(path, device)
        self.front_end = FrontEnd(self.model.features).to(device)
        self.map = LabelMap(path, self.model.labels, labels)

    def __call__(self, batch: Batch, waveforms: Tensor, precision: torch.dtype) -> Tensor:
        """See `Teachers.answers`."""
        with torch.autocast(waveforms.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            logits = self.model.network(self.front_end(waveforms))
        return self.map(logits.float().softmax(1), batch.labels)


class RecordedTeacher:
    """The answers of a foreign network to the training recordings.

    It has none to silence, splices and words played backwards, which are made for each step, nor to recordings of
    labels that it does not know or is not trusted on, nor to those of extra folders that are `_unknown_`.
    """

    def __init__(
        self,
        network: OnnxTeacher,
        labels: LabelMap,
        distrusted: tuple[str, ...],
        recordings: Recordings,
        batches: Batches,
        progress: bool,
    ) -> None:
        """Raises ModelError for answers that are none, ConfigError if no recording is left to answer."""
        truth = torch.from_numpy(recordings.examples.label)
        trusted = torch.tensor([label not in distrusted for label in recordings.task.labels])
        answerable = labels.known & trusted
        certain = (truth == batches.unknown_label) & torch.from_numpy(recordings.examples.source != 0)
        asked = (answerable[truth] & ~certain).nonzero().flatten()  # numbers of examples
        if not len(asked):
            raise ConfigError(f"distrust leaves the teacher {network.path} no recording to answer; name fewer labels")
        raw = cached_answers(network, asked.numpy(), recordings, batches, progress)
        posteriors, kind = network.posteriors(raw)
        table = torch.zeros(len(truth) + 1, len(recordings.task.labels))  # the last row is that of NONE
        table[asked] = labels(torch.from_numpy(posteriors), truth[asked])
        self.table = table.to(batches.device)
        others = [label for label, known in zip(recordings.task.labels, answerable, strict=True) if not known]
        self.note = (
            f"teacher {network.path}: {kind} of {len(network.labels)} labels {network.source}, for {len(asked):,} of "
            f"{len(truth):,} training recordings{f', not for {listing(others, 40)}' if others else ''}"
        )

    def __call__(self, batch: Batch, waveforms: Tensor, precision: torch.dtype) -> Tensor:
        """See `Teachers.answers`."""
        return self.table[torch.from_numpy(batch.unchanged).to(self.table.device)]


def cached_answers(
    network: OnnxNetwork, asked: NDArray[np.int64], recordings: Recordings, batches: Batches, progress: bool
) -> NDArray[np.float32]:
    """The network's answers float32 [n, its labels] to the examples of these numbers [n].

    They are kept beside the cache of the recordings, so that a further run with the same recordings has them at once.
    Raises ModelError as `OnnxTeacher.answers`.
    """
    examples = recordings.examples
    key = hashlib.sha256("".join([network.digest, *examples.digests[: len(examples.sources)]]).encode())
    key.update(examples.source[asked].tobytes() + examples.row[asked].tobytes())
    path = cache_folder(recordings.corpus.root) / f"answers-{key.hexdigest()[:16]}.safetensors"
    with suppress(ModelError):
        file = read_tensors(path, KIND, VERSION)
        file.check({"answers": torch.zeros(len(asked), network.size)})
        return file.tensors["answers"].clone().numpy()
    answers = np.concatenate(list(each_answer(network, asked, batches, progress)))
    with suppress(OutputError):  # the next run can do without
        write_tensors(path, {"answers": torch.from_numpy(answers)}, KIND, VERSION, {"teacher": network.digest})
    return answers


def each_answer(
    network: OnnxNetwork, asked: NDArray[np.int64], batches: Batches, progress: bool
) -> Iterator[NDArray[np.float32]]:
    """The answers to the examples of these numbers, some at a time, under a progress bar."""
    from speech_lstm.progress import Bar

    name = f"{network.path.name} answers"
    with Bar(desc=name, total=len(asked), unit="clip", disable=not progress) as bar:
        for start in range(0, len(asked), CHUNK):
            numbers = asked[start : start + CHUNK]
            yield network.answers(batches.gather(numbers).cpu().numpy())
            bar.update(len(numbers))


def digest_of(paths: list[Path]) -> str:
    """A digest of the content of files; empty if there are none."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if digests else ""
