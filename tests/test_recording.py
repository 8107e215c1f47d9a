"""The reader: what goes in at any rate, width and channel count comes out as the same sound, or one clear line."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.recording import read_recording, stream_recording, to_mono_16k
from speech_lstm.audio.sources import AUDIO_SUFFIXES, find_recordings
from speech_lstm.errors import RecordingError

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000)
WAV_WIDTHS = {  # subtype → largest error of a sample that the width allows
    "PCM_U8": 1 / 128,
    "PCM_16": 1 / 32768,
    "PCM_24": 1 / 2**22,
    "PCM_32": 1 / 2**22,
    "FLOAT": 1e-7,
    "DOUBLE": 1e-7,
    "ALAW": 0.02,
    "ULAW": 0.02,
}


def sine(rate: int, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = 16_000, form: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def saved(folder: Path, content: bytes, name: str = "a.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(source: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(source)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def peak_hertz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 16_000 / len(samples)


def rms(samples: np.ndarray) -> float:
    inner = samples[1600:-1600].astype(np.float64)  # without the ends, where the resampler fades in and out
    return float(np.sqrt(np.mean(inner**2)))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [440.0, 3_000.0])
def test_rate_keeps_frequency_and_level(tmp_path: Path, rate: int, hertz: float) -> None:
    path = saved(tmp_path, encoded(sine(rate, hertz=hertz), rate, subtype="FLOAT"))
    got = read_recording(path)
    assert got.dtype == np.float32
    assert got.ndim == 1
    assert abs(len(got) - 16_000) <= 1
    assert peak_hertz(got) == pytest.approx(hertz, abs=1.0)
    assert rms(got) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_tone_above_8_khz_is_removed_not_folded() -> None:
    assert rms(to_mono_16k(sine(48_000, hertz=12_000), 48_000)) < 1e-3


@pytest.mark.parametrize("subtype", WAV_WIDTHS)
def test_wav_widths(tmp_path: Path, subtype: str) -> None:
    want = sine(16_000)
    got = read_recording(saved(tmp_path, encoded(want, subtype=subtype)))
    assert np.abs(got - want).max() <= WAV_WIDTHS[subtype]


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [
        ("FLAC", "PCM_16", 44_100),
        ("FLAC", "PCM_24", 96_000),
        ("OGG", "VORBIS", 44_100),
        ("OGG", "OPUS", 48_000),
        ("MP3", "MPEG_LAYER_III", 44_100),
        ("AIFF", "PCM_16", 22_050),
        ("AU", "PCM_16", 8_000),
        ("CAF", "PCM_16", 16_000),
        ("W64", "PCM_24", 16_000),
        ("RF64", "PCM_16", 16_000),
        ("WAVEX", "PCM_16", 16_000),
        ("WAV", "IMA_ADPCM", 16_000),
    ],
)
def test_other_formats(tmp_path: Path, form: str, subtype: str, rate: int) -> None:
    got = read_recording(saved(tmp_path, encoded(sine(rate), rate, form, subtype)))
    assert abs(len(got) - 16_000) <= 300  # codecs work in blocks
    assert peak_hertz(got) == pytest.approx(440, abs=2)
    assert rms(got) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = sine(16_000, level=0.6), sine(16_000, hertz=1_000, level=0.2)
    path = saved(tmp_path, encoded(np.stack([left, right], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(read_recording(path), (left + right) / 2, atol=1e-7)


def test_sixty_four_channels(tmp_path: Path) -> None:
    many = np.tile(sine(16_000)[:, None], (1, 64))
    path = saved(tmp_path, encoded(many, subtype="PCM_16"))
    np.testing.assert_allclose(read_recording(path), sine(16_000), atol=1 / 32768)


def test_loud_channels_do_not_overflow() -> None:
    assert to_mono_16k(np.full((4, 64), 1e6, np.float32), 16_000).max() == np.float32(1e6)


SOUND = np.random.default_rng(0).uniform(-1, 1, 60_000).astype(np.float32)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    rate=st.sampled_from(RATES),
    block=st.floats(1 / 16_000, 3),
    frames=st.integers(40, len(SOUND)),
    channels=st.integers(1, 3),
)
def test_stream_equals_reading_at_once(rate: int, block: float, frames: int, channels: int) -> None:
    samples = np.stack([np.roll(SOUND, k)[:frames] for k in range(channels)], axis=1)
    content = encoded(samples, rate, subtype="FLOAT")
    whole = read_recording(io.BytesIO(content))
    blocks = list(stream_recording(io.BytesIO(content), block))
    size = round(block * 16_000)
    assert all(len(item) == size for item in blocks[:-1])
    assert 0 < len(blocks[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_allclose(to_mono_16k(samples, rate), whole, atol=1e-6)
    assert abs(len(whole) - frames * 16_000 / rate) <= 1


def test_long_recording_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = np.repeat(sine(48_000, 60)[:, None], 2, axis=1)
    with soundfile.SoundFile(path, "w", 48_000, 2, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    next(stream_recording(path))  # imports soxr
    with path.open("rb") as file:
        tracemalloc.start()
        stream = stream_recording(file, 10)
        count = len(next(stream))
        position = file.tell()
        count += sum(len(block) for block in stream)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 600 * 16_000
    assert peak < 12e6  # the file decodes to 230 MB
    assert position < path.stat().st_size / 40  # 10 s and a read more, of 10 minutes


def test_ten_hours_of_header_costs_nothing(tmp_path: Path) -> None:
    """A sparse file of ten hours: reading no more than `max_seconds` of it ends at once."""
    frames = 36_000 * 16_000
    path = saved(tmp_path, encoded(np.zeros(0, np.float32))[:40] + struct.pack("<I", frames * 2))
    os.truncate(path, 44 + frames * 2)
    with pytest.raises(RecordingError, match="is longer than 60 s"):
        read_recording(path, max_seconds=60)


def test_max_seconds_lets_shorter_ones_pass(tmp_path: Path) -> None:
    assert len(read_recording(saved(tmp_path, encoded(sine(16_000))), max_seconds=1.0)) == 16_000


# Sources


def test_open_files_stay_open_and_start_at_the_beginning(tmp_path: Path) -> None:
    path = saved(tmp_path, encoded(sine(16_000)))
    with path.open("rb") as file:
        file.read(10)
        assert len(read_recording(file)) == 16_000
        assert not file.closed


def read_in_process(code: str, stdin: int | bytes) -> subprocess.CompletedProcess[bytes]:
    program = f"""
