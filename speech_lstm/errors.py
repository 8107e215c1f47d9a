"""The errors that a user can meet. A message is one line: what is wrong, then what to do."""

from __future__ import annotations

from importlib.util import find_spec

FAILED = 1  # exit status if the program failed, or some of many files
INTERRUPTED = 130  # the shell's exit status for Ctrl-C

EXTRAS = {  # import name of a package → the extra of pyproject.toml that installs it
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
    "statsmodels": "study",
    "psycopg": "postgresql",
}


class SpeechLSTMError(Exception):
    """A fault in what the user passed. The command line prints it and exits with `exit_status`."""

    exit_status = 2


class ConfigError(SpeechLSTMError):
    """A setting that is invalid, by itself or together with another."""


class RecordingError(SpeechLSTMError):
    """A file or stream that is not a usable recording."""


class CorpusError(SpeechLSTMError):
    """A folder of recordings that cannot be used for the task."""


class ArchiveError(SpeechLSTMError):
    """An archive that cannot be downloaded, verified or unpacked."""


class ModelError(SpeechLSTMError):
    """A file that is not a valid model of this program."""


class MissingPackageError(SpeechLSTMError):
    """A package that is not installed; the message names the extra that installs it."""


class MicrophoneError(SpeechLSTMError):
    """An audio input that is missing, cannot be opened or disappeared."""


class ActionError(SpeechLSTMError):
    """An action on a word that cannot be carried out: no such word, program or broker."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())


def printable(text: str) -> str:
    """`text`, quoted if it would break the line or move the cursor."""
    return text if text.isprintable() else repr(text)


def foreign(error: BaseException, most: int = 200) -> str:
    """The message of other code, or of a file's content, in one printable line of at most `most` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text if len(text) <= most else text[: most - 1] + "…")


def brief(value: object, most: int = 60) -> str:
    """Python's form of a value, in one line of at most so many characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of more digits than Python prints
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= most else text[: most - 1] + "…"


def require(package: str) -> None:
    """Raise MissingPackageError unless the package is installed. It is not imported."""
    if find_spec(package) is None:
        raise MissingPackageError(advice(package))


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """The error for a failed import; None if no extra installs the missing package."""
    package = (error.name or "").partition(".")[0]
    return MissingPackageError(advice(package)) if package in EXTRAS else None


def advice(package: str) -> str:
    """The message that names the extra to install."""
    return f"the package {package} is missing: pip install 'speech-lstm[{EXTRAS[package]}]'"
