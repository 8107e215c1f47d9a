"""The file of a taught model: the encoder of the model it was taught, the new head, and what it was learnt from.

What it was learnt from are points, no sound: with them, words can be added to it and removed from it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from speech_lstm.config import DetectionConfig
from speech_lstm.errors import ModelError, foreign
from speech_lstm.model.header import Header
from speech_lstm.model.onnx_file import STREAM_KIND, read_content, read_session, without_vector
from speech_lstm.model.onnx_head import Head, with_head
from speech_lstm.recognition.onnx_model import OnnxModel
from speech_lstm.teaching.bank import Space, quantised, unit
from speech_lstm.teaching.lesson import Take, Taught

FACT = "teaching"  # among the training facts of a header
THRESHOLD = 0.5  # of a taught word: see `lesson.teach`
SMOOTHING = 0.4  # seconds
ISOLATION = 6.0  # dB: by how much the pauses around a taught word lie below it


@dataclass
class Memory:
    """What a taught model remembers."""

    source: str  # the digest of the model whose encoder it has
    words: dict[str, list[Take]] = field(default_factory=dict)  # taught by takes
    kept: tuple[str, ...] = ()  # of the bank
    others: list[Take] = field(default_factory=list)

    @classmethod
    def of(cls, model: OnnxModel) -> Self:
        """That of a model, empty if it is none that was taught. Raises ModelError for a damaged one."""
        facts = model.header.training.get(FACT)
        if facts is None:
            return cls(model.source)
        try:
            words = {word: [decoded(text) for text in texts] for word, texts in facts["words"].items()}
            return cls(facts["source"], words, tuple(facts["kept"]), [decoded(text) for text in facts["others"]])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{model.path}: what it was taught is damaged ({foreign(error)}); teach it again from the takes"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "words": {word: [encoded(take) for take in takes] for word, takes in self.words.items()},
            "kept": list(self.kept),
            "others": [encoded(take) for take in self.others],
        }


def detection_of(taught: Taught, rate: float) -> DetectionConfig:
    """How the words are detected, before anything of the user's room is known."""
    thresholds = dict.fromkeys(taught.rates, THRESHOLD)
    return DetectionConfig(thresholds, rate, SMOOTHING, ISOLATION, sound="continuous speech")


def taught_file(
    model: OnnxModel, form: Path, space: Space, taught: Taught, memory: Memory, detection: DetectionConfig
) -> bytes:
    """The content of a taught model with the encoder of `model`, in the form of the file `form` of that model.

    Raises ModelError if that cannot be read, or does not give the vector that a head reads.
    """
    old = model.header
    header = Header(taught.labels, old.features, old.network, detection, {FACT: memory.to_dict()})
    head = Head(space.projection, space.offset, *taught.head)
    if form != model.file and not read_session(form, STREAM_KIND)[0].vector_size:
        raise without_vector(form)
    return with_head(read_content(form), head, header, model.session.facts["precision"], "")


def encoded(take: Take) -> str:
    """Points as a text."""
    return f"{take.shape[1]}:{base64.b64encode(quantised(take).tobytes()).decode()}"


def decoded(text: str) -> Take:
    """The points of a text; raises ValueError."""
    size, _, data = text.partition(":")
    points = np.frombuffer(base64.b64decode(data, validate=True), np.int8).reshape(-1, int(size))
    return unit(points.astype(np.float32))
