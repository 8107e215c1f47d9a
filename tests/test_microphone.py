"""The microphone, on a real sound server; every process is a real one, since PortAudio looks for devices once."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speech_lstm.audio import microphone
from speech_lstm.audio.devices import InputDevice, device_table, find_device, server_source, server_sources
from speech_lstm.audio.microphone import Microphone
from speech_lstm.errors import MicrophoneError
from support.virtual_microphone import ROOT, VirtualMicrophone, missing, python, without_microphone

needs_sound_server = pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
SLOW = 60.0  # seconds; a loaded machine may take long, a program that hangs longer

DEVICES = [
    InputDevice(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", 2, 44_100.0, False),
    InputDevice(3, "USB Microphone: Audio (hw:1,0)", 1, 48_000.0, False),
    InputDevice(4, "pulse", 32, 44_100.0, False),
    InputDevice(5, "default", 32, 44_100.0, True),
    InputDevice(7, "7", 1, 16_000.0, False),
    InputDevice(8, "Pulse", 1, 8_000.0, False),
    InputDevice(9, "Analogue Stereo", 2, 44_100.0, False, "alsa_input.pci.analogue"),
    InputDevice(10, "Monitor of Analogue Stereo", 2, 48_000.0, False, "alsa_output.pci.analogue.monitor"),
]

CAPTURE = """
import dataclasses, json, sys
import numpy as np
from speech_lstm.audio.microphone import Microphone
wanted, seconds, path = sys.argv[1], float(sys.argv[2]), sys.argv[3]
blocks = []
microphone = Microphone(wanted or None)
if len(sys.argv) > 4:  # a sound server states 32 channels; a stereo card states these
    microphone.device = dataclasses.replace(microphone.device, channels=int(sys.argv[4]))
with microphone:
    for block in microphone:
        assert block.dtype == np.float32 and block.ndim == 1
        if blocks or np.abs(block).max() > 0.05:  # what is played has begun
            blocks.append(block)
        if sum(map(len, blocks)) > seconds * 16_000:
            break
    channels = microphone._stream.channels
np.save(path, np.concatenate(blocks))
print(json.dumps([microphone.device.name, channels, microphone.overruns]))
"""

LISTEN = """
import sys
from speech_lstm.audio import microphone
from speech_lstm.errors import MicrophoneError
devices = microphone.list_devices()
if len(sys.argv) > 1:
    print("devices", len(devices))
    sys.stdin.readline()
try:
    with microphone.Microphone() as source:
        for _ in source:
            print("block")
except MicrophoneError as error:
    print("error", error)
print("still here", file=sys.stderr)
"""

WAIT = """
import select, sys, time
import numpy as np
from speech_lstm.audio import microphone
microphone.RETRY_SECONDS = 0.3
seconds, hint, loud, start = 0, "", False, None
try:
    with microphone.Microphone(sys.argv[1] or None) as source:
        for block in source:
            if not start:
                start = time.monotonic()
                print("open")
            seconds += len(block) / 16_000
            if source.hint != hint:
                hint, loud = source.hint, False
                print(hint or "back")
            if not loud and not hint and np.abs(block).max() > 0.05:
                loud = True
                print("sound")
            if select.select([sys.stdin], [], [], 0)[0]:
                print(time.monotonic() - start - seconds)
                break
except KeyboardInterrupt:
    pass
print("still here", file=sys.stderr)
"""

SLOW_READER = """
import time
from speech_lstm.audio import microphone
microphone.QUEUE_SECONDS = 0.3
with microphone.Microphone(block_seconds=0.02) as source:
    for _ in source:
        break
    assert source.overruns == 0, source.overruns
    time.sleep(1)
    for _ in source:
        break
    print(source.overruns)
