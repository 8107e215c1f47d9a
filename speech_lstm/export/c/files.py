"""The whole export to C: the integers of a model, compared with it, and a folder of sources."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy.special import softmax

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import ConfigError, ModelError, printable
from speech_lstm.export.c.integers import IntegerModel, integer_model
from speech_lstm.export.c.reference import window_logits
from speech_lstm.export.c.source import source_files
from speech_lstm.export.graph import Floats
from speech_lstm.export.parity import BATCH, Answer, answer_of, compare_accuracy, demo_recordings
from speech_lstm.files import atomic_path, byte_size
from speech_lstm.model.checkpoint import Model

MOST_CHANGE = 0.03  # of the likeliest label's probability, in the mean of the recordings


def export_c(model: Model, folder: Path, data: Path | None = None) -> str:
    """Write a model as C into a new or empty folder; a report to print.

    With `data` the accuracy on the testing split of the corpus there is compared too. Raises ConfigError for a
    network that the C cannot compute and for a folder that is not empty, ModelError for weights that do not fit into
    its integers, OutputError if a file cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not an empty folder; name a new one")
    integers = integer_model(model)

    def answer(waveforms: Floats) -> Floats:
        return window_logits(integers, waveforms)

    lines = [printable(folder), f"  {comparison(model, answer)}"]
    if data is not None:
        lines.append(f"  {compare_accuracy(model, answer, data).line()}")
    with ExitStack() as stack:  # all of them or none
        for name, text in source_files(integers).items():
            stack.enter_context(atomic_path(folder / name)).write_text(text, encoding="utf-8")
    return "\n".join([*lines, f"  {cost(integers)}"])


def comparison(model: Model, answer: Answer) -> str:
    """The integers compared with torch, in a line; raises ModelError if they change the answers too much."""
    demo = demo_recordings()
    recordings = demo if len(demo) else np.random.default_rng(0).normal(0, 0.1, (50, CLIP_SAMPLES)).astype(np.float32)
    batches = [recordings[start : start + BATCH] for start in range(0, len(recordings), BATCH)]
    torch = np.concatenate([answer_of(model)(batch) for batch in batches])
    ours = np.concatenate([answer(batch) for batch in batches])
    best = torch.argmax(1)
    rows = np.arange(len(best))
    change = np.abs(softmax(torch, 1) - softmax(ours, 1))[rows, best]
    line = (
        f"same answer as the model for {int((ours.argmax(1) == best).sum()):,} of {len(best):,} recordings, "
        f"its probability changes by {change.mean():.4f} in the mean"
    )
    if change.mean() > MOST_CHANGE:
        raise ModelError(f"the model's weights do not fit into 8 bits: {line}; train with more --weight-decay")
    return line


def cost(model: IntegerModel) -> str:
    """The bytes of the weights, and the multiplications of the network for a second of sound."""
    frames = SAMPLE_RATE / model.model.features.hop
    layers = sum(part.weights.size for layer in model.layers for part in (layer.input, layer.recurrent))
    return (
        f"{byte_size(model.weight_bytes)} of weights, {layers * frames / 1e6:.1f} million products a second of sound"
    )