import sys
from speech_lstm.audio.recording import read_recording
from speech_lstm.errors import RecordingError
try:
    got = read_recording({code})
    print(len(got), round(float(abs(got).max()), 2))
except RecordingError as error:
    print(error)
"""
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60, **given)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_standard_input_from_a_pipe(form: str) -> None:
    done = read_in_process("'-'", encoded(sine(44_100), 44_100, form))
    count, level = done.stdout.split()
    assert abs(int(count) - 16_000) <= 200
    assert float(level) == pytest.approx(0.5, abs=0.05)


def test_standard_input_from_a_file(tmp_path: Path) -> None:
    with saved(tmp_path, encoded(sine(16_000))).open("rb") as file:
        assert read_in_process("'-'", file.fileno()).stdout.split()[0] == b"16000"


def test_standard_input_by_its_path() -> None:
    if not Path("/dev/stdin").exists():
        pytest.skip("/dev/stdin is missing")
    assert read_in_process("'/dev/stdin'", encoded(sine(16_000))).stdout.split()[0] == b"16000"


def test_nothing_on_standard_input() -> None:
    assert read_in_process("'-'", b"").stdout.decode().strip() == "standard input: is empty (0 bytes)"
    if Path("/dev/null").exists():
        with Path("/dev/null").open("rb") as file:
            assert b"is empty" in read_in_process("'-'", file.fileno()).stdout


def test_terminal_as_standard_input() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        assert b"is a terminal" in read_in_process("'-'", theirs).stdout
    finally:
        os.close(ours)
        os.close(theirs)


def test_device_without_end_is_refused() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("/dev/zero is missing")
    assert "is a device" in refusal("/dev/zero")


# Headers that were written before their sizes were known


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_streamed_wav_is_whole(tmp_path: Path, size: int) -> None:
    content = bytearray(encoded(sine(16_000)))
    content[4:8] = struct.pack("<I", min(size + 36, 0xFFFF_FFFF))
    content[40:44] = struct.pack("<I", size)
    path = saved(tmp_path, bytes(content))
    assert len(read_recording(path)) == 16_000
    assert path.read_bytes() == bytes(content)


def test_streamed_flac_is_whole(tmp_path: Path) -> None:
    content = bytearray(encoded(sine(16_000, 2.5), form="FLAC"))
    content[21] &= 0xF0  # the total of samples, 36 bits, 0 where a pipe was written to
    content[22:26] = bytes(4)
    assert len(read_recording(saved(tmp_path, bytes(content)))) == 40_000


@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is missing")
def test_pipe_of_sox() -> None:
    command = ["sox", "-n", "-r", "16000", "-t", "wav", "-", "synth", "0.5", "sine", "440"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    assert len(read_recording(io.BytesIO(content))) == 8_000


@pytest.mark.skipif(shutil.which("arecord") is None, reason="arecord is missing")
def test_interrupted_pipe_of_arecord() -> None:
    command = ["arecord", "-q", "-D", "null", "-f", "S16_LE", "-r", "16000", "-t", "wav", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        content = process.stdout.read(32_044)
        process.kill()
    if len(content) < 32_044:
        pytest.skip("arecord's null device is missing")
    assert len(read_recording(io.BytesIO(content))) == 16_000


# Bad input


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [
        ("WAV", "PCM_16", 16_000),
        ("WAV", "PCM_24", 44_100),
        ("WAV", "ULAW", 8_000),
        ("RF64", "PCM_16", 16_000),
        ("W64", "PCM_16", 16_000),
        ("AIFF", "PCM_16", 16_000),
        ("AU", "PCM_16", 16_000),
        ("CAF", "PCM_16", 16_000),
        ("FLAC", "PCM_16", 16_000),
        ("OGG", "VORBIS", 16_000),
        ("OGG", "OPUS", 48_000),
        ("MP3", "MPEG_LAYER_III", 16_000),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9, -1])
def test_cut_file_is_refused(tmp_path: Path, form: str, subtype: str, rate: int, share: float) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(3 * rate).astype(np.float32)
    content = encoded(noise, rate, form, subtype)
    cut = content[:-1] if share < 0 else content[: int(len(content) * share)]
    message = refusal(saved(tmp_path, cut))
    assert message.startswith(f"{tmp_path / 'a.wav'}: is truncated")
    assert read_recording(saved(tmp_path, content)).size


@pytest.mark.parametrize("length", [4, 11, 20, 40, 43, 44])
def test_cut_header_is_refused(tmp_path: Path, length: int) -> None:
    refusal(saved(tmp_path, encoded(sine(16_000))[:length]))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64"])
@pytest.mark.filterwarnings("error")
def test_damaged_files_never_raise_anything_else(form: str) -> None:
    """Each is read or refused: bytes drawn at random are overwritten, the header's the most often."""
    content = encoded(sine(16_000, 0.3), form=form)
    rng = np.random.default_rng(2)
    for _ in range(60):
        damaged = bytearray(content)
        for place in np.minimum(rng.exponential(40, size=4).astype(int), len(content) - 1):
            damaged[place] = rng.integers(256)
        with contextlib.suppress(RecordingError):
            assert np.isfinite(read_recording(io.BytesIO(bytes(damaged)))).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, value: float) -> None:
    samples = np.zeros((32_000, 2), np.float32)
    samples[24_000, 1] = value
    message = refusal(saved(tmp_path, encoded(samples, subtype="FLOAT")))
    assert "not numbers (NaN or infinite), the first at 1.500 s" in message
    with pytest.raises(RecordingError, match=r"first at 1\.500 s"):
        to_mono_16k(samples, 16_000)


