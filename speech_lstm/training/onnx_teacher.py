"""A foreign network in an ONNX file, whose answers to recordings are learnt; see `teachers`."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.corpus.speech_commands import listing
from speech_lstm.errors import ConfigError, ModelError, foreign, lacks_memory
from speech_lstm.model.onnx_file import check_seal, open_session, read_content

RATES = ("rate", "sample_rate", "sampling_rate")  # entries of the metadata that state the rate, Hz
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")  # ONNX Runtime's names of types
WAVEFORM = (1, CLIP_SAMPLES)  # shape of the input; free sizes may be these
CLOSE = 1e-2  # how far probabilities may be from adding up to 1, in the mean: those of int8 are rounded


class OnnxNetwork:
    """A network from waveforms float32 [1, CLIP_SAMPLES] to a vector [1, size], its first output.

    ONNX Runtime runs it as it is, unlike a model of this program: the user has chosen it.
    """

    def __init__(self, path: Path, role: str) -> None:
        """`role` is what errors call it. Raises ModelError for a file that is not such a network."""
        content = read_content(path)
        check_seal(path, content)
        self.path, self.role, self.digest = path, role, hashlib.sha256(content).hexdigest()
        self.session = open_session(path, content)
        facts = self.session.get_modelmeta().custom_metadata_map
        for name in RATES:
            if facts.get(name, str(SAMPLE_RATE)) not in (str(SAMPLE_RATE), f"{SAMPLE_RATE}.0"):
                raise self.error(f"needs sound of {foreign(facts[name], 20)} Hz, not {SAMPLE_RATE}")
        self.input, self.output = self.interface()
        self.size = self.answer(np.zeros(WAVEFORM, np.float32)).size

    def error(self, text: str) -> ModelError:
        return ModelError(f"the {self.role} {self.path} {text}")

    def interface(self) -> tuple[str, str]:
        """The names of its input and first output; raises ModelError unless they are those of a teacher."""
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1:
            raise self.error(f"has {len(inputs)} inputs; it must have one, for waveforms")
        kind, shape = inputs[0].type, inputs[0].shape
        free = [size if isinstance(size, int) else right for size, right in zip(shape, WAVEFORM, strict=False)]
        if kind != FLOATS[0] or len(shape) != len(WAVEFORM) or tuple(free) != WAVEFORM:
            described = f"{foreign(kind, 40)} {foreign(shape, 60)}"
            raise self.error(f"has the input {described}; it must be tensor(float) [1, {CLIP_SAMPLES}]")
        if outputs[0].type not in FLOATS:
            raise self.error(f"answers {foreign(outputs[0].type, 60)}; it must answer numbers")
        return inputs[0].name, outputs[0].name

    def answer(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its first output for one waveform float32 [1, CLIP_SAMPLES]: float32 [size]; raises ModelError."""
        try:
            (answer,) = self.session.run([self.output], {self.input: waveform})
        except Exception as error:  # the classes of ONNX Runtime's come from C++ and have no common base
            if lacks_memory(error):
                raise
            raise self.error(f"cannot be run ({foreign(error)})") from None
        if answer.ndim != 2 or len(answer) != 1:
            raise self.error(f"gives {foreign(list(answer.shape), 60)} answers for a recording; it must give [1, N]")
        return np.asarray(answer[0], np.float32)

    def answers(self, waveforms: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its answers to recordings float32 [n, CLIP_SAMPLES], one by one: float32 [n, size].

        As many threads as torch has share them. Raises ModelError for answers that are not numbers.
        """
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            answers = np.stack(list(pool.map(self.answer, waveforms[:, None])))
        if not np.isfinite(answers).all():
            raise self.error("answers a recording with values that are not numbers")
        return answers


class OnnxTeacher(OnnxNetwork):
    """A network whose vector has logits or probabilities of labels."""

    def __init__(self, path: Path, labels: str) -> None:
        """`labels` are its labels if its metadata names none; see `names_in`.

        Raises ModelError for a file that is not such a network, and ConfigError without labels or with one twice.
        """
        super().__init__(path, "teacher")
        own = names_in(self.session.get_modelmeta().custom_metadata_map.get("labels", ""))
        self.labels, self.source = (own, "in the file") if own else (names_in(labels), "of teacher_labels")
        if not self.labels:
            raise ConfigError(f"the teacher {self.path} does not name its labels; name them with teacher_labels")
        if len(set(self.labels)) < len(self.labels):
            raise ConfigError(f"the labels of the teacher {self.path} name one twice: {listing(self.labels, 40)}")
        if self.size != len(self.labels):
            raise self.error(
                f"gives {self.size} answers for a recording, but its labels {self.source} are {len(self.labels)}: "
                f"{listing(self.labels, 40)}"
            )

    def posteriors(self, answers: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
        """Answers [n, labels] as probabilities, and what they were: probabilities or logits.

        Raises ModelError for numbers from 0 to 1 that are neither.
        """
        lowest, highest, totals = answers.min(), answers.max(), answers.sum(1, keepdims=True)
        if lowest < 0 or highest > 1 + CLOSE:
            return softmax(answers, axis=1), "logits"
        if np.abs(totals - 1).mean() < CLOSE:
            return answers / np.maximum(totals, CLOSE), "probabilities"
        raise self.error(
            "answers numbers from 0 to 1 that do not add up to 1; it must answer logits or probabilities"
        )


def names_in(text: str) -> tuple[str, ...]:
    """The names in a JSON list, or separated by commas or blanks."""
    try:
        names: Any = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    return tuple(map(str, names)) if isinstance(names, list) else tuple(text.replace(",", " ").split())
