"""A synthetic stream of any length, drawn from a seed: scenes of words, other speech, noise and near silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speech_lstm.audio.energy import rms
from speech_lstm.config import SAMPLE_RATE, SILENCE
from speech_lstm.corpus.clip_cache import to_int16
from speech_lstm.corpus.noise import noise_of
from speech_lstm.corpus.speech_commands import Corpus, Split
from speech_lstm.errors import ConfigError
from speech_lstm.streams.truth import Event
from speech_lstm.streams.voices import Speech, Utterance, Words, fade

Kind = Literal["words", "speech", "noise", "quiet"]
WEIGHTS: dict[Kind, int] = {"words": 6, "speech": 3, "noise": 2, "quiet": 1}  # how often each kind comes
SCENE_SECONDS = (15.0, 45.0)
COMMANDS = 0.5  # share of the words that are commands
CLOSE = 0.1  # share of the gaps that are short
CLOSE_SECONDS = (0.05, 0.3)  # a short gap, from the end of a word to the next one
GAP_SECONDS = (0.5, 1.5)  # any other gap: the least, and the mean of an exponential addition
MOST_GAP_SECONDS = 6.0
SPEECH_DB = (-38.0, -26.0)  # RMS of the words in a scene, dB of full scale
NOISE_DB = (-50.0, -20.0)  # RMS of noise alone
QUIET_DB = (-80.0, -66.0)  # RMS of near silence
SPREAD_DB = 3.0  # by which the SNR of a word may differ from its scene's


@dataclass(frozen=True)
class Plan:
    """What determines a synthetic stream, together with the recordings: the same ones give the same stream."""

    split: Split
    commands: tuple[str, ...]
    seconds: float
    seed: int = 1
    snr_low_db: float = 0.0
    snr_high_db: float = 30.0
    extra: tuple[Path, ...] = ()  # folders of other speech

    def __post_init__(self) -> None:
        if self.snr_low_db > self.snr_high_db:
            raise ConfigError("snr_low_db must not be above snr_high_db")


@dataclass(frozen=True)
class Scene:
    """A stretch of the stream, int16 [samples] at 16 kHz, and its events, with times of the stream."""

    samples: NDArray[np.int16]
    events: tuple[Event, ...]


class SyntheticStream:
    """Iterating it yields the scenes that make up the stream, of which only one is held in memory.

    `notes` are lines for people about what was skipped so far. Raises CorpusError, RecordingError for unusable
    recordings.
    """

    def __init__(self, corpus: Corpus, plan: Plan) -> None:
        self.plan = plan
        self.random = np.random.default_rng(plan.seed)
        self.noise = noise_of(corpus, plan.split)
        self.words = Words(corpus, plan.split, plan.commands, self.random)
        self.speech = Speech(plan.extra, plan.commands, self.random) if plan.extra else None
        self.kinds = [kind for kind in WEIGHTS if kind != "speech" or self.speech]

    @property
    def notes(self) -> list[str]:
        return self.words.notes + (self.speech.notes if self.speech else [])

    def __iter__(self) -> Iterator[Scene]:
        total, done = round(self.plan.seconds * SAMPLE_RATE), 0
        weights = np.array([WEIGHTS[kind] for kind in self.kinds], float)
        while done < total:
            kind = self.kinds[self.random.choice(len(weights), p=weights / weights.sum())] if done else "words"
            scene = self.scene(kind, done, total - done)
            done += len(scene.samples)
            yield scene

    def scene(self, kind: Kind, start: int, most: int) -> Scene:
        """The next scene, which begins at the sample `start` and has at most `most` samples."""
        target = min(most, self.samples(SCENE_SECONDS))
        if kind == "words":
            return self.speech_scene(lambda: self.words.draw(COMMANDS), start, target, most)
        if kind == "speech" and self.speech is not None:
            return self.speech_scene(self.speech.draw, start, target, most)
        wave = self.background(target, self.random.uniform(*(QUIET_DB if kind == "quiet" else NOISE_DB)))
        event = Event(SILENCE, start / SAMPLE_RATE, (start + target) / SAMPLE_RATE)
        return Scene(to_int16(wave), (event,))

    def speech_scene(self, draw: Callable[[], Utterance], start: int, target: int, most: int) -> Scene:
        """Words or other speech over noise: at least `target` samples, if `most` allows it, with a gap at the end."""
        utterances, length = self.lay_out(draw, target, most)
        scene_snr = self.random.uniform(self.plan.snr_low_db, self.plan.snr_high_db)
        noise = self.background(length, self.random.uniform(*SPEECH_DB) - scene_snr)
        wave, scene_rms, events = noise.copy(), rms(noise), []
        low = max(self.plan.snr_low_db, scene_snr - SPREAD_DB)
        high = min(self.plan.snr_high_db, scene_snr + SPREAD_DB)
        for utterance, begin in utterances:
            snr = self.random.uniform(low, high)
            middle = begin + utterance.length // 2
            around = noise[max(0, middle - SAMPLE_RATE // 2) : middle + SAMPLE_RATE // 2]
            first = begin - utterance.onset
            # People raise their voice over noise, but do not lower it in a pause of the noise.
            gain = max(scene_rms, rms(around)) * 10 ** (snr / 20)
            wave[first : first + len(utterance.samples)] += np.float32(gain) * utterance.samples
            times = (start + begin) / SAMPLE_RATE, (start + begin + utterance.length) / SAMPLE_RATE
            events.append(Event(utterance.word, *times, snr, utterance.file))
        return Scene(to_int16(wave), tuple(events))

    def lay_out(
        self, draw: Callable[[], Utterance], target: int, most: int
    ) -> tuple[list[tuple[Utterance, int]], int]:
        """Utterances with the sample at which their word begins, and the length of the scene."""
        utterances: list[tuple[Utterance, int]] = []
        begin = self.samples((GAP_SECONDS[0], sum(GAP_SECONDS)))
        while begin < target:
            utterance = draw()
            begin = max(begin, utterance.onset)
            if begin - utterance.onset + len(utterance.samples) > most:
                return utterances, most
            utterances.append((utterance, begin))
            begin += utterance.length + self.gap()
        longest = max((at - utterance.onset + len(utterance.samples) for utterance, at in utterances), default=0)
        return utterances, min(most, max(begin, longest))

    def gap(self) -> int:
        """Samples from the end of a word to the beginning of the next."""
        if self.random.uniform() < CLOSE:
            return self.samples(CLOSE_SECONDS)
        least, more = GAP_SECONDS
        return round(min(MOST_GAP_SECONDS, least + self.random.exponential(more)) * SAMPLE_RATE)

    def background(self, length: int, level_db: float) -> NDArray[np.float32]:
        """Noise of the split from a random sample on, float32 [length], whose RMS is `level_db` of full scale."""
        start = self.random.integers(len(self.noise))
        wave = self.noise[np.arange(start, start + length) % len(self.noise)]
        return fade(wave * np.float32(10 ** (level_db / 20) / max(rms(wave), 1e-6)))

    def samples(self, seconds: tuple[float, float]) -> int:
        """A random time between two, in samples."""
        return round(self.random.uniform(*seconds) * SAMPLE_RATE)
