"""The whole export: build the files, compare them with torch, and write them only if the results agree."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from speech_lstm.config import CLIP_SAMPLES
from speech_lstm.errors import ConfigError, printable
from speech_lstm.export.graph import Floats
from speech_lstm.export.model import recording_model, stream_model
from speech_lstm.export.parity import (
    Answer,
    answer_of,
    compare_accuracy,
    compare_recordings,
    compare_stream,
    milliseconds,
)
from speech_lstm.files import atomic_path, byte_size
from speech_lstm.model.checkpoint import Model
from speech_lstm.model.onnx_file import STREAM_KIND, STREAM_SUFFIX, OnnxSession, open_model


def export(model: Model, out: Path, int8: bool = False, streaming: bool = False, data: Path | None = None) -> str:
    """Write a model as ONNX to `out`, and with `streaming` its frame-by-frame form next to it; a report to print.

    With `data` the accuracy on the testing split of the corpus there is compared too. Raises ParityError, and leaves
    no file, if float32 does not give the same logits and answers or if accuracy is lost; ConfigError for a network
    that cannot be exported; OutputError if a file cannot be written.
    """
    if out.suffix != ".onnx":
        raise ConfigError(f"{out}: the name of an ONNX file must end in .onnx")
    contents = {out: recording_model(model, int8)}
    if streaming:
        contents[out.with_suffix(STREAM_SUFFIX)] = stream_model(model, int8)
    lines = report(model, out, contents[out], int8, data)
    for path, content in list(contents.items())[1:]:
        lines += ["", *stream_report(model, path, content, int8)]
    with ExitStack() as stack:  # all of them or none
        for path, content in contents.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
    return "\n".join(lines)


def report(model: Model, path: Path, content: bytes, int8: bool, data: Path | None) -> list[str]:
    """The file for whole recordings compared with torch; raises ParityError."""
    answer = answer_with(open_model(path, content)[0])
    parity = compare_recordings(model, answer)
    if not int8:
        parity.check()
    lines = [f"{printable(path)}  {byte_size(len(content))}", f"  {parity.line()}"]
    if data is not None:
        accuracy = compare_accuracy(model, answer, data)
        accuracy.check()
        lines.append(f"  {accuracy.line()}")
    elif int8:
        lines.append("  the accuracy of int8 was not measured; name a corpus with --data")
    ours, torch = milliseconds(answer, answer_of(model))
    return [*lines, f"  one second on one thread: {ours:.2f} ms, torch {torch:.2f} ms"]


def stream_report(model: Model, path: Path, content: bytes, int8: bool) -> list[str]:
    """The frame-by-frame file compared with torch; raises ParityError."""
    session, _ = open_model(path, content, STREAM_KIND)
    parity = compare_stream(model, stream_with(session))
    if not int8:
        parity.check()
    stream, hop = stream_with(session), model.features.hop
    stream(np.zeros((1, CLIP_SAMPLES), np.float32))
    (time,) = milliseconds(lambda waveforms: stream(waveforms[:, :hop]))
    lines = [f"{printable(path)}  {byte_size(len(content))}", f"  {parity.line()}"]
    return [*lines, f"  one more frame on one thread: {time:.2f} ms"]


def answer_with(session: OnnxSession) -> Answer:
    """The logits that ONNX Runtime computes."""

    def answer(waveforms: Floats) -> Floats:
        logits: Floats = session.run(["logits"], {"waveforms": waveforms})[0]
        return logits

    return answer


def stream_with(session: OnnxSession) -> Answer:
    """The logits [1, labels] after samples [1, n] that follow those of the call before."""
    state: dict[str, Any] = session.initial_state()
    names = ["logits", *(f"next.{name}" for name in state)]

    def stream(samples: Floats) -> Floats:
        logits, *after = session.run(names, {"samples": samples} | state)
        state.update(zip(state, after, strict=True))
        return logits

    return stream
