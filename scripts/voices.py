"""Voices of text-to-speech programs, for the scripts that make spoken words.

A `Speaker` is a voice of an engine with its own pitch, vocal tract and microphone; `speak` speaks a word with it.
espeak-ng is required; flite and festival are used if they are installed.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from speech_lstm.audio.sources import AUDIO_SUFFIXES
from speech_lstm.streams.truth import Event, write_truth
from speech_lstm.streams.writing import truth_path

RATE = 16_000
CLIP = RATE  # samples of one second, the length of a clip of the archive

ESPEAK_LANGUAGES = (
    *("en-us", "en-us", "en-us", "en-gb", "en-gb"),  # repeated: drawn more often
    *("en-us-nyc", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029"),
)

# Every variant of espeak-ng 1.51 except whispers, robots, monsters and those for fast reading.
ESPEAK_VARIANTS = """Alex Alicia Andrea Andy Annie AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco
    Mario Michael Mike Nguyen RicishayMax RicishayMax2 RicishayMax3 adam anika antonio aunty belinda benjamin boris
    caleb croak david ed edward edward2 f1 f2 f3 f4 f5 grandma grandpa gustave iven iven2 iven3 iven4 john
    kaukovalta klatt klatt2 klatt4 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro
    quincy rob robert sandro shelby steph steph2 steph3 travis victor zac"""
FLITE_PITCH = {"slt": 175.0, "awb": 125.0, "rms": 100.0, "kal16": 105.0}  # the voice's own mean pitch, Hz
FESTIVAL_PITCH = {"kal_diphone": 105.0, "ked_diphone": 110.0, "cmu_us_slt_arctic_hts": 175.0}
ENGINE_SHARE = {"espeak-ng": 0.7, "flite": 0.2, "festival": 0.1}  # festival takes half a second a word


class SpeechError(RuntimeError):
    """A synthesiser is missing, failed or produced no sound."""


@dataclass(frozen=True)
class Speaker:
    """One voice with its habits.

    `pitch` is espeak-ng's 0 to 99, where 50 is the voice's own; `speed` is in words per minute. `tract` scales every
    frequency (below 1: a longer vocal tract, lower formants). `tilt` in dB per octave and `band` in Hz are the
    microphone's.
    """

    engine: str
    voice: str
    pitch: float
    speed: float
    tract: float = 1.0
    tilt: float = 0.0
    band: tuple[float, float] = (0.0, RATE / 2)

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, the same for the same speaker on every machine."""
        return hashlib.sha1(repr(self).encode()).hexdigest()[:8]


def find_engines() -> dict[str, tuple[str, ...]]:
    """The installed engines and their voices; raises SpeechError without espeak-ng."""
    if shutil.which("espeak-ng") is None:
        raise SpeechError("espeak-ng is missing: install it (apt install espeak-ng, brew install espeak-ng)")
    engines = {"espeak-ng": tuple(f"{lang}+{v}" for lang in ESPEAK_LANGUAGES for v in ESPEAK_VARIANTS.split())}
    if shutil.which("flite"):
        voices = _run(["flite", "-lv"]).decode().split()
        engines["flite"] = tuple(name for name in FLITE_PITCH if name in voices)
    if shutil.which("festival"):
        voice_list = _run(["festival", "-b", "(print (voice.list))"]).decode()
        engines["festival"] = tuple(v for v in FESTIVAL_PITCH if re.search(rf"\b{v}\b", voice_list))
    return {engine: names for engine, names in engines.items() if names}


def draw_speakers(count: int, engines: dict[str, tuple[str, ...]], rng: np.random.Generator) -> list[Speaker]:
    """`count` different speakers, with the engines in the proportions of ENGINE_SHARE."""
    names = list(engines)
    share = np.array([ENGINE_SHARE[name] for name in names])
    speakers: dict[str, Speaker] = {}
    while len(speakers) < count:
        engine = names[rng.choice(len(names), p=share / share.sum())]
        speaker = Speaker(
            engine=engine,
            voice=engines[engine][rng.integers(len(engines[engine]))],
            pitch=round(float(rng.uniform(20, 80)), 1),
            speed=round(float(rng.uniform(130, 200)), 1),
            tract=round(float(rng.uniform(0.88, 1.12)), 3),
            tilt=round(float(rng.uniform(-2.5, 2.5)), 2),
            band=(
                round(float(rng.uniform(30, 250))),
                round(float(rng.choice([8000, 8000, rng.uniform(3800, 8000)]))),
            ),
        )
        speakers[speaker.id] = speaker
    return list(speakers.values())


