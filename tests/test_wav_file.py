"""WAV files: the bytes that soundfile writes, and the system's own error on a full disk."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm.audio.wav_file import wav_writer, write_wav
from speech_lstm.config import SAMPLE_RATE
from support.full_disk import files_of_at_most, needs_limits, small_disk

SAMPLES = np.random.default_rng(0).normal(0, 0.6, SAMPLE_RATE).astype(np.float32)  # some beyond ±1
HEADER = 44  # bytes


@pytest.mark.parametrize("count", [0, 1, SAMPLE_RATE])
def test_the_bytes_are_those_of_soundfile(count: int, tmp_path: Path) -> None:
    write_wav(tmp_path / "ours.wav", SAMPLES[:count])
    with wav_writer(tmp_path / "parts.wav") as write:
        for part in np.array_split(SAMPLES[:count], 7):
            write(part)
    soundfile.write(tmp_path / "theirs.wav", SAMPLES[:count], SAMPLE_RATE, subtype="PCM_16")
    theirs = (tmp_path / "theirs.wav").read_bytes()
    assert len(theirs) == HEADER + 2 * count
    assert (tmp_path / "ours.wav").read_bytes() == (tmp_path / "parts.wav").read_bytes() == theirs


@needs_limits
@pytest.mark.parametrize("size", [0, 1, HEADER - 1, HEADER, 10_000, HEADER + 2 * SAMPLE_RATE - 1])
def test_a_file_that_may_not_grow_is_the_systems_error(size: int, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large") as caught, files_of_at_most(size):
        write_wav(tmp_path / "out.wav", SAMPLES)
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "out.wav").stat().st_size <= size


def test_a_full_disk_is_the_systems_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16_384) as disk:
        for count in (10_000, SAMPLE_RATE):
            with pytest.raises(OSError, match="No space left") as caught:
                write_wav(disk / "out.wav", SAMPLES[:count])
            assert caught.value.errno == errno.ENOSPC
        write_wav(disk / "out.wav", SAMPLES[:6_000])
