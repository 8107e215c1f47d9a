"""The models that the package includes, found by their names. Each is a card, NAME.md, with its files beside it.

Nothing heavy is imported here, so `--help` answers at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from speech_lstm.errors import ModelError, brief

DEFAULT = "commands8"  # the model that is used if none is named


def folder() -> Path:
    """The folder of the bundled models: in the installed package, or checkpoints/ of the repository."""
    package = Path(__file__).parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def names() -> tuple[str, ...]:
    """The names of the bundled models, sorted."""
    return tuple(sorted(card.stem for card in folder().glob("*.md")))


def bundled_model(suffix: str, name: str = DEFAULT) -> Path:
    """The file of a bundled model with this suffix, such as ".onnx"; raises ModelError if it is missing."""
    file = folder() / f"{name}{suffix}"
    if not file.is_file():
        raise ModelError(f"the bundled model {file.name} is missing; reinstall speech-lstm or name another model")
    return file


def find_model(model: Any, form: str) -> Path:
    """The file of a model, which is named by a path or, if it is bundled, by its name: then that of this form.

    `form` is ".onnx" or ".safetensors". A name is a text without a folder and without a suffix. It means the bundled
    model also if the working folder has a file of that name, which is then "./NAME" or a `Path`. Raises ModelError
    for what cannot be a path, and for a name that is neither a bundled model nor a file.
    """
    path = model_path(model)
    if not isinstance(model, str) or path.name != model or path.suffix:
        return path
    if model in names():
        return bundled_model(form, model)
    if not os.path.exists(path):  # noqa: PTH110  (Path.exists raises for a name that is too long)
        raise ModelError(f"{model}: no such file, and no bundled model; the bundled models are {', '.join(names())}")
    return path


def model_path(path: Any) -> Path:
    """The path of a model file as a Path; raises ModelError for what cannot be one."""
    try:
        name = os.fspath(path)
    except TypeError:
        name = None
    if not isinstance(name, str) or not name or "\0" in name:
        raise ModelError(
            f"{brief(path)} is not the path of a model; give a file that `train` or `export` wrote, or the name of a "
            f"bundled model: {', '.join(names())}"
        )
    return Path(name)
