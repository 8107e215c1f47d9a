"""What can go wrong for a user. Each message is one line: what was wrong, and what to do."""

from __future__ import annotations

from importlib.util import find_spec

FAILED = 1  # exit status of a failure of ours, and where some of many files failed
INTERRUPTED = 130  # the shell's status for Ctrl-C

EXTRAS = {  # the extra of pyproject.toml that brings each package, by the name it is imported by
    "torch": "train",
    "torchaudio": "train",
    "librosa": "train",
    "safetensors": "train",
    "scipy": "train",
    "matplotlib": "train",
    "tensorboard": "train",
    "tomli_w": "train",
    "jinja2": "train",
    "sounddevice": "mic",
    "paho": "mqtt",
    "onnx": "export",
    "optuna": "study",
    "sklearn": "study",
    "psycopg": "postgresql",
}


class SpeechLSTMError(Exception):
    """A fault of what the program was given. The command line prints it and exits with `exit_status`."""

    exit_status = 2


class ConfigError(SpeechLSTMError):
    """A setting that can't be, alone or beside another."""


class RecordingError(SpeechLSTMError):
    """A file or stream that is not a usable recording."""


class CorpusError(SpeechLSTMError):
    """A folder of recordings that can't be used as asked."""


class ArchiveError(SpeechLSTMError):
    """A download or an archive that can't be fetched, verified or extracted."""


class ModelError(SpeechLSTMError):
    """A file that is not a model of this program."""


class MissingPackageError(SpeechLSTMError):
    """A package that isn't installed, and which extra brings it."""


class MicrophoneError(SpeechLSTMError):
    """An audio input that is not there, refuses, or went away."""


class ActionError(SpeechLSTMError):
    """Something that can't happen when a word is heard: no such word, program or broker."""


def require(package: str) -> None:
    """Raise MissingPackageError unless a package of an extra is installed; it isn't imported."""
    if find_spec(package) is None:
        raise MissingPackageError(advice(package))


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """What to tell the user of an import that failed; None where no extra brings what is missing."""
    package = (error.name or "").partition(".")[0]
    return MissingPackageError(advice(package)) if package in EXTRAS else None


def advice(package: str) -> str:
    return f"the package {package} is missing: pip install 'speech-lstm[{EXTRAS[package]}]'"