def test_double_beyond_float32(tmp_path: Path) -> None:
    assert "not numbers" in refusal(saved(tmp_path, encoded(np.full(100, 1e300), subtype="DOUBLE")))
    with pytest.raises(RecordingError, match="not numbers"):
        to_mono_16k(np.full(100, 1e300), 16_000)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("value", [3.4e38, 1e25, -2e6])
def test_samples_far_beyond_full_scale(tmp_path: Path, rate: int, value: float) -> None:
    """The resampler makes infinities and NaN of the largest ones, the front end of somewhat smaller ones."""
    samples = np.stack([sine(rate), sine(rate)], 1)
    samples[rate // 2 :][:200, 1] = value * np.resize([1, -1], 200)
    path = saved(tmp_path, encoded(samples, rate, subtype="FLOAT"))
    for refuse in (read_recording, lambda path: list(stream_recording(path, 0.1))):
        with pytest.raises(RecordingError) as caught:
            refuse(path)
        assert str(caught.value).startswith(f"{path}: has samples far beyond full scale")
        assert "first at 0.500 s" in str(caught.value)
        assert "scale the recording" in str(caught.value)
    with pytest.raises(RecordingError, match="beyond full scale"):
        to_mono_16k(samples, rate)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_samples_that_nobody_scaled_are_read(rate: int) -> None:
    """16-bit integers as floats: far beyond full scale, but no fault of the sound."""
    read = to_mono_16k(32_768 * sine(rate), rate)
    assert rms(read) == pytest.approx(32_768 * 0.5 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.int32])
