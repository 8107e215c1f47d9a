"""Takes of a typed word that nobody has recorded, spoken by espeak-ng: less like a person than a recording is."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.energy import frame_levels
from speech_lstm.audio.recording import read_recording
from speech_lstm.errors import ConfigError, MissingPackageError, brief, foreign
from speech_lstm.teaching.bank import Floats

PROGRAM = "espeak-ng"
LANGUAGES = ("en-us", "en-gb")
VOICES = (  # variants of every language that sound like people
    *("", "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("Alicia", "belinda", "edward", "linda", "max", "michael"),
)
SPEEDS = (130, 160, 190)  # words per minute
PITCHES = (40, 50, 60)  # of 0 to 99; 50 is the voice's own
QUIETEST = -60.0  # dBFS of the louder frames; below it nothing was said
LONGEST_SECONDS = 30.0


def spoken_takes(word: str, languages: Sequence[str] = LANGUAGES) -> list[Floats]:
    """A take of the word by each of the VOICES, which take turns in the languages: float32 [CLIP_SAMPLES] each.

    Raises MissingPackageError without espeak-ng, and ConfigError for a language that it does not speak and for a word
    of which it says nothing.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise MissingPackageError(
            f"--say needs {PROGRAM}, which is missing: install it (apt install espeak-ng, brew install espeak-ng), "
            "or record the word with `speech-lstm teach WORD`"
        )
    takes = []
    with tempfile.TemporaryDirectory() as folder:
        for i, variant in enumerate(VOICES):
            file = Path(folder) / f"{i}.wav"
            voice = languages[i % len(languages)] + (f"+{variant}" if variant else "")
            numbers = ["-s", str(SPEEDS[i % len(SPEEDS)]), "-p", str(PITCHES[i // len(SPEEDS) % len(PITCHES)])]
            run = subprocess.run(
                [program, "-v", voice, *numbers, "-w", str(file), "--", word], capture_output=True, check=False
            )
            if run.returncode:
                reason = foreign(run.stderr.decode(errors="replace"))
                raise ConfigError(f"{PROGRAM} cannot speak {brief(voice)} ({reason}); `{PROGRAM} --voices` lists all")
            takes.append(fit_clip(read_recording(file, LONGEST_SECONDS)))
    if max(np.percentile(frame_levels(take), 90) for take in takes) < QUIETEST:
        raise ConfigError(f"{PROGRAM} says nothing of {brief(word)}; spell it as it is spoken")
    return takes
