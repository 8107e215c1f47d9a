"""The packages that only an extra of pyproject.toml brings, and what is said where one of them is missing."""

from __future__ import annotations

from importlib.util import find_spec

from speech_lstm.errors import MissingPackageError

EXTRAS = {  # of each package that is imported, by its name there
    "torch": "train",
    "torchaudio": "train",
    "librosa": "train",
    "safetensors": "train",
    "scipy": "train",
    "matplotlib": "train",
    "tensorboard": "train",
    "tomli_w": "train",
    "sounddevice": "mic",
    "paho": "mqtt",
    "onnx": "export",
    "optuna": "study",
    "sklearn": "study",
    "psycopg": "postgresql",
}


def require(package: str) -> None:
    """Raise MissingPackageError unless a package of an extra is installed; it isn't imported."""
    if find_spec(package) is None:
        raise MissingPackageError(advice(package))


def told(error: ModuleNotFoundError) -> MissingPackageError | None:
    """What to tell the user of an import that failed; None where no extra brings what is missing."""
    package = (error.name or "").partition(".")[0]
    return MissingPackageError(advice(package)) if package in EXTRAS else None


def advice(package: str) -> str:
    return f"the package {package} is missing: pip install 'speech-lstm[{EXTRAS[package]}]'"