def test_integers_are_never_beyond_full_scale(kind: type) -> None:
    limits = np.iinfo(kind)
    assert np.abs(to_mono_16k(np.array([limits.min, limits.max], kind), 16_000)).max() <= 1


def test_an_open_file_that_fails_by_an_error_of_its_own(tmp_path: Path) -> None:
    content = encoded(sine(16_000))
    saved(tmp_path, gzip.compress(content)[:-100], "a.wav.gz")
    with gzip.open(tmp_path / "a.wav.gz") as file, pytest.raises(RecordingError, match="cannot be read"):
        read_recording(file)


def test_nothing_to_read(tmp_path: Path) -> None:
    assert "is empty (0 bytes)" in refusal(saved(tmp_path, b""))
    for form in ("WAV", "AIFF", "AU"):
        assert "has no samples" in refusal(saved(tmp_path, encoded(np.zeros(0), form=form)))
    assert "is too short" in refusal(saved(tmp_path, encoded(np.zeros(1), 96_000)))


def test_not_audio(tmp_path: Path) -> None:
    for content in (b"Dear diary, today\n" * 50, b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(5_000)):
        message = refusal(saved(tmp_path, content))
        assert "not a recording in a supported format" in message
        assert "WAV, FLAC, OGG or MP3" in message


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    assert len(read_recording(saved(tmp_path, encoded(sine(16_000)), "a.raw"))) == 16_000
    assert len(read_recording(saved(tmp_path, encoded(sine(16_000)), "a"))) == 16_000
    assert "not a recording" in refusal(saved(tmp_path, bytes(100), "a.gsm"))


