"""Pipes and files as microphones: real processes, real pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_lstm.audio.inputs import FileInput, LevelledInput, PipeInput, find_input
from speech_lstm.audio.level import Level
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError, RecordingError
from support.listening import MODEL, spoken
from support.virtual_microphone import ROOT, VirtualMicrophone, missing

SLOW = 120.0
LISTEN = [sys.executable, "-m", "speech_lstm", "listen"]

READ_PIPE = """
import sys
import numpy as np
from speech_lstm.audio.inputs import PipeInput
from speech_lstm.errors import RecordingError
try:
    with PipeInput(int(sys.argv[1])) as source:
        blocks = list(source)
    np.save(sys.argv[2], np.concatenate(blocks))
    print(max(map(len, blocks)))
except RecordingError as error:
    print("error", error)
"""


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).round().astype("<i2").tobytes()


def header(rate: int, riff: int, data: int, channels: int = 1, extra: bytes = b"") -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVE" + fmt + extra + b"data" + struct.pack("<I", data)


def read_pipe(sent: bytes, tmp_path: Path, raw: int = 0) -> np.ndarray | str:
    """The samples that `PipeInput` reads from a real pipe to which bytes are sent, or its error."""
    command = [sys.executable, "-c", READ_PIPE, str(raw), str(tmp_path / "samples.npy")]
    run = subprocess.run(command, input=sent, cwd=ROOT, capture_output=True, timeout=SLOW)
    assert run.returncode == 0, run.stderr
    output = run.stdout.decode()
    return output.strip() if output.startswith("error") else np.load(tmp_path / "samples.npy")


def is_the_tone(samples: np.ndarray | str) -> bool:
    assert isinstance(samples, np.ndarray), samples
    spectrum = np.abs(np.fft.rfft(samples[:SAMPLE_RATE])) / (SAMPLE_RATE / 2)
    return len(samples) == SAMPLE_RATE and spectrum.argmax() == 440 and abs(spectrum[440] - 0.5) < 0.02


FFMPEG = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"


@pytest.mark.parametrize(
    "start",
    [
        header(48_000, 0xFFFFFFFF, 0xFFFFFFFF, extra=FFMPEG),  # as ffmpeg -f wav -
        header(48_000, 0x80000024, 0x80000000),  # as arecord -t wav
        header(48_000, 0x7FFFFFFF, 0x7FFFFFFF - 36),
        header(48_000, 96_036, 96_000),
        header(48_000, 0xFFFFFFFF, 192_000),  # more than comes
    ],
)
def test_a_wav_stream_of_unknown_length(start: bytes, tmp_path: Path) -> None:
    assert is_the_tone(read_pipe(start + pcm(tone(48_000)), tmp_path))


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([2 * tone(44_100), np.zeros(44_100)], axis=1)
    start = header(44_100, 0xFFFFFFFF, 0xFFFFFFFF, 2)
    assert is_the_tone(read_pipe(start + pcm(stereo), tmp_path))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_raw_samples(rate: int, tmp_path: Path) -> None:
    assert is_the_tone(read_pipe(pcm(tone(rate)), tmp_path, rate))


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "not a WAV stream"),
        (b"hello\n" * 100, "not a WAV stream"),
        (header(16_000, 36, 0) + bytes(3200), "its header promises no sound; send raw"),
        (header(16_000, 0xFFFFFFFF, 0xFFFFFFFF), "has no samples"),
    ],
)
def test_what_is_no_sound_is_rejected(sent: bytes, message: str, tmp_path: Path) -> None:
    found = read_pipe(sent, tmp_path)
    assert isinstance(found, str)
    assert found.startswith("error standard input: ")
    assert message in found


def test_a_pipe_is_recognised_as_it_arrives(tmp_path: Path) -> None:
    spoken(("yes", "stop"), tmp_path / "words.wav")
    data, model = (tmp_path / "words.wav").read_bytes(), MODEL.with_suffix(".safetensors")  # by torch
    process = subprocess.Popen(
        [*LISTEN, "--input", "-", "--model", str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=False,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(header(SAMPLE_RATE, 0xFFFFFFFF, 0xFFFFFFFF) + data[44:] + bytes(SAMPLE_RATE))
    process.stdin.flush()
    assert b"yes" in process.stdout.readline()  # while the pipe is open
    output, errors = process.communicate(timeout=SLOW)
    assert b"stop" in output
    assert b"listening to standard input" in errors
    assert process.returncode == 0


def test_a_pipe_without_sound_yields_empty_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    samples = pcm(tone(SAMPLE_RATE, 0.4))
    monkeypatch.setattr("speech_lstm.audio.inputs.POLL_SECONDS", 0.05)
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", buffering=0) as sender:
        monkeypatch.setattr("speech_lstm.audio.inputs.standard_input", lambda: pipe)
        with LevelledInput(PipeInput(SAMPLE_RATE), Level()) as source:
            blocks = iter(source)
            sender.write(samples[: len(samples) // 2])
            sizes = [len(next(blocks))]
            while not sum(sizes) or sizes[-1]:
                sizes.append(len(next(blocks)))
            sender.write(samples[len(samples) // 2 :])
            sender.close()
            sizes += map(len, blocks)
    assert sum(sizes) == len(samples) // 2


@pytest.mark.parametrize(
    "sent",
    [b"", b"no sound" * 5000, header(16_000, 2**31, 2**31), bytes(1 << 16)],
    ids=["nothing", "text", "header", "zeros"],
)
@pytest.mark.parametrize("raw", [0, SAMPLE_RATE])
def test_no_thread_is_left_however_it_ends_while_the_sender_goes_on(
    sent: bytes, raw: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread in libsndfile while the interpreter unloads it is a segmentation fault."""
    reading, writing = os.pipe()
    before, descriptors = threading.enumerate(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", buffering=0) as sender:
        monkeypatch.setattr("speech_lstm.audio.inputs.standard_input", lambda: pipe)
        sender.write(sent)
        with PipeInput(raw), contextlib.suppress(RecordingError):
            pass
        with PipeInput(raw) as source, contextlib.suppress(RecordingError):
            next(iter(source))
        assert threading.enumerate() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2  # noqa: PTH208


def test_an_impossible_rate_is_refused_before_anything_is_started() -> None:
    for raw in (1, 999, 768_001, 10**9):
        with pytest.raises(ConfigError, match=rf"--raw {raw}: the rate must be 1000 to 768000 Hz"):
            PipeInput(raw)


LEAVE_OPEN = """
import sys
from speech_lstm.audio.inputs import PipeInput
source = PipeInput(44_100).__enter__()
next(iter(source))
sys.exit(3)
"""


def test_a_process_may_end_without_closing_its_pipe() -> None:
    with subprocess.Popen([sys.executable, "-c", LEAVE_OPEN], cwd=ROOT, stdin=subprocess.PIPE) as process:
        process.stdin.write(pcm(tone(44_100)))  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.wait(timeout=SLOW) == 3


STOP_EARLY = """
from speech_lstm.audio.inputs import PipeInput
with PipeInput(44_100) as source:
    print(next(len(block) for block in source if len(block)))
"""


def test_a_process_that_ends_before_its_pipe_prints_nothing() -> None:
    """Neither the reading thread nor the resampler complains."""
    command = [sys.executable, "-c", STOP_EARLY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(pcm(tone(44_100)))
        process.stdin.flush()
        assert int(process.stdout.readline()) > 0
        assert process.stderr.read() == b""
        assert process.wait(timeout=SLOW) == 0


@pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
@pytest.mark.parametrize("program", ["parec", "arecord"])
def test_a_recorder_in_a_pipe(program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{ {'parec': 'pulseaudio-utils', 'arecord': 'alsa-utils'}[program] } is missing")
    spoken(("yes", "stop", "left"), tmp_path / "words.wav")
    recorder = {
        "parec": "parec --device=virtual_mic.monitor --latency-msec=50 --rate=16000 --channels=1 --format=s16le",
        "arecord": "arecord -q -D pulse -f S16_LE -r 48000 -c 1 -t wav",
    }[program]
    flags = ["--raw", "16000"] if program == "parec" else []
    with VirtualMicrophone() as virtual:
        recording = subprocess.Popen(recorder.split(), env=virtual.environment, stdout=subprocess.PIPE)
        listening = subprocess.Popen(
            [*LISTEN, "--input", "-", *flags, "--model", str(MODEL)],
            env=virtual.environment,
            stdin=recording.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert listening.stdout is not None
        assert listening.stderr is not None
        assert "listening to standard input" in listening.stderr.readline()
        virtual.play(tmp_path / "words.wav")
        lines = [listening.stdout.readline() for _ in range(2)]
        recording.terminate()
        recording.wait()
        listening.communicate(timeout=SLOW)
    assert [line.split()[2] for line in lines] == ["yes", "stop"]
    assert listening.returncode == 0


def test_a_file_is_played_in_real_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(44_100), 44_100)
    start = time.monotonic()
    with LevelledInput(FileInput(tmp_path / "tone.wav"), Level()) as source:
        assert source.device.name == str(tmp_path / "tone.wav")
        times, blocks = [], []
        for block in source:
            times.append(time.monotonic() - start)
            blocks.append(block)
    assert is_the_tone(np.concatenate(blocks))
    assert len(blocks) == 10
    for place, when in enumerate(times):
        assert when >= 0.1 * (place + 1) - 0.01  # no block before its sound has been


def test_what_is_no_input_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file"):
        find_input(None, str(tmp_path / "none.wav"), None)
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(RecordingError, match="not a recording"):
        find_input(None, str(tmp_path / "text.wav"), None)
    with pytest.raises(ConfigError, match="--device or --input, not both"):
        find_input("usb", "-", None)
    for recording in (None, str(tmp_path / "text.wav")):
        with pytest.raises(ConfigError, match=r"--raw .* --input -"):
            find_input(None, recording, 16_000)
