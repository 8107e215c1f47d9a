"""Recordings: damaged files of every format, and valid ones with extreme samples, rates and sizes."""

from __future__ import annotations

import io
import zlib
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from fuzzing.kind import ROOT, Kind, check_answers
from fuzzing.mutation import FLOATS, HEADER, INTEGERS, NOT_NUMBERS, mutate
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.recognizer import Recognizer, load

SPEAKER = "7a254b5f"
WORDS = ("yes", "stop", "left")
FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_32"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
    ("AU", "FLOAT"),
    ("CAF", "PCM_16"),
)
RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000)
MOST_ANSWERS = 200  # of one recording that are looked at
TORCH_SHARE = 8  # every so many-th recording goes to the model in torch's form


def speech(word: str) -> NDArray[np.float32]:
    """A recording of the corpus in the repository, at 16 kHz."""
    samples, _ = soundfile.read(ROOT / "data" / "demo" / word / f"{SPEAKER}_nohash_0.wav", dtype="float32")
    return samples


def encoded(samples: NDArray[np.float32], rate: int, container: str, subtype: str) -> bytes:
    """The samples as a file; the same ones give the same bytes (Ogg's are random, so those files are kept)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=container)
    content = bytearray(file.getvalue())
    if (peak := content.find(b"PEAK", 0, HEADER)) >= 0:
        content[peak + 12 : peak + 16] = bytes(4)  # the time of writing
    return bytes(content)


class Audio(Kind):
    """Recordings through `Recognizer.answers`."""

    suffix = ".wav"
    modules = ("speech_lstm.recognition.recognizer", "speech_lstm.model.torch_model")

    @cached_property
    def corpus(self) -> list[bytes]:
        """A word in each format, at the rates and channels that each allows."""
        files = []
        for number, (container, subtype) in enumerate(FORMATS):
            rate = (8_000, 16_000, 48_000)[number % 3]
            word = soxr.resample(speech(WORDS[number % 3])[3_000:11_000], 16_000, rate)
            files.append(encoded(word if number % 2 else np.stack([word] * 2, axis=1), rate, container, subtype))
        return files + [path.read_bytes() for path in sorted(Path(__file__).parent.glob("word.*"))]

    @cached_property
    def models(self) -> list[Recognizer]:
        return [load(), Recognizer(load(bundled_model(".safetensors")).model)]

    def case(self, random: Random) -> bytes:
        if random.random() < 0.3:
            return extreme(random)
        content = random.choice(self.corpus)
        return mutate(content, self.corpus, random)

    def run(self, content: bytes, folder: Path) -> None:
        path = folder / "case.wav"
        path.write_bytes(content)
        model = self.models[zlib.crc32(content) % TORCH_SHARE == 0]
        check_answers(islice(model.answers(path), MOST_ANSWERS))


def extreme(random: Random) -> bytes:
    """A valid recording of float samples, some of them extreme, at a rate and in a length of all sorts."""
    rate = random.choice(RATES)
    if random.random() < 0.1:
        rate = max(1, random.choice(INTEGERS) % 2**31)
    samples = np.concatenate([speech(random.choice(WORDS)) for _ in range(random.choice((1, 1, 2, 3)))])
    with np.errstate(all="ignore"):
        if 1_000 <= rate <= 200_000:
            samples = soxr.resample(samples, 16_000, rate)
        samples = samples * np.float32(random.choice((1.0, 1.0, 0.0, 1e-30, *FLOATS)))
    values = FLOATS if random.random() < 0.8 else FLOATS + NOT_NUMBERS
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        first = random.randrange(len(samples))
        part = samples[first : first + random.choice((1, 1, 2, 200, 5_000))]
        part[:] = random.choice(values)
        part[1::2] *= random.choice((1, -1, -1))
    samples = samples[: random.choice((0, 1, 2, 100, *[len(samples)] * 8))]
    channels = random.choice((1, 1, 1, 2, 3, 8, 64, 65, 200))
    subtype = random.choice(("FLOAT", "FLOAT", "DOUBLE"))
    frames = samples if channels == 1 else np.repeat(samples[: 400_000 // channels, None], channels, axis=1)
    return encoded(frames, rate, "WAV", subtype)