@pytest.mark.parametrize("channels", [0, 65, 300])
def test_impossible_channels(tmp_path: Path, channels: int) -> None:
    content = bytearray(encoded(sine(16_000)))
    content[22:24] = struct.pack("<H", channels)
    assert "channel" in refusal(saved(tmp_path, bytes(content))).lower()


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 0xFFFF_FFFF])
def test_impossible_rates(tmp_path: Path, rate: int) -> None:
    content = bytearray(encoded(sine(16_000)))
    content[24:28] = struct.pack("<I", rate)
    refusal(saved(tmp_path, bytes(content)))
    with pytest.raises(RecordingError, match="rate"):
        to_mono_16k(np.zeros(100, np.float32), rate)


@pytest.mark.parametrize("rate", [1_000, 768_000])
def test_extreme_rates(rate: int) -> None:
    assert abs(len(read_recording(io.BytesIO(encoded(sine(rate), rate)))) - 16_000) <= 1


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.wav") == f"{tmp_path / 'none.wav'}: there is no such file"
    assert refusal(tmp_path) == f"{tmp_path}: is a folder, not a recording"
    assert "name of the recording is empty" in refusal("")
    assert "cannot be read" in refusal("a\0b.wav")
    assert refusal(tmp_path / "two\nlines.wav").endswith("there is no such file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the super-user may read anything")
def test_no_permission(tmp_path: Path) -> None:
    path = saved(tmp_path, encoded(sine(16_000)))
    path.chmod(0)
    assert "may not be read" in refusal(path)


def test_text_file_object(tmp_path: Path) -> None:
    with saved(tmp_path, b"words").open() as file:
        assert "binary mode" in refusal(file)


def test_blocks_without_a_sample() -> None:
    with pytest.raises(RecordingError, match="hold no sample"):
        next(stream_recording("x.wav", 0))


# Samples in memory


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint8])
def test_integers_are_scaled_by_their_range(kind: type) -> None:
    info = np.iinfo(kind)
    middle = 128 if kind is np.uint8 else 0
    got = to_mono_16k(np.array([info.min, middle, info.max], kind), 16_000)
    np.testing.assert_allclose(got, [-1, 0, 1], atol=1 / 100)
    assert got[0] == -1
    assert got[1] == 0


def test_arrays_equal_files(tmp_path: Path) -> None:
    samples = (sine(44_100) * 32767).astype(np.int16)
    path = saved(tmp_path, encoded(samples, 44_100))
    np.testing.assert_array_equal(to_mono_16k(samples, 44_100), read_recording(path))
    np.testing.assert_array_equal(to_mono_16k(np.stack([samples, samples], 1), 44_100), read_recording(path))


@pytest.mark.parametrize(
    ("samples", "rate", "match"),
    [
        (np.zeros((2, 16_000)), 16_000, "transpose"),
        (np.zeros((2, 3, 4)), 16_000, "shape"),
        (np.float32(0), 16_000, "shape"),
        (np.zeros(0), 16_000, "array is empty"),
        (np.zeros(9, np.int64), 16_000, "type int64"),
        (np.zeros(9, complex), 16_000, "type complex"),
        (["a", "b"], 16_000, "type"),
        (np.zeros(9), "16000", "rate"),
        (np.zeros(9), float("nan"), "rate"),
        (np.zeros((100, 65)), 16_000, "65 channels"),
        (np.zeros((100, 0)), 16_000, "0 channels"),
    ],
)
def test_arrays_that_are_refused(samples: object, rate: float, match: str) -> None:
    with pytest.raises(RecordingError, match=match):
        to_mono_16k(samples, rate)


# Clips of one length


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1, 1, width=32), max_size=60),
    samples=st.integers(1, 40),
)
def test_fit_clip(values: list[float], samples: int) -> None:
    waveform = np.array(values, np.float32)
    clip = fit_clip(waveform, samples)
    assert clip.shape == (samples,)
    assert clip.dtype == np.float32
    np.testing.assert_array_equal(fit_clip(clip, samples), clip)
    if len(waveform) <= samples:
        before = (samples - len(waveform)) // 2
        np.testing.assert_array_equal(clip[before : before + len(waveform)], waveform)
        assert np.sum(clip.astype(np.float64) ** 2) == pytest.approx(np.sum(waveform.astype(np.float64) ** 2))
    else:
        windows = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), samples)
        assert (windows == clip).all(axis=1).any()
        assert np.sum(clip.astype(np.float64) ** 2) == pytest.approx((windows**2).sum(axis=1).max(), abs=1e-9)


