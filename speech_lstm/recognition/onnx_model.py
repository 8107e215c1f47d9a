"""A model file in its ONNX form, run by ONNX Runtime alone: nothing here imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ModelError
from speech_lstm.model.onnx_file import KIND, STREAM_KIND, STREAM_SUFFIX, read_session
from speech_lstm.recognition.posteriors import Scorer, WaveformScorer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

State = dict[str, NDArray[np.generic]]  # of a stream, by the names of the inputs

# Windows at a time: more of them leave the cache, fewer load the weights more often. In int8 it is one, because
# DynamicQuantizeLSTM has one scale for a batch: what else is heard must not change the answer.
BATCH = 16


class OnnxModel:
    """What scores windows; see `speech_lstm.model.header.Header` for what else the file says."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError, in one line, for a file that is no such model, is damaged or newer than this program."""
        self.path = path
        self.session, self.header = read_session(path, KIND)
        self.labels, self.detection, self.features = self.header.labels, self.header.detection, self.header.features
        self.batch = 1 if self.fact("precision") == "int8" else BATCH

    @property
    def source(self) -> str:
        """The digest of the model that the file was made of, see `speech_lstm.model.checkpoint.Model`."""
        return self.fact("source")

    def fact(self, name: str) -> str:
        """A text of the file's metadata that isn't in its header; empty where an older one hasn't it."""
        return str(json.loads(self.session.get_modelmeta().custom_metadata_map.get(name, '""')))

    def posteriors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of every label in windows float32 [n, CLIP_SAMPLES]: float32 [n, labels]."""
        return self.answers(windows, "probabilities")

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the soft-max of the posteriors is taken of: windows float32 [n, CLIP_SAMPLES] → [n, labels]."""
        return self.answers(windows, "logits")

    def answers(self, windows: NDArray[np.float32], output: str) -> NDArray[np.float32]:
        """One of the outputs for windows float32 [n, CLIP_SAMPLES]: float32 [n, labels]."""
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(windows), self.batch):
            part = windows[start : start + self.batch]
            batch = np.ascontiguousarray(part, np.float32)  # windows may overlap in memory
            found += self.session.run([output], {"waveforms": batch})
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *found])

    def scorer(self, hop: int) -> Scorer:
        """What scores the windows of a stream, `hop` samples apart: a multiple of the front end's hop.

        Where the frame-by-frame form of the same network lies beside the file, each frame is read once. Raises
        ModelError where that is another's.
        """
        beside = self.path.with_suffix(STREAM_SUFFIX)
        if self.header.network.bidirectional or not beside.exists():
            return WaveformScorer(self.labels, hop, self.posteriors)
        stream = OnnxStream(beside, hop)
        if stream.header != self.header:
            raise ModelError(f"{beside}: was made of another model than {self.path}; export both anew")
        return stream


class OnnxStream:
    """What scores the windows of a stream one after another, each frame once: of a network that reads forwards.

    The windows follow each other at `hop` samples, a multiple of the front end's.
    """

    def __init__(self, path: Path, hop: int) -> None:
        """Raises ModelError as `OnnxModel` does."""
        self.session, self.header = read_session(path, STREAM_KIND)
        self.labels, self.detection, self.hop = self.header.labels, self.header.detection, hop
        self.outputs = ["probabilities", *(f"next.{name}" for name in beginning(self.session))]
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.samples = np.zeros(0, np.float32)  # from the next window's start
        self.state: State | None = None

    def __call__(self, samples: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Hear float32 [samples] that follow those of the last call and end with a window, the last of so many new
        ones as `wanted` bool [n] has items; returns the posteriors of those wanted, float32 [wanted, labels].

        The first window begins with the first sample. After one that isn't wanted the next begins a stream anew.
        """
        held = np.concatenate([self.samples, samples])
        answers = [np.zeros((0, len(self.labels)), np.float32)]
        for i, asked in enumerate(wanted):
            window = held[i * self.hop :][:CLIP_SAMPLES]
            if asked:
                answers.append(self.hear(window if self.state is None else window[-self.hop :]))
            else:
                self.state = None
        self.samples = held[len(wanted) * self.hop :].copy()
        return np.concatenate(answers)

    def hear(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The posteriors [1, labels] at the end of these samples [n], the first of a stream or those that follow."""
        state = self.state or beginning(self.session)
        found, *after = self.session.run(self.outputs, {"samples": np.ascontiguousarray(samples)[None], **state})
        self.state = dict(zip(state, after, strict=True))
        return found


def beginning(session: InferenceSession) -> State:
    """The state of a stream of which nothing was heard, for the inputs of a frame-by-frame session by their names."""
    kinds: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    state: State = {}
    for item in session.get_inputs()[1:]:
        # Of the sizes that are free, all but the batch count what was heard: nothing.
        shape = [size if isinstance(size, int) else int(size == "batch") for size in item.shape]
        state[item.name] = np.zeros(shape, kinds[item.type])
    return state