"""

TWO_AT_ONCE = """
import os, sys
from speech_lstm.audio.native_stderr import silence_native_stderr
first, second = silence_native_stderr(), silence_native_stderr()
before = sys.stderr
first.__enter__()
os.write(2, b"C one\\n")
print("Python one", file=sys.stderr)
second.__enter__()
first.__exit__(None, None, None)
os.write(2, b"C two\\n")
print("Python two", file=sys.stderr)
second.__exit__(None, None, None)
assert sys.stderr is before
os.write(2, b"C three\\n")
"""


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with VirtualMicrophone() as microphone:
        yield microphone


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 5),
        (3, 3),
        ("3", 3),
        ("usb", 3),
        ("hw:0", 0),
        ("DEFAULT", 5),
        ("pulse", 4),  # the whole name of two: the first
        ("7", 7),  # a name before an index
        (" USB Microphone: Audio (hw:1,0) ", 3),
        ("analogue stereo", 9),  # the whole name of one, a part of another
        ("monitor of analogue", 10),
        ("alsa_output.pci.analogue.monitor", 10),
        ("Analogue Stereo (alsa_input.pci.analogue)", 9),  # as the table shows it
    ],
)
def test_a_device_is_found_by_index_name_or_part_of_it(wanted: str | int | None, index: int) -> None:
    assert find_device(wanted, DEVICES).index == index


@pytest.mark.parametrize("wanted", ["webcam", 1, -1, "99", "", "  "])
def test_a_wrong_device_is_answered_with_what_there_is(wanted: str | int) -> None:
    with pytest.raises(MicrophoneError) as caught:
        find_device(wanted, DEVICES)
    message = str(caught.value)
    assert repr(wanted) in message
    assert "3 'USB Microphone: Audio (hw:1,0)', 4 'pulse'" in message
    assert "\n" not in message


def test_a_part_of_several_names_is_answered_with_those() -> None:
    with pytest.raises(MicrophoneError, match=r"'hw:' is part of 2 names; choose one of 0 'HDA"):
        find_device("hw:", DEVICES)


def test_without_a_default_one_must_be_chosen() -> None:
    with pytest.raises(MicrophoneError, match="no default microphone; choose a device of 0 'HDA"):
        find_device(None, DEVICES[:3])


@needs_sound_server
@pytest.mark.parametrize("wanted", ["", "PUL"])
def test_a_sine_keeps_its_frequency_and_level(virtual: VirtualMicrophone, tmp_path: Path, wanted: str) -> None:
    rate, frequency, level = 44_100, 997.0, 0.5
    phase = 2 * np.pi * frequency * np.arange(4 * rate) / rate
    soundfile.write(tmp_path / "sine.wav", level * np.sin(phase), rate)
    playing = virtual.start_playing(tmp_path / "sine.wav")
    process = python(CAPTURE, virtual.environment, wanted, "1.2", str(tmp_path / "samples.npy"))
    output, errors = process.communicate(timeout=SLOW)
    playing.kill()
    playing.wait()
    assert process.returncode == 0, errors
    # A sound server states 32 channels and mixes down by itself.
    assert json.loads(output) == ["pulse" if wanted else "default", 1, 0]
    samples = np.load(tmp_path / "samples.npy")[3200:19_200]  # one second, after the beginning
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() == frequency  # bins of 1 Hz
    assert samples.std() == pytest.approx(level / np.sqrt(2), rel=0.02)


@needs_sound_server
@pytest.mark.parametrize(("wanted", "frequency"), [("virtual_mic.monitor", 997), ("other.monitor", 1500)])
def test_the_source_that_is_named_is_captured(tmp_path: Path, wanted: str, frequency: int) -> None:
    phase = 2 * np.pi * np.arange(4 * 48_000) / 48_000
    for sink, tone in (("virtual_mic", 997), ("other", 1500)):
        soundfile.write(tmp_path / f"{sink}.wav", 0.5 * np.sin(tone * phase), 48_000)
    with VirtualMicrophone(others={"other": 22_050}) as virtual:
        playing = [virtual.start_playing(tmp_path / f"{sink}.wav", sink) for sink in ("virtual_mic", "other")]
        process = python(CAPTURE, virtual.environment, wanted, "1.2", str(tmp_path / "samples.npy"))
        output, errors = process.communicate(timeout=SLOW)
        for player in playing:
            player.kill()
            player.wait()
    assert process.returncode == 0, errors
    assert json.loads(output) == ["Monitor of Null Output", 1, 0]
    samples = np.load(tmp_path / "samples.npy")[3200:19_200]
    assert np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() == frequency


@needs_sound_server
def test_the_channels_of_the_device_are_averaged(tmp_path: Path) -> None:
    rate = 48_000
    phase = 2 * np.pi * np.arange(4 * rate) / rate
    left, right = 0.6 * np.sin(500 * phase), 0.2 * np.sin(2000 * phase)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), rate)
    with VirtualMicrophone(channels=2) as virtual:
        playing = virtual.start_playing(tmp_path / "stereo.wav")
        process = python(CAPTURE, virtual.environment, "pulse", "1.2", str(tmp_path / "samples.npy"), "2")
        output, errors = process.communicate(timeout=SLOW)
        playing.kill()
        playing.wait()
    assert process.returncode == 0, errors
    assert json.loads(output) == ["pulse", 2, 0]
    samples = np.load(tmp_path / "samples.npy")[3200:19_200]
    spectrum = np.abs(np.fft.rfft(samples)) / (len(samples) / 2)
    assert spectrum[500] == pytest.approx(0.3, rel=0.03)
    assert spectrum[2000] == pytest.approx(0.1, rel=0.03)


@needs_sound_server
def test_a_wrong_name_is_reported_in_a_real_process(virtual: VirtualMicrophone) -> None:
    process = python(CAPTURE, virtual.environment, "webcam", "1", "unused")
    _, errors = process.communicate(timeout=SLOW)
    assert (
        "there is no input device 'webcam'; choose one of 0 'pulse', 1 'default', 2 'Mon" in errors.splitlines()[-1]
    )


@needs_sound_server
@pytest.mark.parametrize("device", ["", "virtual_mic.monitor"])
def test_a_device_that_leaves_is_waited_for_and_reopened(tmp_path: Path, device: str) -> None:
    rate = 48_000
    soundfile.write(tmp_path / "sine.wav", 0.5 * np.sin(2 * np.pi * 997 * np.arange(20 * rate) / rate), rate)
    with VirtualMicrophone() as virtual:
        process = python(WAIT, virtual.environment, device)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        playing = virtual.start_playing(tmp_path / "sine.wav")
        assert process.stdout.readline() == "sound\n"
        virtual.kill()
        playing.wait()
        # On a busy machine the silence of a device that went away may be noticed first.
        assert re.match(r".+: the device (went away|gave no sound for 2 s); ", process.stdout.readline())
        virtual.start()
        assert process.stdout.readline() == "back\n"
        playing = virtual.start_playing(tmp_path / "sine.wav")
        assert process.stdout.readline() == "sound\n"
        output, errors = process.communicate("end\n", timeout=SLOW)
        playing.kill()
    late = float(output.split()[-1])  # seconds by which the stream and the clock differ
    assert abs(late) < 1.0
    assert errors == "still here\n"  # and nothing of what ALSA and PortAudio have to say
    assert process.returncode == 0


@needs_sound_server
def test_a_device_that_hangs_is_waited_for_and_does_not_keep_the_process() -> None:
    with VirtualMicrophone() as virtual:
        process = python(WAIT, virtual.environment, "")
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        virtual.stop()
        assert "gave no sound for 2 s" in process.stdout.readline()
        virtual.go_on()
        assert process.stdout.readline() == "back\n"
        virtual.stop()
        assert "gave no sound for" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors == "still here\n"


def test_a_stream_is_left_alone_while_a_thread_hangs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing it a second time, or ending PortAudio at the end of the process, would crash or hang."""
    monkeypatch.setattr(microphone, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(microphone, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(microphone, "list_devices", lambda: [InputDevice(0, "USB", 1, 16_000.0, True)])
    monkeypatch.setattr(microphone, "sounddevice", lambda: SimpleNamespace(_lib=None, _exit_handler=handler))
    unregistered: list[object] = []
    monkeypatch.setattr("atexit.unregister", unregistered.append)
    handler, released, closes = object(), threading.Event(), []
    source = microphone.Microphone()
    source._stream = SimpleNamespace(active=False, close=lambda **_: (closes.append(1), released.wait(SLOW)))
    silence = source._absence(time.monotonic())
    next(silence)  # the device went away, and closing it hangs
    source._end()
    assert closes == [1]
    assert unregistered == [handler]
    assert not list(silence)
    assert not list(source)
    released.set()


def test_what_is_no_sound_becomes_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "list_devices", lambda: [InputDevice(0, "USB", 1, 16_000.0, True)])
    source = microphone.Microphone()
    source._stream = SimpleNamespace(active=True)
    source._resampler = SimpleNamespace(resample_chunk=lambda block: block)
    blocks = iter(source)
    for value, expected in ((0.5, 0.5), (np.nan, 0), (np.inf, 0), (-1e30, 0), (-0.5, -0.5)):
        samples = np.full((1600, 1), 0.25, np.float32)
        samples[7] = value
        source._receive(samples, 1600, None, SimpleNamespace(input_overflow=False))
        assert next(blocks)[7] == expected


def test_the_sound_servers_words_are_one_printable_line(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"name": "a\x1b[2J", "description": "USB\n\x1b]0;x\x07", "sample_specification": "s16le 2ch 48000Hz"}
    for listing in ([source], [{**source, "description": None}], {"a": 1}, [1], 3):
        answer = SimpleNamespace(stdout=json.dumps(listing))
        monkeypatch.setattr("subprocess.run", lambda *_, answer=answer, **__: answer)
        found = server_sources(5)
        assert len(found) == (listing == [source])
    device = server_source(5, source)
    assert device.source == source["name"]  # by which it is opened
    assert (device.channels, device.rate) == (2, 48_000)
    assert device.title.isprintable()


@needs_sound_server
def test_a_device_that_refuses_is_reported() -> None:
    with VirtualMicrophone() as virtual:
        process = python(LISTEN, virtual.environment, "wait")
        assert process.stdout is not None
        assert process.stdout.readline() == "devices 3\n"
        virtual.kill()
        output, errors = process.communicate("now\n", timeout=SLOW)
    assert output.startswith("error default: the device refuses to open (")
    assert errors == "still here\n"


@needs_sound_server
def test_blocks_that_are_lost_are_counted(virtual: VirtualMicrophone) -> None:
    process = python(SLOW_READER, virtual.environment)
    output, errors = process.communicate(timeout=SLOW)
    assert process.returncode == 0, errors
    assert int(output) >= 20  # of the 50 in a second of sleep the queue holds 15


@pytest.mark.skipif("libportaudio2" in missing(), reason="libportaudio2 is missing")
def test_a_machine_without_a_microphone_is_reported(tmp_path: Path) -> None:
    process = python(LISTEN, without_microphone(tmp_path))
    output, errors = process.communicate(timeout=SLOW)
    assert output.startswith("error no microphone found: connect one")
    assert errors == "still here\n"


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        (
            "import sys; sys.modules['sounddevice'] = None",
            "MissingPackageError: the package sounddevice is missing: pip install 'speech-lstm[mic]'",
        ),
        (
            "import ctypes.util; ctypes.util.find_library = lambda name: None",
            "MicrophoneError: the microphone needs PortAudio: apt-get install libportaudio2",
        ),
    ],
)
def test_what_is_not_installed_is_named(how: str, advice: str) -> None:
    code = f"{how}\nfrom speech_lstm.audio.devices import list_devices\nlist_devices()"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
    assert run.stderr.splitlines()[-1].startswith(f"speech_lstm.errors.{advice}")


def test_only_what_c_code_prints_is_silenced() -> None:
    run = subprocess.run([sys.executable, "-c", TWO_AT_ONCE], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines() == ["Python one", "Python two", "C three"]


@pytest.mark.parametrize("seconds", [0.0, -0.1, 2.0, float("nan")])
def test_blocks_of_an_impossible_length_are_refused(seconds: float) -> None:
    with pytest.raises(MicrophoneError, match=r"choose 0\.005 s to 1 s"):
        Microphone(block_seconds=seconds)


def test_the_table_of_devices() -> None:
    heading, *lines = device_table(DEVICES).splitlines()
    assert {len(line) for line in (heading, *lines)} == {len(heading)}
    assert lines[3].split() == ["*", "5", "default", "32", "44100", "Hz"]
    assert [line[1] for line in lines] == [*"   *    "]
    assert lines[6].lstrip().startswith("9  Analogue Stereo (alsa_input.pci.analogue)  ")
    with pytest.raises(MicrophoneError, match="no microphone found"):
        device_table([])


def test_the_microphone_needs_no_torch() -> None:
    code = "import sys, speech_lstm.audio.microphone; assert not {'torch', 'sounddevice', 'soxr'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=SLOW)