def test_fit_clip_finds_the_word() -> None:
    waveform = np.zeros(80_000, np.float32)
    waveform[40_000:48_000] = sine(16_000, 0.5)
    assert np.sum(fit_clip(waveform) ** 2) == pytest.approx(np.sum(waveform**2))
    assert len(fit_clip(waveform)) == 16_000
    with pytest.raises(RecordingError, match="1-D"):
        fit_clip(np.zeros((2, 16_000)))


# Folders


def test_find_recordings(tmp_path: Path) -> None:
    sound = encoded(sine(16_000))
    for name in ("b/2.wav", "b/1.FLAC", "a/x.mp3", "a/notes.txt", ".hidden/y.wav", "a/.z.wav", "c/w.wav.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path, sound, name)
    (tmp_path / "a" / "folder.wav").mkdir()
    inside = [tmp_path / name for name in ("a/x.mp3", "b/1.FLAC", "b/2.wav", "c/w.wav.wav")]
    assert find_recordings([tmp_path]) == inside
    notes = tmp_path / "a" / "notes.txt"
    assert find_recordings(["-", notes, tmp_path / "b"]) == ["-", notes, *inside[1:3]]


def test_links_in_a_folder_are_followed_once(tmp_path: Path) -> None:
    sound = encoded(sine(16_000))
    folder, other = tmp_path / "folder", tmp_path / "other"
    for place in (folder / "a", other / "b"):
        place.mkdir(parents=True)
        saved(place, sound)
    (folder / "link").symlink_to(other)
    (folder / "again").symlink_to(other)
    (folder / "0").symlink_to(folder / "a")  # a folder is named by its own path
    (other / "b" / "loop").symlink_to(folder)
    (folder / "a" / "b.wav").symlink_to(folder / "a" / "a.wav")
    inside = [folder / "a" / "a.wav", folder / "a" / "b.wav", folder / "again" / "b" / "a.wav"]
    assert find_recordings([folder]) == inside
    (tmp_path / "door").symlink_to(folder)
    assert len(find_recordings([tmp_path / "door"])) == 3


def test_recordings_that_cannot_be_read_are_named_not_skipped(tmp_path: Path) -> None:
    saved(tmp_path, encoded(sine(16_000)))
    saved(tmp_path, b"\0\0\0\x20ftypM4A ", "b.m4a")
    saved(tmp_path, b"text", "c.txt")
    (tmp_path / "d.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "e.wav").symlink_to(tmp_path / "e.wav")
    (tmp_path / "f").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "g.wav")
    good, *bad = find_recordings([tmp_path])
    assert [Path(path).name for path in (good, *bad)] == ["a.wav", "b.m4a", "d.wav", "e.wav"]
    assert "convert it" in refusal(bad[0])
    assert "there is no such file" in refusal(bad[1])
    assert "cannot be read" in refusal(bad[2])


def test_find_recordings_refuses(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a folder without a recording"):
        find_recordings([tmp_path])
    with pytest.raises(RecordingError, match="there is no such file or folder"):
        find_recordings([tmp_path / "none"])
    with pytest.raises(RecordingError, match="there is no such file or folder"):
        find_recordings([""])
    with pytest.raises(RecordingError, match="only once"):
        find_recordings(["-", "-"])
    assert set(AUDIO_SUFFIXES) >= {".wav", ".flac", ".ogg", ".mp3"}


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, speech_lstm.audio.recording; print({'torch', 'soxr', 'librosa'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "set()"
