"""One reader for any recording: out comes mono float32 at 16 kHz, nominally in ±1."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import soundfile

from speech_lstm.audio.sources import Source, decoder_reason, opened, source_name, unreadable
from speech_lstm.config import CLIP_SAMPLES, SAMPLE_RATE
from speech_lstm.errors import RecordingError, printable

_WAV = {".wav", ".wave", ".w64", ".rf64"}
AUDIO_SUFFIXES = frozenset(
    {*_WAV, ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
)
MOST_CHANNELS = 64
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; beyond them a header is wrong rather than rare
VALUES_PER_READ = 1 << 18  # samples × channels decoded at once: 1 MiB, whatever the file


class Sound(Protocol):
    """What is decoded of an open sound."""

    channels: Any
    samplerate: Any
    frames: Any

    def read(self, frames: int, dtype: str, always_2d: bool) -> np.ndarray: ...


def stream_recording(source: Source, block_seconds: float = 30.0) -> Iterator[np.ndarray]:
    """Read a recording of any length in bounded memory.

    Yields 1-D float32 arrays of round(block_seconds · 16000) samples at 16 kHz, the last one shorter; joined
    they are `read_recording(source)`, whatever the block size. Channels are averaged. Nothing is opened
    before the first block is asked for. Raises RecordingError for what is not a usable recording; a cut FLAC
    file or a sample that is not a number can only be noticed where it is met, after the blocks before it.
    """
    size = round(block_seconds * SAMPLE_RATE)
    if size < 1:
        raise RecordingError(f"blocks of {block_seconds} s hold no sample; take longer ones")
    held: list[np.ndarray] = []
    count = 0
    for piece in _pieces(source):
        held.append(piece)
        count += len(piece)
        if count >= size:
            joined = np.concatenate(held)
            whole = count - count % size
            for start in range(0, whole, size):
                yield joined[start : start + size].copy()  # a view would keep all of `joined`
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def read_recording(source: Source, max_seconds: float | None = None) -> np.ndarray:
    """All of a recording as a 1-D float32 array at 16 kHz, channels averaged.

    Raises RecordingError for what is not a usable recording, and for one longer than `max_seconds`, having
    read little more than that of it.
    """
    pieces = []
    count = 0
    for piece in _pieces(source):
        pieces.append(piece)
        count += len(piece)
        if max_seconds is not None and count > max_seconds * SAMPLE_RATE:
            raise RecordingError(f"{source_name(source)}: is longer than {max_seconds:g} s; cut it")
    return np.concatenate(pieces)


def fit_clip(waveform: np.ndarray, samples: int = CLIP_SAMPLES) -> np.ndarray:
    """`waveform`, 1-D of any length, as float32 of exactly `samples` samples.

    A shorter one gets zeros on both sides (the odd one behind), of a longer one the stretch with the most
    energy is kept, the first of several. Raises RecordingError if it is not 1-D.
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
    """Where the stretch of `samples` with the most energy begins in a longer waveform, and that energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    stretches = energy[samples:] - energy[:-samples]
    start = int(np.argmax(stretches))
    return start, float(stretches[start])


def find_clip(
    blocks: Iterable[np.ndarray], start: float | None = None, samples: int = CLIP_SAMPLES
) -> tuple[np.ndarray, float]:
    """One stretch of `samples` of a recording that comes in blocks, and the second at which it begins.

    It is the one at `start` seconds, or else the loudest. A recording that is shorter gets zeros on both sides, so
    that the stretch begins before it. Of a long recording no more than a block is held. Raises RecordingError
    where `start` lies outside the recording.
    """
    held, heard = np.zeros(0, np.float32), 0  # the end of what was heard, and how many samples that were in all
    wanted = None if start is None else round(start * SAMPLE_RATE)
    best, place, most = held, 0, -1.0
    for block in blocks:
        held, heard = np.concatenate([held, block]), heard + len(block)
        first = heard - len(held)
        if wanted is not None and first <= wanted < heard:
            best, place = held[wanted - first : wanted - first + samples], wanted
            if len(best) == samples:
                break
        elif wanted is None and len(held) >= samples:
            at, energy = loudest(held, samples)
            if energy > most:
                best, place, most = held[at : at + samples].copy(), first + at, energy
        held = held[-samples:]
    if wanted is not None and not len(best):
        raise RecordingError(f"there is nothing at {start:g} s; the recording is {heard / SAMPLE_RATE:.2f} s long")
    clip = best if len(best) else held
    missing = samples - len(clip)
    before = 0 if wanted is not None else missing // 2
    return np.pad(clip, (before, missing - before)), (place - before) / SAMPLE_RATE


def to_mono_16k(samples: Any, rate: float) -> np.ndarray:
    """Samples in memory, [n] or [n, channels] at `rate` Hz, as 1-D float32 at 16 kHz, channels averaged.

    Floats are taken as they are; 8, 16 and 32-bit integers are scaled to ±1 by their type's range, as when
    read from a file. Raises RecordingError for other types and shapes, NaN or infinite samples, and
    impossible rates.
    """
    array = np.asarray(samples)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise RecordingError(f"samples of shape {array.shape}: give [samples] or [samples, channels]")
    if array.shape[1] > MOST_CHANNELS and array.shape[0] <= MOST_CHANNELS:
        raise RecordingError(f"samples of shape {array.shape}: give [samples, channels], the other way round")
    if not isinstance(rate, (int, float, np.integer, np.floating)) or not math.isfinite(rate):
        raise RecordingError(f"the rate is {rate!r}; give the samples per second as a number")
    _check_format("the samples", array.shape[1], float(rate))
    if not len(array):
        raise RecordingError("the samples: there are none")
    mono = _mono(_as_float(array), "the samples", 0, float(rate))
    if rate == SAMPLE_RATE:
        return mono
    import soxr

    resampled = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    if not len(resampled):
        raise RecordingError("the samples: too few to resample")
    return resampled


def find_recordings(paths: Iterable[str | os.PathLike[str]]) -> list[Path | Literal["-"]]:
    """The recordings that `paths` mean: files as given, "-" as itself, folders searched.

    A folder is searched with its sub-folders for names that end in one of AUDIO_SUFFIXES, in sorted order,
    hidden names left out. Raises RecordingError for a path that isn't there and a folder without a recording.
    """
    found: list[Path | Literal["-"]] = []
    for given in paths:
        if os.fspath(given) != "-":
            found.extend(_expand(os.fspath(given)))
        elif "-" in found:
            raise RecordingError("standard input (-) can be read only once; give it once")
        else:
            found.append("-")
    return found


def _expand(given: str) -> list[Path]:
    name, path = printable(given), Path(given)
    try:
        if path.is_dir() and given:  # Path("") would be the current folder
            if inside := _search(path):
                return inside
            kinds = ", ".join(sorted(AUDIO_SUFFIXES))
            raise RecordingError(f"{name}: a folder without a recording ({kinds})")
        if path.exists() and given:
            return [path]
    except OSError as error:
        raise unreadable(name, error) from error
    raise RecordingError(f"{name or repr(name)}: there is no such file or folder")


def _search(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise unreadable(printable(str(error.filename)), error) from error

    found = []
    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            if path.suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".") and path.is_file():
                found.append(path)
    return sorted(found)


def _pieces(source: Source) -> Iterator[np.ndarray]:
    """The recording as 1-D float32 pieces at 16 kHz, as they come from the decoder."""
    name = source_name(source)
    with opened(source, name) as sound:
        unknown = sound.frames > 1 << 60 or sound.format == "MP3"  # from a pipe; estimated from the bit rate
        yield from decoded(sound, name, VALUES_PER_READ, 0 if unknown else sound.frames)


def decoded(sound: Sound, name: str, values: int, promised: int = 0) -> Iterator[np.ndarray]:
    """An open sound as 1-D float32 pieces at 16 kHz, channels averaged, `values` (samples × channels) at a time.

    Raises RecordingError, in which it is called `name`, for what can't be used and where fewer frames come than
    are `promised`.
    """
    frames = given = 0
    _check_format(name, sound.channels, sound.samplerate)
    resampler = _resampler(sound.samplerate)
    while len(block := decode(sound, name, frames, values)):
        piece = _mono(block, name, frames, sound.samplerate)
        frames += len(block)
        if resampler is not None:
            piece = resampler.resample_chunk(piece)
        given += len(piece)
        if len(piece):
            yield piece
    if frames < promised:
        raise RecordingError(
            f"{name}: is truncated or damaged: its header promises {promised} samples, "
            f"{frames} could be read; copy or record it again"
        )
    if resampler is not None:
        piece = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        given += len(piece)
        if len(piece):
            yield piece
    if not given:
        raise RecordingError(f"{name}: has no samples, only a header" if not frames else f"{name}: is too short")


def _resampler(rate: int) -> Any:
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def decode(sound: Sound, name: str, done: int, values: int) -> np.ndarray:
    """The next float32 [frames, channels] after `done` frames; none at the end."""
    count = min(max(1, values // sound.channels), sound.frames - done)  # libsndfile clears what it can't fill
    try:
        return sound.read(count, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise RecordingError(f"{name}: is truncated or damaged ({decoder_reason(error)})") from error


def _mono(block: np.ndarray, name: str, frames: int, rate: float) -> np.ndarray:
    """Average the channels of float32 [n, channels] from frame `frames` on; refuse NaN and infinity."""
    finite = np.isfinite(block)
    if not finite.all():
        first = (frames + int(np.argmin(finite.all(axis=1)))) / rate
        raise RecordingError(
            f"{name}: has samples that are not numbers (NaN or infinite), the first at {first:.3f} s; "
            "write the recording again"
        )
    if block.shape[1] == 1:
        return np.ascontiguousarray(block[:, 0])
    return block.mean(axis=1, dtype=np.float64).astype(np.float32)  # float32 sums of loud channels overflow


def _as_float(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.float32:
        return array
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is refused after
            return array.astype(np.float32)
    if array.dtype == np.uint8:  # the one unsigned type of WAV files, centred on 128
        return (array.astype(np.float32) - 128) / 128
    if array.dtype in (np.int8, np.int16, np.int32):
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    raise RecordingError(f"samples of type {array.dtype}: give floats in ±1, or int16, int32, int8 or uint8")


def _check_format(name: str, channels: int, rate: float) -> None:
    if not 1 <= channels <= MOST_CHANNELS:
        raise RecordingError(f"{name}: has {channels} channels; 1 to {MOST_CHANNELS} can be read")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RecordingError(f"{name}: has a rate of {rate:g} Hz; {LOWEST_RATE} to {HIGHEST_RATE} can be read")