def speak(text: str, speaker: Speaker, speed: float = 1.0) -> np.ndarray:
    """The spoken text at `speed` times the speaker's rate: float32 [samples] at 16 kHz, |x| <= 1."""
    words_per_minute = speaker.speed * speed / speaker.tract  # the resampling below makes it tract times as fast
    engine = {"espeak-ng": _espeak, "flite": _flite, "festival": _festival}[speaker.engine]
    samples, rate = engine(text, speaker.voice, speaker.pitch, words_per_minute)
    if len(samples) == 0:
        raise SpeechError(f"{speaker.engine} produced no sound for {text!r}")
    return soxr.resample(samples, rate * speaker.tract, RATE).astype(np.float32)


def speak_clip(text: str, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """The word alone, trimmed, at most a second. A long word is spoken faster, then cut to its loudest second."""
    speed = float(rng.uniform(0.85, 1.15))
    word = trim(speak(text, speaker, speed))
    if len(word) > CLIP:
        word = trim(speak(text, speaker, speed * 1.05 * len(word) / CLIP))
    if len(word) > CLIP:
        energy = np.concatenate([[0.0], np.cumsum(word.astype(np.float64) ** 2)])
        start = int(np.argmax(energy[CLIP:] - energy[:-CLIP]))
        word = word[start : start + CLIP]
    return word


def trim(samples: np.ndarray, floor_db: float = -45.0, margin: int = RATE // 50) -> np.ndarray:
    """`samples` without the silence before and after: frames of 10 ms that are `floor_db` below the loudest one. A
    margin stays."""
    hop = RATE // 100
    frames = np.pad(samples, (0, -len(samples) % hop)).reshape(-1, hop)
    power = (frames.astype(np.float64) ** 2).mean(1)
    if power.max() < 1e-8:
        return samples[:0]
    loud = np.flatnonzero(power > power.max() * 10 ** (floor_db / 10))
    return samples[max(0, loud[0] * hop - margin) : (loud[-1] + 1) * hop + margin]


def place(word: np.ndarray, rng: np.random.Generator, length: int = CLIP) -> np.ndarray:
    """`word` at a random offset in `length` samples, more often near the middle."""
    clip = np.zeros(length, np.float32)
    start = int((length - len(word)) * rng.beta(2, 2))
    clip[start : start + len(word)] = word
    return clip


def colour(clip: np.ndarray, speaker: Speaker, rng: np.random.Generator, rooms: float = 0.5) -> np.ndarray:
    """`clip`, of any length, as the speaker's microphone records it: tilt, band, reverberation in a proportion
    `rooms` of all clips (RT60 of 0.1 to 0.4 s), a faint noise floor and a peak of 0.05 to 0.9."""
    size = CLIP * (1 + max(1, -(-len(clip) // CLIP)))  # of the transform: the clip and the longest echo
    equaliser = _equaliser(speaker, size)
    spectrum = np.fft.rfft(clip, size) * equaliser
    if rng.random() < rooms:
        spectrum *= np.fft.rfft(room(rng), size)
    speech = np.fft.irfft(spectrum, size)[: len(clip)]
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * equaliser, size)[: len(clip)]
    loudest = np.sqrt(np.max(np.convolve(speech**2, np.ones(400) / 400, "same")))  # in 25 ms
    speech += noise / noise.std() * loudest * 10 ** (-rng.uniform(30, 70) / 20)
    peak = np.exp(rng.uniform(np.log(0.05), np.log(0.9)))
    return (speech * peak / np.abs(speech).max()).astype(np.float32)


def write_clip(path: Path, clip: np.ndarray) -> None:
    """Write `clip` with 16 bits at 16 kHz, as WAV or FLAC by the name; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, clip, RATE, subtype="PCM_16")


def write_recording(path: Path, samples: np.ndarray, events: list[Event]) -> None:
    """Write a long recording as `write_clip` does, and its truth next to it."""
    write_clip(path, samples)
    with truth_path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table:
        write_truth(table, events)


def pronunciations(words: Sequence[str]) -> list[tuple[str, str]]:
    """espeak-ng's phonemes of each word in American and British English, without stress marks."""
    text = "\n\n".join(words).encode()  # the empty line makes each word a sentence, with a line of phonemes each
    spoken = []
    for language in ("en-us", "en-gb"):
        lines = _run(["espeak-ng", "-q", "-x", "-v", language, "--stdin"], text).decode().splitlines()
        lines = [re.sub(r"[',=2_ ]", "", line) for line in lines if line.strip()]
        if len(lines) != len(words):
            raise SpeechError(f"espeak-ng gave {len(lines)} pronunciations for {len(words)} words")
        spoken.append(lines)
    return list(zip(*spoken, strict=True))


def _espeak(text: str, voice: str, pitch: float, speed: float) -> tuple[np.ndarray, float]:
    flags = ["-v", voice, "-p", f"{pitch:.0f}", "-s", f"{min(max(speed, 80), 450):.0f}"]
    wav = _run(["espeak-ng", *flags, "--stdout", "--", text])
    rate = int.from_bytes(wav[24:28], "little")  # a stream's header states no lengths, so soundfile cannot read it
    return np.frombuffer(wav[44 : len(wav) - len(wav) % 2], "<i2").astype(np.float32) / 32768, rate


def _flite(text: str, voice: str, pitch: float, speed: float) -> tuple[np.ndarray, float]:
    hertz = FLITE_PITCH[voice] * _octaves(pitch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        settings = ["--setf", f"int_f0_target_mean={hertz:.1f}", "--setf", f"duration_stretch={160 / speed:.3f}"]
        _run(["flite", "-voice", voice, *settings, "-t", text, "-o", str(path)])
        return sf.read(path, dtype="float32")


def _festival(text: str, voice: str, pitch: float, speed: float) -> tuple[np.ndarray, float]:
    hertz = FESTIVAL_PITCH[voice] * _octaves(pitch)
    if voice.endswith("_hts"):  # speed as a ratio, pitch in semitones
        settings = f'(("-r" {speed / 160:.3f}) ("-fm" {12 * np.log2(_octaves(pitch)):.2f}))'
        setting = f"(set! hts_engine_params (append hts_engine_params '{settings}))"
    else:
        model = "(model_f0_mean 170) (model_f0_std 34)"  # of the intonation model that every diphone voice uses
        setting = f"(set! int_lr_params '((target_f0_mean {hertz:.1f}) (target_f0_std 14) {model}))"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        say = f'(let ((u (Utterance Text "{text}"))) (utt.synth u) (utt.save.wave u "{path}" (quote riff)))'
        stretch = f"(Parameter.set 'Duration_Stretch {160 / speed:.3f})"
        _run(["festival", "-b", f"(voice_{voice})", setting, stretch, say])
        return sf.read(path, dtype="float32")


def _octaves(pitch: float) -> float:
    """espeak-ng's 0 to 99 as a factor of a voice's mean pitch: a third of an octave down at 20, up at 80."""
    return float(2 ** ((pitch - 50) / 90))


def _equaliser(speaker: Speaker, size: int) -> np.ndarray:
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    octaves = np.log2(np.clip(frequency, 60, None) / 1000)
    low, high = speaker.band
    band = 1 / (1 + (low / np.maximum(frequency, 1)) ** 4) / (1 + (frequency / (1.02 * high)) ** 16)
    return 10 ** (speaker.tilt * octaves / 20) * band


def room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response: the direct sound, then noise that decays by 60 dB in RT60 seconds."""
    decay = rng.uniform(0.1, 0.4)
    time = np.arange(int(decay * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def _run(command: list[str], stdin: bytes | None = None) -> bytes:
    process = subprocess.run(command, input=stdin, capture_output=True)
    if process.returncode:
        raise SpeechError(f"{command[0]} failed: {process.stderr.decode(errors='replace').strip()[:200]}")
    return process.stdout


def fail(message: object) -> int:
    """Print one line on standard error; returns the exit status of a script that was used wrongly."""
    print(f"error: {message}", file=sys.stderr)
    return 2


def new_folder(text: str) -> Path:
    """`text` as a folder to fill, which must not contain recordings."""
    folder = Path(text)
    if any(path.suffix in AUDIO_SUFFIXES for path in folder.rglob("*")):
        raise argparse.ArgumentTypeError(f"{folder} already contains recordings; remove it or name another folder")
    return folder


def word_list(text: str) -> list[str]:
    """`text`, such as yes,no,up, as a list of words."""
    words = [word for word in text.lower().split(",") if word]
    if not all(word.isascii() and word.isalpha() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of words of letters, separated by commas")
    return words


def whole_number(text: str) -> int:
    """`text` as a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)
