"""One reader for any recording: it returns mono float32 at 16 kHz, nominally in ±1."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np
import soundfile

from speech_lstm.audio.sources import Source, decoder_reason, open_sound, source_name
from speech_lstm.config import SAMPLE_RATE, is_number
from speech_lstm.errors import RecordingError, brief, foreign

MOST_CHANNELS = 64
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; beyond them a header is wrong rather than rare
# Of full scale, which is 1. Sound that a program forgot to scale reaches 32,768 in 16 bits and is still recognised.
# Of anything louder the answers mean nothing, and far above, float32 overflows in the resampler and the front end.
LOUDEST = 1e6
VALUES_PER_READ = 1 << 18  # samples × channels decoded at once: 1 MiB, whatever the file


def stream_recording(source: Source, block_seconds: float = 30.0) -> Generator[np.ndarray, None, None]:
    """Read a recording of any length in bounded memory.

    Yields 1-D float32 arrays of round(block_seconds · 16000) samples at 16 kHz, the last one shorter. Joined, they
    are `read_recording(source)`, whatever the block size. Channels are averaged. Nothing is opened before the first
    block is requested. Raises RecordingError for an unusable recording; a truncated FLAC file and a sample that is
    not a number or beyond LOUDEST are only detected at their place, after the blocks before it.
    """
    size = round(block_seconds * SAMPLE_RATE)
    if size < 1:
        raise RecordingError(f"blocks of {block_seconds} s hold no sample; choose longer ones")
    pieces: list[np.ndarray] = []
    count = 0
    for piece in _pieces(source):
        pieces.append(piece)
        count += len(piece)
        if count >= size:
            joined = np.concatenate(pieces)
            whole = count - count % size
            for start in range(0, whole, size):
                yield joined[start : start + size].copy()  # a view would keep all of `joined`
            pieces, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(pieces)


def read_recording(source: Source, max_seconds: float | None = None) -> np.ndarray:
    """All of a recording as a 1-D float32 array at 16 kHz, channels averaged.

    Raises RecordingError for an unusable recording, and for one longer than `max_seconds`, of which it reads little
    more than that.
    """
    pieces = []
    count = 0
    for piece in _pieces(source):
        pieces.append(piece)
        count += len(piece)
        if max_seconds is not None and count > max_seconds * SAMPLE_RATE:
            raise RecordingError(f"{source_name(source)}: is longer than {max_seconds:g} s; shorten it")
    return np.concatenate(pieces)


def to_mono_16k(samples: Any, rate: float) -> np.ndarray:
    """Samples in memory, [n] or [n, channels] at `rate` Hz, as 1-D float32 at 16 kHz, channels averaged.

    Floats are used as they are; 8, 16 and 32-bit integers are scaled to ±1 by the range of their type, as when read
    from a file. Raises RecordingError for other types and shapes, for samples that are NaN, infinite or beyond
    LOUDEST, and for impossible rates.
    """
    array = float_samples(samples)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise RecordingError(f"samples of shape {array.shape}: give [samples] or [samples, channels]")
    if array.shape[1] > MOST_CHANNELS and array.shape[0] <= MOST_CHANNELS:
        raise RecordingError(f"samples of shape {array.shape}: transpose them to [samples, channels]")
    if not is_number(rate) or not 0 < rate < 1e9:
        raise RecordingError(f"the rate is {brief(rate)}; give a number of samples per second")
    check_format("the samples", array.shape[1], float(rate))
    if not len(array):
        raise RecordingError("the samples: the array is empty; give at least one sample")
    mono = _mono(array, "the samples", 0, float(rate))
    if rate == SAMPLE_RATE:
        return mono
    import soxr

    resampled = soxr.resample(mono, float(rate), SAMPLE_RATE, quality="HQ")
    if not len(resampled):
        raise RecordingError("the samples: too few to resample")
    check_level(resampled, "the samples")
    return resampled


def _pieces(source: Source) -> Iterator[np.ndarray]:
    """The recording as 1-D float32 pieces at 16 kHz, in the sizes of the decoder."""
    name = source_name(source)
    with open_sound(source, name) as sound:
        unknown = sound.frames > 1 << 60 or sound.format == "MP3"  # of a pipe; an estimate by the bit rate
        blocks = frame_blocks(sound, name, VALUES_PER_READ)
        yield from resample_blocks(blocks, sound.samplerate, name, 0 if unknown else sound.frames)


def frame_blocks(sound: soundfile.SoundFile, name: str, values: int) -> Iterator[np.ndarray]:
    """The frames of an open sound in blocks float32 [frames, channels] of at most `values` samples × channels.

    Raises RecordingError, which calls it `name`, for an unsupported or damaged sound.
    """
    check_format(name, sound.channels, sound.samplerate)
    frames = 0
    while True:
        # libsndfile zeroes what it cannot fill
        count = min(max(1, values // sound.channels), sound.frames - frames)
        try:
            block: np.ndarray = sound.read(count, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise RecordingError(f"{name}: is truncated or damaged ({decoder_reason(error)})") from error
        if not len(block):
            return
        frames += len(block)
        yield block


def resample_blocks(blocks: Iterable[np.ndarray], rate: int, name: str, promised: int = 0) -> Iterator[np.ndarray]:
    """Blocks float32 [frames, channels] at `rate` Hz as 1-D float32 pieces at 16 kHz, channels averaged.

    A piece is empty for an empty block, and where the resampler needs more. Raises RecordingError, which calls the
    sound `name`, for samples that are not numbers or beyond LOUDEST, and if there are fewer frames than `promised`.
    """
    frames = samples = 0
    resampler = _resampler(rate)
    for block in blocks:
        piece = _mono(block, name, frames, rate)
        if resampler is not None and len(piece):
            piece = resampler.resample_chunk(piece)
            check_level(piece, name, samples)
        frames += len(block)
        samples += len(piece)
        yield piece
    if frames < promised:
        raise RecordingError(
            f"{name}: is truncated or damaged: its header promises {promised} samples, "
            f"{frames} could be read; copy or record it again"
        )
    if resampler is not None:
        piece = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        check_level(piece, name, samples)
        samples += len(piece)
        yield piece
    if not samples:
        raise RecordingError(f"{name}: has no samples, only a header" if not frames else f"{name}: is too short")


def _resampler(rate: int) -> Any:
    if rate == SAMPLE_RATE:
        return None
    import soxr

    return soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")


def _mono(block: np.ndarray, name: str, frames: int, rate: float) -> np.ndarray:
    """Average the channels of float32 [n, channels], which start at frame `frames`, after `check_level`."""
    check_level(block, name, frames, rate)
    if block.shape[1] == 1:
        return np.ascontiguousarray(block[:, 0])
    return block.mean(axis=1, dtype=np.float64).astype(np.float32)


def check_level(samples: np.ndarray, name: str, first: int = 0, rate: float = SAMPLE_RATE) -> None:
    """Raise RecordingError, which calls them `name`, unless all samples are numbers of at most LOUDEST.

    float32 [n] or [n, channels], of which the first is number `first` of a recording at `rate` Hz.
    """
    with np.errstate(invalid="ignore"):  # of a NaN, which is neither above nor below
        if not samples.size or (samples.min() >= -LOUDEST and samples.max() <= LOUDEST):
            return
        wrong = ~(np.abs(samples) <= LOUDEST).reshape(len(samples), -1).all(axis=1)
    place = int(np.argmax(wrong))
    value, time = np.abs(samples[place]).max(), f"the first at {(first + place) / rate:.3f} s"
    if np.isfinite(value):
        raise RecordingError(
            f"{name}: has samples far beyond full scale, which is 1 ({value:.3g}, {time}); "
            "scale the recording and write it again"
        )
    raise RecordingError(
        f"{name}: has samples that are not numbers (NaN or infinite), {time}; write the recording again"
    )


def sample_block(samples: Any) -> np.ndarray:
    """A block of a stream at 16 kHz as 1-D float32, maybe empty; raises RecordingError as `to_mono_16k` does."""
    block = float_samples(samples)
    if block.ndim != 1:
        raise RecordingError(f"a block of shape {block.shape}: give mono samples, [samples]")
    check_level(block, "the block")
    return block


def float_samples(samples: Any) -> np.ndarray:
    """Samples in memory as a float32 array of the same shape; see `to_mono_16k`."""
    try:
        array = np.asarray(samples)
    except Exception as error:  # of a ragged list, of a tensor on a GPU: each library has its own
        raise RecordingError(f"{brief(samples)} cannot be read as samples ({foreign(error)})") from error
    if not array.ndim:
        raise RecordingError(
            f"{brief(samples)} is not a recording: give a path, an open file, or samples of the shape [samples] or "
            "[samples, channels]"
        )
    return _as_float(array)


def _as_float(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.float32:
        return array
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinite ones are rejected later
            return array.astype(np.float32)
    if array.dtype == np.uint8:  # the one unsigned type of WAV files, centred on 128
        return (array.astype(np.float32) - 128) / 128
    if array.dtype in (np.int8, np.int16, np.int32):
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    kind = str(array.dtype)[:60]
    raise RecordingError(f"samples of type {kind}: give floats in ±1, or int16, int32, int8 or uint8")


def check_format(name: str, channels: int, rate: float) -> None:
    """Raise RecordingError, which calls the sound `name`, for an impossible count of channels or rate in Hz."""
    if not 1 <= channels <= MOST_CHANNELS:
        raise RecordingError(f"{name}: has {channels} channels; 1 to {MOST_CHANNELS} are supported")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RecordingError(f"{name}: has a rate of {rate:g} Hz; {LOWEST_RATE} to {HIGHEST_RATE} are supported")
