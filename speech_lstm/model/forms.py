"""The forms of an exported model: one file for whole recordings and, beside it, one that runs frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speech_lstm.files import atomic_path
from speech_lstm.model.onnx_file import STREAM_SUFFIX


@contextmanager
def new_forms(file: Path, out: Path) -> Iterator[list[tuple[Path, Path]]]:
    """For each form of the model of `file`, its file and a temporary one, which becomes the same form of `out`.

    A model that is not ONNX has one form. All files are replaced at the end, or none. Raises OutputError.
    """
    forms = [file, file.with_suffix(STREAM_SUFFIX)] if file.suffix == ".onnx" else [file]
    with ExitStack() as stack:
        yield [
            (form, stack.enter_context(atomic_path(out if form == file else out.with_suffix(STREAM_SUFFIX))))
            for form in forms
            if form == file or form.exists()
        ]
