"""The audio inputs of the machine: PortAudio's devices and the sources of a sound server."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from speech_lstm.audio.native_stderr import silence_native_stderr
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import MicrophoneError, printable, require

NO_DEVICE = "no microphone found: connect one and check that the system's sound settings show it"
SERVER = "pulse"  # PortAudio's device of the sound server, PulseAudio or PipeWire, through ALSA
ANSWER_SECONDS = 2.0  # for the sound server to answer; one that hangs never does


@dataclass(frozen=True)
class InputDevice:
    """An audio input: its number, name, channels and default rate in Hz.

    `source` is its name in the sound server, such as `alsa_output.usb-….monitor`; empty for PortAudio's own devices.
    """

    index: int
    name: str
    channels: int
    rate: float
    default: bool
    source: str = ""

    @property
    def title(self) -> str:
        """The name and, in parentheses, the name in the sound server."""
        return f"{self.name} ({printable(self.source)})" if self.source else self.name


def list_devices() -> list[InputDevice]:
    """The input devices in PortAudio's order, then the sources of the sound server; empty if there are none.

    PortAudio searches once, when it is first used in a process; `refresh` lets it search again. Raises
    MicrophoneError if PortAudio is missing, and MissingPackageError without its Python binding.
    """
    binding = sounddevice()
    default = binding.default.device[0]
    entries = binding.query_devices()
    devices = [
        InputDevice(
            index=index,
            name=printable(" ".join(entry["name"].split())),  # some drivers add line breaks
            channels=entry["max_input_channels"],
            rate=entry["default_samplerate"],
            default=index == default,
        )
        for index, entry in enumerate(entries)
        if entry["max_input_channels"] > 0
    ]
    if any(device.name == SERVER for device in devices):
        devices += server_sources(len(entries))
    return devices


def server_sources(first: int) -> list[InputDevice]:
    """The sources of a sound server, monitors too, numbered from `first`; empty without a server or pactl."""
    try:
        listing = subprocess.run(
            ["pactl", "--format=json", "list", "sources"],
            env=os.environ | {"LC_ALL": "C.UTF-8"},  # other locales write numbers with a comma, which is not JSON
            capture_output=True,
            timeout=ANSWER_SECONDS,
        )
        return [server_source(first + place, item) for place, item in enumerate(json.loads(listing.stdout))]
    except (
        OSError,
        subprocess.TimeoutExpired,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # none, or not what pactl prints
        return []


def server_source(index: int, item: dict[str, str]) -> InputDevice:
    """The device of a source as pactl describes it."""
    _, channels, rate = item["sample_specification"].split()  # such as "s16le 2ch 48000Hz"
    figures = int(channels.removesuffix("ch")), float(rate.removesuffix("Hz"))
    return InputDevice(index, printable(" ".join(item["description"].split())), *figures, False, item["name"])


def find_device(name: str | int | None, devices: list[InputDevice]) -> InputDevice:
    """The device with this index, name or part of its name, in any case; None is the default device.

    The first of several devices with exactly this name is chosen. Raises MicrophoneError, which lists the devices, if
    there is no such device or more than one.
    """
    if not devices:
        raise MicrophoneError(NO_DEVICE)
    if name is None:
        if defaults := [device for device in devices if device.default]:
            return defaults[0]
        raise MicrophoneError(f"the system has no default microphone; choose a device of {_names(devices)}")
    text = str(name).strip().casefold()
    for device in devices:
        if text and text in (device.name.casefold(), device.source.casefold(), device.title.casefold()):
            return device
    if text.lstrip("-").isdecimal():
        matches = [device for device in devices if device.index == int(text)]
    else:
        matches = [device for device in devices if text and text in device.title.casefold()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise MicrophoneError(f"{name!r} is part of {len(matches)} names; choose one of {_names(matches)}")
    raise MicrophoneError(f"there is no input device {name!r}; choose one of {_names(devices)}")


def device_table(devices: list[InputDevice]) -> str:
    """A line for each device below a heading, with a star at the default one.

    Raises MicrophoneError if there are none.
    """
    if not devices:
        raise MicrophoneError(NO_DEVICE)
    width = max(len("name"), *(len(device.title) for device in devices))
    lines = [f"   index  {'name':{width}}  channels  {'rate':>9}"]
    for device in devices:
        mark = "*" if device.default else " "
        figures = f"{device.channels:8}  {device.rate:6.0f} Hz"
        lines.append(f" {mark} {device.index:5}  {device.title:{width}}  {figures}")
    return "\n".join(lines)


def refresh() -> None:
    """Let PortAudio search for the devices again; no stream may be open."""
    binding = sounddevice()
    if binding._initialized:  # it is not after a search that failed
        binding._terminate()
    binding._initialize()


@contextlib.contextmanager
def portaudio_index(device: InputDevice) -> Iterator[int]:
    """The number by which PortAudio opens the device inside the block.

    A source of the sound server is opened as the device "pulse", which reads the source's name from the environment.
    """
    if not device.source:
        yield device.index
        return
    server = next((item.index for item in list_devices() if item.name == SERVER), None)
    if server is None:
        raise MicrophoneError(f"{device.name}: the sound server is gone; start it again")
    before = os.environ.get("PULSE_SOURCE")
    os.environ["PULSE_SOURCE"] = device.source
    try:
        yield server
    finally:
        if before is None:
            del os.environ["PULSE_SOURCE"]
        else:
            os.environ["PULSE_SOURCE"] = before


def sounddevice() -> ModuleType:
    """The binding of PortAudio, which searches for the devices when it is first imported."""
    require("sounddevice")
    try:
        import sounddevice
    except OSError as error:
        raise MicrophoneError(
            "the microphone needs PortAudio: apt-get install libportaudio2 (Debian, Ubuntu) "
            "or dnf install portaudio (Fedora)"
        ) from error
    except Exception as error:  # its own PortAudioError, which cannot be imported either
        raise MicrophoneError(f"PortAudio does not start ({host_reason(error)}); check the sound settings") from error
    return sounddevice


def host_reason(error: BaseException | None) -> str:
    """PortAudio's message in one line, without the name of the call and the number of the error."""
    message = str(error.args[0]) if error and error.args else str(error)
    host: Any = error.args[2][2] if error and len(error.args) > 2 else ""
    return printable(" ".join((host or message.rpartition(": ")[2]).split()).rstrip("."))


def _names(devices: list[InputDevice]) -> str:
    return ", ".join(f"{device.index} {device.title!r}" for device in devices)


def play(samples: np.ndarray) -> None:
    """Play float32 [samples] at 16 kHz on the default output; raises MicrophoneError if there is none."""
    binding = sounddevice()
    try:
        with silence_native_stderr():
            binding.play(samples, SAMPLE_RATE, blocking=True)
    except (binding.PortAudioError, ValueError) as error:  # ValueError: there is no default output
        raise MicrophoneError(f"cannot be played ({host_reason(error)}); check the sound settings") from error
