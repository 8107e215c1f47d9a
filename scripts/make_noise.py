"""Make short noises without speech, in a folder that training takes as extra `_silence_`.

    python scripts/make_noise.py --out data/noises --count 2000

The background noise of Speech Commands is six recordings. A microphone picks up more: knocks, dishes, clicks, puffs
of breath, rustling, hums and beeps. Each clip of a second is one of these at a random level in faint hiss, half of
them in a room. The same seed gives the same files.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from voices import CLIP, RATE, new_folder, room, whole_number, write_clip

from speech_lstm.config import SILENCE
from speech_lstm.progress import Bar

Noise = Callable[[np.random.Generator], np.ndarray]
TIME = np.arange(CLIP) / RATE  # seconds
FREQUENCY = np.fft.rfftfreq(CLIP, 1 / RATE)  # Hz


def main(arguments: list[str] | None = None) -> int:
    """Make all clips."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=new_folder, required=True, help="folder to fill")
    parser.add_argument("--count", type=whole_number, default=2000, help="number of clips")
    parser.add_argument("--seed", type=whole_number, default=1)
    options = parser.parse_args(arguments)
    for number in Bar(range(options.count), unit="clip"):
        rng = np.random.default_rng((options.seed, number))
        name, noise = list(KINDS.items())[number % len(KINDS)]
        write_clip(options.out / SILENCE / f"{name}_{number:05d}.wav", through_microphone(noise(rng), rng))
    print(f"{options.count} clips in {options.out}")
    return 0


def through_microphone(noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noise as a microphone records it: half of the time in a room, in hiss, with a peak of 0.003 to 0.9."""
    if rng.random() < 0.5:
        noise = np.fft.irfft(np.fft.rfft(noise, 2 * CLIP) * np.fft.rfft(room(rng), 2 * CLIP))[:CLIP]
    noise = noise / max(np.abs(noise).max(), 1e-9)
    hiss = coloured(rng, rng.uniform(-1, 0.2))
    noise = noise + hiss / np.abs(hiss).max() * 10 ** (-rng.uniform(15, 60) / 20)
    peak = np.exp(rng.uniform(np.log(0.003), np.log(0.9)))
    return (peak * noise / np.abs(noise).max()).astype(np.float32)


def coloured(rng: np.random.Generator, slope: float, low: float = 30, high: float = 8000) -> np.ndarray:
    """A second of noise with amplitude proportional to frequency ** slope between two frequencies in Hz."""
    gain = np.maximum(FREQUENCY, 20) ** slope * (low <= FREQUENCY) * (high >= FREQUENCY)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(CLIP)) * gain)


def after(start: float) -> np.ndarray:
    """Seconds since `start`; infinite before it, so that what decays is zero there."""
    return np.where(start <= TIME, TIME - start, np.inf)


def hits(rng: np.random.Generator, low: float, high: float, shortest: float, longest: float) -> np.ndarray:
    """One to four bodies are hit. Each rings with a few modes that decay within `shortest` to `longest` seconds."""
    wave = np.zeros(CLIP)
    for start in rng.uniform(0, 0.95, rng.integers(1, 5)):
        since, strength = after(start), rng.uniform(0.2, 1)
        wave += strength * coloured(rng, -0.2) * np.exp(-since / rng.uniform(0.001, 0.01)) * rng.uniform(0, 2)
        for frequency in np.exp(rng.uniform(np.log(low), np.log(high), rng.integers(2, 7))):
            decay = np.exp(-since / np.exp(rng.uniform(np.log(shortest), np.log(longest))))
            ring = np.sin(2 * np.pi * frequency * TIME + rng.uniform(0, 2 * np.pi))
            wave += strength * rng.uniform(0.1, 1) * decay * ring
    return wave


def knocks(rng: np.random.Generator) -> np.ndarray:
    return hits(rng, 60, 900, 0.005, 0.06)


def dishes(rng: np.random.Generator) -> np.ndarray:
    return hits(rng, 700, 7000, 0.01, 0.4)


def bursts(rng: np.random.Generator, shortest: float, longest: float, most: int) -> np.ndarray:
    """Up to `most` bursts of noise of random colour, `shortest` to `longest` seconds each."""
    wave = np.zeros(CLIP)
    for start in rng.uniform(0, 0.95, rng.integers(1, most + 1)):
        length = np.exp(rng.uniform(np.log(shortest), np.log(longest)))
        since = after(start)
        rise = np.clip(since / (length * rng.uniform(0.02, 0.5)), 0, 1)
        shape = rise * np.exp(-since / length)  # zero before the start, where `since` is infinite
        low = np.exp(rng.uniform(np.log(30), np.log(3000)))
        noise = coloured(rng, rng.uniform(-1, 0.3), low, low * rng.uniform(2, 20))
        wave += rng.uniform(0.2, 1) * shape * noise / max(noise.std(), 1e-9)
    return wave


def clicks(rng: np.random.Generator) -> np.ndarray:
    return bursts(rng, 0.001, 0.01, 8)


def puffs(rng: np.random.Generator) -> np.ndarray:
    return bursts(rng, 0.03, 0.3, 3)


def rustling(rng: np.random.Generator) -> np.ndarray:
    """Noise with a quickly varying level."""
    wander = np.fft.irfft(np.fft.rfft(rng.standard_normal(CLIP)) * (rng.uniform(3, 40) > FREQUENCY))
    return coloured(rng, rng.uniform(-1, 0.3)) * np.exp(rng.uniform(0.5, 2) * wander / wander.std())


def hums(rng: np.random.Generator) -> np.ndarray:
    """A motor or the mains: harmonics of a low tone that hardly varies."""
    base = rng.uniform(40, 250) * (1 + 0.02 * np.sin(2 * np.pi * rng.uniform(0.1, 3) * TIME))
    phase = 2 * np.pi * np.cumsum(base) / RATE
    return sum(np.sin(k * phase + rng.uniform(0, 6)) * rng.uniform(0, 1) / k for k in range(1, 15))


def beeps(rng: np.random.Generator) -> np.ndarray:
    """One to three constant or gliding tones."""
    wave = np.zeros(CLIP)
    for start in rng.uniform(0, 0.8, rng.integers(1, 4)):
        length, first = rng.uniform(0.03, 0.5), rng.uniform(200, 4000)
        inside = (start <= TIME) & (start + length > TIME)
        glide = first * np.exp(rng.choice([0, 0, rng.normal(0, 1)]) * (TIME - start))
        wave += inside * np.sin(2 * np.pi * np.cumsum(np.minimum(glide, 7000)) / RATE)
    return wave


KINDS: dict[str, Noise] = {
    "knocks": knocks,
    "dishes": dishes,
    "clicks": clicks,
    "puffs": puffs,
    "rustling": rustling,
    "hums": hums,
    "beeps": beeps,
}

if __name__ == "__main__":
    sys.exit(main())
