"""A speech-command recogniser built on recurrent networks.

    import speech_lstm

    model = speech_lstm.load()
    model.classify("yes.wav")

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, without its import
if TYPE_CHECKING:
    from typing import Any

    from speech_lstm.errors import SpeechLSTMError
    from speech_lstm.recognition.prediction import Prediction
    from speech_lstm.recognition.recognizer import Recognizer, load

    __version__: str

__all__ = ["Prediction", "Recognizer", "SpeechLSTMError", "load"]


if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name == "SpeechLSTMError":
            from speech_lstm.errors import SpeechLSTMError

            return SpeechLSTMError
        if name in ("Prediction", "Recognizer", "load"):
            from speech_lstm.recognition import recognizer

            return getattr(recognizer, name)
        if name == "__version__":  # that of pyproject.toml
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("speech-lstm")
            except PackageNotFoundError:
                return "unknown"  # a checkout that is not installed
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
