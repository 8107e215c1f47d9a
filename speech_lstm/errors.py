"""The errors that a user can meet. A message is one line: what is wrong, then what to do."""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec

# A program that uses the package chooses what is shown of its log; without a handler Python would print warnings.
# This is not done in the package itself, whose import is to be short.
logging.getLogger("speech_lstm").addHandler(logging.NullHandler())

LONGEST = 1000  # characters of a line on standard error
FOREIGN = 200  # characters of a message of other code in such a line
USER_SECRET = re.compile(r"(\w://[^\s/:@]*:)[^\s]*@")  # `http://user:password@`; a password may hold @ and /
TOKEN = re.compile(r"(https?://)[^\s/:@?#]+@", re.IGNORECASE)  # `http://token@host`
QUERY_SECRET = re.compile(r"([?&;][\w-]*(?:passw|pwd|token|secret|signature|key)[\w-]*=)[^\s&;#'\"]+", re.IGNORECASE)

FAILED = 1  # exit status if the program failed, or some of many files
INTERRUPTED = 130  # the shell's exit status for Ctrl-C
SCARCE = (  # what PyTorch, NumPy and the loader of libraries say when there is no memory
    "could not create a primitive",
    "allocate memory",
    "out of memory",
    "bad_alloc",
    "failed to map segment",
)

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
    "wyoming": "wyoming",
    "zeroconf": "wyoming",
    "ifaddr": "wyoming",
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


class OutOfMemoryError(SpeechLSTMError):
    """Too little memory for the work."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory; each library says it in its own way."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError) and any(phrase in str(error).lower() for phrase in SCARCE)
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())


def foreign(error: object, most: int = FOREIGN) -> str:
    """The message of other code, or of a file's content, in one printable line of at most `most` characters."""
    return printable(" ".join(str(error).split()) or type(error).__name__, most)


def printable(text: object, most: int | None = None) -> str:
    """`text` in one line for a terminal, with an ellipsis in the middle if it has more than `most` characters.

    Whatever breaks a line or moves the cursor becomes its backslash escape, as a byte that is not UTF-8 does.
    """
    line = str(text)
    if most is not None and len(line) > most:
        line = f"{line[: 2 * most // 3]}…{line[len(line) - most // 3 + 1 :]}"
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    return line if most is None or len(line) <= most else printable(line, most)


def masked(text: str) -> str:
    """`text` with *** for the passwords in addresses: `user:password@` and `?password=`."""
    text = TOKEN.sub(r"\1***@", USER_SECRET.sub(r"\1***@", text))
    return QUERY_SECRET.sub(r"\1***", text)


def print_error(error: object) -> None:
    """Print an error's message as one line on standard error, without passwords."""
    print_line(f"speech-lstm: {error}")


def print_note(note: object) -> None:
    """Print a note for people as one line on standard error, without passwords."""
    print_line(f"note: {note}")


def print_line(text: str) -> None:
    """Print one line of bounded length on standard error, without passwords."""
    if sys.stderr is not None:  # else `print` would choose standard output
        with suppress(OSError, ValueError):  # nobody reads it any more
            print(printable(masked(text), LONGEST), file=sys.stderr, flush=True)


def nearest(name: str, known: Iterable[str]) -> str:
    """The question whether one of the known names is meant, if one resembles `name`; else empty.

    The dashes before a flag do not make it resemble another.
    """
    from difflib import get_close_matches

    names, given = {other.lstrip("-"): other for other in known}, name[:40].lstrip("-")
    near = get_close_matches(given, names, 1) or get_close_matches(given.lower(), names, 1)
    return f"did you mean {names[near[0]]!r}?" if near else ""


def log_line(logger: logging.Logger, text: str, shown: bool, level: int = logging.INFO) -> None:
    """Log a line, and print it on standard error if it is to be `shown`; without passwords in either."""
    logger.log(level, "%s", printable(masked(text), LONGEST))
    if shown:
        print_line(text)


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
