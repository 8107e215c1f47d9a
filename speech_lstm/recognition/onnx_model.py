"""An exported model, run by ONNX Runtime without torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ModelError
from speech_lstm.model.header import check_logits, check_posteriors
from speech_lstm.model.onnx_file import KIND, STREAM_KIND, STREAM_SUFFIX, VECTOR, read_session, without_vector
from speech_lstm.recognition.posteriors import Scorer, WaveformScorer

State = dict[str, NDArray[np.generic]]  # of a stream, by the names of the inputs

# Windows at a time: more of them leave the cache, fewer load the weights more often. In int8 it is one, because
# DynamicQuantizeLSTM has one scale for a batch, and other windows must not change an answer.
BATCH = 16


class OnnxModel:
    """Scores windows by an exported file; `header` has its other facts.

    Pickled, it is the absolute path of its file and the file's seal: unpickled, in this process or another, it opens
    that file again, and raises ModelError if it is another one by then. So a process that is sent a model takes no
    copy of it through the pipe, and finds the frame-by-frame form in the same folder.
    """

    def __init__(self, path: Path) -> None:
        """Raises ModelError for a file that is not such a model, is damaged or newer than this program."""
        self.path, self.file = path, path.absolute()  # the program may go to another folder before it pickles this
        self.session, self.header = read_session(path, KIND)
        self.labels, self.detection, self.features = self.header.labels, self.header.detection, self.header.features
        self.source = self.session.facts["source"]  # the digest of the exported model, see `model.checkpoint.Model`

    @cached_property
    def batch(self) -> int:
        """Windows at a time; one of a network so large that more would exceed the limits of work."""
        return BATCH if self.session.facts["precision"] != "int8" and self.session.allows(BATCH) else 1

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.file, "seal": self.session.seal}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
        if self.session.seal != state["seal"]:
            raise ModelError(f"{self.path}: has changed since the model in it was pickled; load it again")

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxModel:
        return self  # nothing in it changes, and its session may be used from several threads

    def posteriors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of every label in windows float32 [n, CLIP_SAMPLES]: float32 [n, labels]."""
        return check_posteriors(self.run(windows, "probabilities"))

    def logits(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The posteriors before the soft-max: windows float32 [n, CLIP_SAMPLES] → float32 [n, labels]."""
        return check_logits(self.run(windows, "logits"))

    def vectors(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the head reads of windows float32 [n, CLIP_SAMPLES]: float32 [n, size].

        Raises ModelError for a file of an older version, which does not give it.
        """
        if not self.session.vector_size:
            raise without_vector(self.path)
        return check_logits(self.run(windows, VECTOR, self.session.vector_size))

    def run(self, windows: NDArray[np.float32], output: str, size: int | None = None) -> NDArray[np.float32]:
        """One of the file's outputs for windows float32 [n, CLIP_SAMPLES]: float32 [n, size], or [n, labels]."""
        rows: list[NDArray[np.float32]] = []
        batch_size = self.batch if len(windows) > 1 else 1
        for start in range(0, len(windows), batch_size):
            part = windows[start : start + batch_size]
            batch = np.ascontiguousarray(part, np.float32)  # windows may overlap in memory
            rows += self.session.run([output], {"waveforms": batch})
        if len(rows) == 1:
            return rows[0]
        return np.concatenate([np.zeros((0, size or len(self.labels)), np.float32), *rows])

    def scorer(self, hop: int) -> Scorer:
        """A scorer of the windows of a stream, `hop` samples apart: a multiple of the front end's hop.

        If the folder has the frame-by-frame form of the same network, each frame is read once. Raises ModelError as
        `stream`.
        """
        return self.stream(hop) or WaveformScorer(self.labels, hop, self.posteriors)

    def stream(self, hop: int) -> OnnxStream | None:
        """The frame-by-frame form, if the folder has it; raises ModelError if that is of another model."""
        file = self.path.with_suffix(STREAM_SUFFIX)
        if self.header.network.bidirectional or not file.exists():
            return None
        stream = OnnxStream(file, hop)
        if stream.header != self.header:
            raise ModelError(f"{file}: is of another model than {self.path}; export both again")
        return stream

    @property
    def files(self) -> tuple[Path, ...]:
        """Its file and, if there is one, that of its frame-by-frame form; raises ModelError as `stream`."""
        stream = self.stream(self.features.hop)
        return (self.file, stream.session.path) if stream else (self.file,)


class OnnxStream:
    """Scores the windows of a stream one after another and reads each frame once, by a network that reads forwards.

    The windows are `hop` samples apart, a multiple of the front end's hop.
    """

    def __init__(self, path: Path, hop: int) -> None:
        """Raises ModelError as `OnnxModel` does."""
        self.session, self.header = read_session(path, STREAM_KIND)
        self.labels, self.detection, self.hop = self.header.labels, self.header.detection, hop
        self.outputs = ["probabilities", *(f"next.{name}" for name in self.session.state)]
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self.samples = np.zeros(0, np.float32)  # from the next window's start
        self.state: State | None = None

    def __call__(self, samples: NDArray[np.float32], selected: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `posteriors.Scorer`. After a window that is not selected, the state is the initial one again."""
        joined = np.concatenate([self.samples, samples])
        rows = [np.zeros((0, len(self.labels)), np.float32)]
        for i, is_selected in enumerate(selected):
            window = joined[i * self.hop :][:CLIP_SAMPLES]
            if is_selected:
                rows.append(self.step(window if self.state is None else window[-self.hop :]))
            else:
                self.state = None
        self.samples = joined[len(selected) * self.hop :].copy()
        return np.concatenate(rows)

    def step(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The posteriors [1, labels] at the end of samples [n]: a whole window, or a hop that follows the state."""
        state = self.state or self.session.initial_state()
        posteriors, *after = self.session.run(self.outputs, {"samples": np.ascontiguousarray(samples)[None], **state})
        self.state = dict(zip(state, after, strict=True))
        return check_posteriors(posteriors)
