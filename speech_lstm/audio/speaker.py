"""Playing a recording."""

from __future__ import annotations

import numpy as np

from speech_lstm.audio.devices import reason, sounddevice
from speech_lstm.audio.native_stderr import native_stderr_silenced
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import MicrophoneError


def play(samples: np.ndarray) -> None:
    """Play float32 [samples] at 16 kHz on the default output; raises MicrophoneError where there is none."""
    binding = sounddevice()
    try:
        with native_stderr_silenced():
            binding.play(samples, SAMPLE_RATE, blocking=True)
    except (binding.PortAudioError, ValueError) as error:  # ValueError: there is no default output
        raise MicrophoneError(f"it can't be played ({reason(error)}); see the sound settings") from error
