"""Clips of a fixed length from waveforms and recordings of any length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE, is_number
from speech_lstm.errors import RecordingError, brief


def fit_clip(waveform: np.ndarray, samples: int = CLIP_SAMPLES) -> np.ndarray:
    """`waveform`, 1-D of any length, as float32 of exactly `samples` samples.

    A shorter one gets zeros on both sides (the odd one at the end). Of a longer one the stretch with the most energy
    is kept, the first of several. Raises RecordingError if it is not 1-D.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1:
        raise RecordingError(f"a clip must be a 1-D array of samples; this one has the shape {waveform.shape}")
    missing = samples - len(waveform)
    if missing >= 0:
        clip = np.zeros(samples, np.float32)  # np.pad takes eight times as long
        clip[missing // 2 : missing // 2 + len(waveform)] = waveform
        return clip
    start, _ = loudest(waveform, samples)
    return waveform[start : start + samples].copy()


def loudest(waveform: np.ndarray, samples: int) -> tuple[int, float]:
    """The start of the stretch of `samples` with the most energy in a longer waveform, and that energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    stretches = energy[samples:] - energy[:-samples]
    start = int(np.argmax(stretches))
    return start, float(stretches[start])


def find_clip(
    blocks: Iterable[np.ndarray], start: float | None = None, samples: int = CLIP_SAMPLES
) -> tuple[np.ndarray, float]:
    """One stretch of `samples` of a recording that comes in blocks, and its start in seconds.

    It is the one at `start` seconds, or else the loudest. A shorter recording gets zeros on both sides, so its
    stretch starts before it. Of a long recording no more than a block is kept. Raises RecordingError if `start` is
    outside the recording.
    """
    if start is None:
        clip, first = _loudest_clip(blocks, samples)
        before = (samples - len(clip)) // 2
    else:
        if not is_number(start) or not abs(start) < 1e9:
            raise RecordingError(f"start is {brief(start)}; give seconds from the beginning of the recording")
        first, before = round(start * SAMPLE_RATE), 0
        clip, length = _clip_at(blocks, first, samples)
        if not len(clip):
            raise RecordingError(
                f"there is nothing at {start:g} s; the recording is {length / SAMPLE_RATE:.2f} s long"
            )
    return np.pad(clip, (before, samples - len(clip) - before)), (first - before) / SAMPLE_RATE


def _loudest_clip(blocks: Iterable[np.ndarray], samples: int) -> tuple[np.ndarray, int]:
    """The stretch of `samples` with the most energy, or all of a shorter recording, and its first sample."""
    recent, length = np.zeros(0, np.float32), 0  # the last samples, and how many there were in all
    best, first, most = recent, 0, -1.0
    for block in blocks:
        recent, length = np.concatenate([recent, block]), length + len(block)
        if len(recent) >= samples:
            place, energy = loudest(recent, samples)
            if energy > most:
                best, first, most = recent[place : place + samples].copy(), length - len(recent) + place, energy
        recent = recent[-samples:]
    return (best, first) if len(best) else (recent, 0)


def _clip_at(blocks: Iterable[np.ndarray], first: int, samples: int) -> tuple[np.ndarray, int]:
    """The samples from `first` on, at most `samples`, and how many had to be read for them."""
    parts, length = [np.zeros(0, np.float32)], 0
    for block in blocks:
        if first >= 0:
            place = slice(max(0, first - length), max(0, first + samples - length))
            parts.append(block[place].copy())  # a view would keep the block
        length += len(block)
        if length >= first + samples:
            break
    return np.concatenate(parts), length
