"""The forms of an exported model: one file for whole recordings and, beside it, one that runs frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from speech_lstm.files import atomic_path
from speech_lstm.model.onnx_file import STREAM_SUFFIX


@contextmanager
def new_forms(files: Sequence[Path], out: Path) -> Iterator[list[tuple[Path, Path]]]:
    """For each file of a model, the file and a temporary one, which becomes the same form of `out`.

    The first file is the model, the second, if there is one, its frame-by-frame form. All are replaced at the end, or
    none. Raises OutputError.
    """
    with ExitStack() as stack:
        places = (out, out.with_suffix(STREAM_SUFFIX))
        yield [(file, stack.enter_context(atomic_path(place))) for file, place in zip(files, places, strict=False)]
