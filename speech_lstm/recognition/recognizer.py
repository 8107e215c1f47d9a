"""The public face of recognition: a recording → the command in it and its probability."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import find_clip, fit_clip
from speech_lstm.audio.recording import check_level, float_samples, read_recording, stream_recording, to_mono_16k
from speech_lstm.audio.sources import Source, is_source
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, commands_of, is_number
from speech_lstm.errors import ConfigError, ModelError, RecordingError, brief, printable, require
from speech_lstm.model.bundled import DEFAULT, find_model
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.recognition.posteriors import Stream
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.trigger import HOP_SECONDS, check_threshold
from speech_lstm.recognition.vocabulary import Vocabulary
from speech_lstm.report.notebook import bars, card, paragraph

if TYPE_CHECKING:
    import torch

    from speech_lstm.audio.mfcc import FrontEnd
    from speech_lstm.insight.inside import Inside
    from speech_lstm.model.checkpoint import Model
    from speech_lstm.model.torch_model import TorchModel

logger = logging.getLogger(__name__)

ONE_WORD_SECONDS = 1.2  # a recording up to this long holds one word; a longer one is searched for commands


class Recognizer:
    """Recognises recordings by a model. Only a model in torch's form imports torch.

    It may be used from several threads, and it can be copied, pickled and sent to other processes. What is pickled of
    an ONNX model is the path of its file, see `OnnxModel`; of a model in torch's form it is the model itself.
    """

    def __init__(
        self, model: Model | OnnxModel, device: str | torch.device = "cpu", words: Iterable[str] | None = None
    ) -> None:
        """Of the model's commands only `words` are recognised; None: all of them. See `Vocabulary`."""
        self.backend: OnnxModel | TorchModel
        if isinstance(model, OnnxModel):
            self.backend = model
        else:
            require("torch")
            from speech_lstm.model.torch_model import TorchModel

            self.backend = TorchModel(model, device)
        self.vocabulary = Vocabulary(self.backend.labels, words)
        self.labels, self.detection = self.vocabulary.labels, self.backend.detection

    def __repr__(self) -> str:
        levels = {label: f" {level:.2f}" for label, level in self.thresholds.items()}
        labels = ", ".join(printable(label) + levels.get(label, "") for label in self.labels)
        return f"<Recognizer of {self.origin}; labels and thresholds: {labels}>"

    def _repr_html_(self) -> str:
        """The labels with the thresholds of the commands, for notebooks."""
        rate = f"; false accepts: {self.detection.rate}" if self.detection.rate else ""
        levels = [(label, self.thresholds.get(label)) for label in self.labels]
        return card(paragraph(f"{self.origin}: labels, and thresholds of commands in a stream{rate}"), bars(levels))

    @property
    def origin(self) -> str:
        """What the model is, for people."""
        return (
            printable(self.backend.path.name) if isinstance(self.backend, OnnxModel) else f"a model on {self.device}"
        )

    @property
    def thresholds(self) -> dict[str, float]:
        """The probability from which each command is detected in a stream."""
        return {word: self.detection.threshold(word) for word in commands_of(self.labels)}

    @cached_property
    def torch_model(self) -> TorchModel:
        """The backend, or the model that an ONNX backend was exported from: the one that can be looked into.

        For MODEL.onnx and MODEL.int8.onnx that is MODEL.safetensors in the same folder. Raises ModelError if it is
        missing or another model, and MissingPackageError without torch.
        """
        if not isinstance(self.backend, OnnxModel):
            return self.backend
        path = self.backend.path
        if not self.backend.source:
            raise ModelError(
                f"{path}: a taught model cannot be looked into; load the one whose network it has, such as {DEFAULT}"
            )
        file = path.with_name(path.name.removesuffix(".onnx").removesuffix(".int8") + ".safetensors")
        if file.is_file() and (exported := load(file).torch_model).model.digest == self.backend.source:
            return exported
        raise ModelError(f"{path}: cannot be looked into: {file} is not the model that it was made of; load that one")

    @property
    def model(self) -> Model:
        return self.torch_model.model

    @property
    def front_end(self) -> FrontEnd:
        return self.torch_model.front_end

    @property
    def device(self) -> torch.device:
        return self.torch_model.device

    def posteriors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of every label in windows float32 [n, CLIP_SAMPLES]: float32 [n, labels].

        Raises RecordingError for what are no such windows.
        """
        return self.vocabulary.posteriors(self.backend.posteriors(self.windows(windows)))

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The posteriors before the soft-max: windows float32 [n, CLIP_SAMPLES] → float32 [n, labels]."""
        return self.vocabulary.logits(self.backend.logits(self.windows(windows)))

    def vectors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network's head reads of each of the windows float32 [n, CLIP_SAMPLES]: float32 [n, size].

        Sounds that are alike have vectors that are near each other. Raises ModelError for an ONNX file of a version
        that does not give them.
        """
        return self.backend.vectors(self.windows(windows))

    def windows(self, windows: Any) -> NDArray[np.float32]:
        """The argument of `posteriors`; raises RecordingError unless it is one."""
        rows = float_samples(windows)
        if rows.ndim != 2 or rows.shape[1] < self.backend.features.window:
            raise RecordingError(f"windows of shape {rows.shape}: give [windows, {CLIP_SAMPLES}], each of a second")
        check_level(rows, "the windows")
        return rows

    @overload
    def classify(self, recording: list[Any] | tuple[Any, ...], rate: int | None = None) -> list[Prediction]: ...

    @overload
    def classify(self, recording: Source | NDArray[Any], rate: int | None = None) -> Prediction: ...

    def classify(self, recording: Any, rate: int | None = None) -> Prediction | list[Prediction]:
        """Recognise the word in a recording.

        `recording` is a path, "-" for standard input, an open file, or samples [n] or [n, channels] with their
        `rate` in Hz; a list of those is classified as a batch. Of a recording longer than a second the loudest second
        is classified; `commands` searches all of it. Raises RecordingError.
        """
        if not isinstance(recording, (list, tuple)):
            return self.classify([recording], rate)[0]
        if not recording:
            return []
        return self.classify_waveforms([self.read(item, rate) for item in recording])

    def classify_waveforms(self, waveforms: list[NDArray[np.float32]]) -> list[Prediction]:
        """Predictions for at least one waveform, each float32 [samples], mono at 16 kHz, as `read` returns it."""
        rows = self.posteriors(np.stack([fit_clip(waveform) for waveform in waveforms]))
        return [
            Prediction.of(self.labels, row, 0.0, len(waveform) / SAMPLE_RATE)
            for row, waveform in zip(rows, waveforms, strict=True)
        ]

    def commands(
        self,
        recording: Source | NDArray[Any],
        rate: int | None = None,
        threshold: float | None = None,
        continuous: bool = False,
    ) -> Iterator[Prediction]:
        """Detect the commands in a recording of any length, in the order of their times, in bounded memory.

        `recording` is one of those that `classify` takes, not a list of them. `threshold` replaces those in the model
        file, for all words. If `continuous`, commands need no pauses around them, whatever the file says.
        Raises RecordingError, and ConfigError for a threshold that is not from 0 to 1.
        """
        check_threshold(threshold)
        return self.search(self.blocks(recording, rate), threshold, continuous)

    def answers(
        self,
        recording: Source | NDArray[Any],
        rate: int | None = None,
        threshold: float | None = None,
        continuous: bool = False,
    ) -> Iterator[Prediction]:
        """The likeliest label of a recording of one word (up to 1.2 s), the commands in a longer one.

        Arguments and errors are those of `commands`.
        """
        check_threshold(threshold)
        blocks = iter(self.blocks(recording, rate))
        first = next(blocks)
        if len(first) <= ONE_WORD_SECONDS * SAMPLE_RATE:
            yield from self.classify_waveforms([first])
        else:
            yield from self.search(chain([first], blocks), threshold, continuous)

    def look_inside(
        self, recording: Source | NDArray[Any], rate: int | None = None, start: float | None = None
    ) -> Inside:
        """Every gate, memory and output during one second of a recording: the loudest, or that at `start` seconds.

        It shows the whole network, so its answer is one of all labels. Only a part of a long recording is in memory.
        Raises RecordingError, and the errors of `torch_model`.
        """
        require("torch")
        from speech_lstm.insight.inside import look_inside

        return look_inside(self.torch_model, *find_clip(self.blocks(recording, rate), start))

    def search(
        self, blocks: Iterable[NDArray[np.float32]], threshold: float | None, continuous: bool
    ) -> Iterator[Prediction]:
        """The commands in successive blocks of samples."""
        detector = Detector(self, threshold, continuous=continuous)
        for block in blocks:
            yield from detector(block)
        yield from detector.finish()

    def stream(self, hop_seconds: float = HOP_SECONDS, gated: bool = True) -> Stream:
        """A stream of samples → rows of posteriors, one for each hop.

        The hop is rounded to a multiple of the front end's, and at most 1 s. Raises ConfigError unless it is a number
        above 0.
        """
        if not is_number(hop_seconds) or not 0 < hop_seconds < math.inf:
            raise ConfigError(f"hop_seconds is {brief(hop_seconds)}; it must be a number above 0, such as 0.1")
        grid = self.backend.features.hop
        hop = min(max(1, round(min(hop_seconds, 1) * SAMPLE_RATE / grid)), CLIP_SAMPLES // grid) * grid
        return Stream(self.vocabulary.scorer(self.backend.scorer(hop)), gated)

    def blocks(self, recording: Any, rate: int | None) -> Iterable[NDArray[np.float32]]:
        """The recording in blocks of mono float32 at 16 kHz."""
        if isinstance(recording, (list, tuple)):
            raise RecordingError(
                "a list is not one recording: only `classify` takes several; give samples as a NumPy array"
            )
        return stream_recording(recording) if is_source(recording) else [self.read(recording, rate)]

    def read(self, recording: Any, rate: int | None) -> NDArray[np.float32]:
        """A recording or samples as mono float32 at 16 kHz."""
        if is_source(recording):
            return read_recording(recording)
        samples = float_samples(recording)  # of torch's tensors too
        if rate is None:
            raise RecordingError("samples need their rate, such as rate=16000")
        return to_mono_16k(samples, rate)


def load(
    path: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    words: Iterable[str] | None = None,
) -> Recognizer:
    """Load a model file, or a bundled model by its name, see `find_model`; None is the default one.

    Of its commands only `words` are recognised, and the probabilities of the others count as `_unknown_`; None: all.
    A file whose name ends in .onnx is an exported model, which runs on the CPU and needs no torch. So does a bundled
    model, unless `device` is another one. Other files raise MissingPackageError without torch.
    Raises ModelError, and ConfigError for a device that is not there or a word that is not a command of the model.
    """
    file = find_model(DEFAULT if path is None else path, ".onnx" if str(device) == "cpu" else ".safetensors")
    logger.debug("loading %s", printable(file))
    if file.suffix == ".onnx":
        return Recognizer(OnnxModel(file), words=words)
    require("torch")
    from speech_lstm.model.checkpoint import load_model
    from speech_lstm.model.torch_model import usable_device

    return Recognizer(load_model(file, usable_device(device)), device, words)


def one_thread() -> None:
    """Compute on one thread: for one window at a time a second one would cost more than it saves."""
    os.environ["OMP_NUM_THREADS"] = "1"  # which torch reads when it is imported
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
