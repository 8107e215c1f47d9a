"""A recording → which command was spoken, and how sure the model is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.clips import find_clip, fit_clip
from speech_lstm.audio.recording import read_recording, stream_recording, to_mono_16k
from speech_lstm.audio.sources import Source
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ModelError, RecordingError, require
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.recognition.posteriors import Stream
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.trigger import HOP_SECONDS

if TYPE_CHECKING:
    import torch

    from speech_lstm.audio.mfcc import FrontEnd
    from speech_lstm.insight.inside import Inside
    from speech_lstm.model.checkpoint import Model
    from speech_lstm.model.torch_model import TorchModel

MODEL_NAME = "commands8"
ONE_WORD_SECONDS = 1.2  # a recording up to this long holds one word; a longer one is searched for commands


class Recognizer:
    """A model that is ready to hear recordings, in either form: torch is imported for the one that it needs."""

    def __init__(self, model: Model | OnnxModel, device: str | torch.device = "cpu") -> None:
        self.backend: OnnxModel | TorchModel
        if isinstance(model, OnnxModel):
            self.backend = model
        else:
            from speech_lstm.model.torch_model import TorchModel

            self.backend = TorchModel(model, device)
        self.labels, self.detection = self.backend.labels, self.backend.detection
        self.posteriors, self.logits = self.backend.posteriors, self.backend.logits

    @cached_property
    def torch_model(self) -> TorchModel:
        """What can be looked into: what computes the answers, or the model that its ONNX form was made of.

        That is MODEL.safetensors beside MODEL.onnx or MODEL.int8.onnx. Raises ModelError where it isn't there, and
        MissingPackageError without torch.
        """
        if not isinstance(self.backend, OnnxModel):
            return self.backend
        path = self.backend.path
        file = path.with_name(path.name.removesuffix(".onnx").removesuffix(".int8") + ".safetensors")
        if file.is_file() and (found := load(file).torch_model).model.digest == self.backend.source:
            return found
        raise ModelError(f"{path}: can't be looked into, for {file} is not the model that it was made of; load that")

    @property
    def model(self) -> Model:
        return self.torch_model.model

    @property
    def front_end(self) -> FrontEnd:
        return self.torch_model.front_end

    @property
    def device(self) -> torch.device:
        return self.torch_model.device

    @overload
    def classify(self, recording: list[Any] | tuple[Any, ...], rate: int | None = None) -> list[Prediction]: ...

    @overload
    def classify(self, recording: Source | NDArray[Any], rate: int | None = None) -> Prediction: ...

    def classify(self, recording: Any, rate: int | None = None) -> Prediction | list[Prediction]:
        """Say which word a recording holds.

        `recording` is a path, "-" for standard input, an open file, or samples [n] or [n, channels] with their
        `rate` in Hz; a list of those is classified as a batch. Of a recording longer than a second the loudest
        second is heard; `commands` searches all of it. Raises RecordingError.
        """
        if not isinstance(recording, (list, tuple)):
            return self.classify([recording], rate)[0]
        if not recording:
            return []
        return self.classify_waveforms([self.read(item, rate) for item in recording])

    def classify_waveforms(self, waveforms: list[NDArray[np.float32]]) -> list[Prediction]:
        """Predictions for at least one waveform, each float32 [samples], mono at 16 kHz."""
        rows = self.posteriors(np.stack([fit_clip(waveform) for waveform in waveforms]))
        return [
            Prediction.of(self.labels, row, 0.0, len(waveform) / SAMPLE_RATE)
            for row, waveform in zip(rows, waveforms, strict=True)
        ]

    def commands(
        self, recording: Source | NDArray[Any], rate: int | None = None, threshold: float | None = None
    ) -> Iterator[Prediction]:
        """Find the commands in a recording of any length, in the order of their times; memory stays bounded.

        `threshold` takes the place of those in the model file, for all words.
        """
        return self.search(self.blocks(recording, rate), threshold)

    def answers(
        self, recording: Source | NDArray[Any], rate: int | None = None, threshold: float | None = None
    ) -> Iterator[Prediction]:
        """The likeliest label of a recording of one word (up to 1.2 s), the commands in a longer one."""
        blocks = iter(self.blocks(recording, rate))
        first = next(blocks)
        if len(first) <= ONE_WORD_SECONDS * SAMPLE_RATE:
            yield from self.classify_waveforms([first])
        else:
            yield from self.search(chain([first], blocks), threshold)

    def look_inside(
        self, recording: Source | NDArray[Any], rate: int | None = None, start: float | None = None
    ) -> Inside:
        """What every gate, memory and output did with one second of a recording: the loudest, or that at `start`
        seconds. Of a long recording only a part is held in memory. Raises RecordingError, and as `torch_model` does.
        """
        require("torch")
        from speech_lstm.insight.inside import look_inside

        return look_inside(self.torch_model, *find_clip(self.blocks(recording, rate), start))

    def search(self, blocks: Iterable[NDArray[np.float32]], threshold: float | None) -> Iterator[Prediction]:
        """The commands in blocks of samples that follow each other."""
        detector = Detector(self, threshold)
        for block in blocks:
            yield from detector(block)
        yield from detector.finish()

    def stream(self, hop_seconds: float = HOP_SECONDS, gated: bool = True) -> Stream:
        """A stream of samples → rows of posteriors, one for each hop.

        That is a multiple of the front end's hop, and at most 1 s.
        """
        grid = self.backend.features.hop
        hop = min(max(1, round(hop_seconds * SAMPLE_RATE / grid)), CLIP_SAMPLES // grid) * grid
        return Stream(self.backend.scorer(hop), gated)

    def blocks(self, recording: Any, rate: int | None) -> Iterable[NDArray[np.float32]]:
        """The recording in blocks of mono float32 at 16 kHz."""
        return [self.read(recording, rate)] if isinstance(recording, np.ndarray) else stream_recording(recording)

    def read(self, recording: Any, rate: int | None) -> NDArray[np.float32]:
        """Samples or anything that can be read, as mono float32 at 16 kHz."""
        if isinstance(recording, (str, os.PathLike)) or hasattr(recording, "read"):
            return read_recording(recording)
        if rate is None:
            raise RecordingError("samples need their rate, such as rate=16000")
        return to_mono_16k(np.asarray(recording), rate)  # of torch's tensors too


def load(path: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu") -> Recognizer:
    """Load a model file, or the one that comes with the package; raises ModelError.

    A name that ends in .onnx is that of an exported one, which needs no torch and runs on the processor; so does the
    one that comes with the package, but on another device. Raises MissingPackageError for others without torch.
    """
    file = Path(path) if path is not None else bundled_model(".onnx" if str(device) == "cpu" else ".safetensors")
    if file.suffix == ".onnx":
        return Recognizer(OnnxModel(file))
    require("torch")
    from speech_lstm.model.checkpoint import load_model

    return Recognizer(load_model(file, device), device)


def bundled_model(suffix: str) -> Path:
    """The model that comes with the package, ".safetensors" or its form ".onnx": inside the package once installed,
    under checkpoints/ in the repository."""
    package, name = Path(__file__).parents[1], MODEL_NAME + suffix
    for place in (package / "models" / name, package.parent / "checkpoints" / name):
        if place.is_file():
            return place
    raise ModelError(f"the model {name} that comes with speech-lstm is missing; reinstall it or pass --model")


def one_thread() -> None:
    """Compute on one thread: for one window at a time a second one costs more in waiting than it does."""
    os.environ["OMP_NUM_THREADS"] = "1"  # which torch reads when it is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
