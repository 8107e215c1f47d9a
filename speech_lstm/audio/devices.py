"""The audio inputs of this machine: PortAudio's devices and the sources of a sound server."""

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

from speech_lstm.audio.native_stderr import native_stderr_silenced
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import MicrophoneError, require

NO_DEVICE = "no microphone found: connect one and see that the sound settings of the system show it"
SERVER = "pulse"  # PortAudio's device of the sound server, PulseAudio's or PipeWire's, by way of ALSA
SERVER_PATIENCE = 2.0  # seconds; a sound server that hangs never answers


@dataclass(frozen=True)
class InputDevice:
    """An audio input: its number, name, channels, default rate in Hz.

    `source` is what a sound server calls it, such as `alsa_output.usb-….monitor`; empty for PortAudio's own devices.
    """

    index: int
    name: str
    channels: int
    rate: float
    default: bool
    source: str = ""

    @property
    def title(self) -> str:
        """The name and, in parentheses, what the sound server calls it."""
        return f"{self.name} ({self.source})" if self.source else self.name


def list_devices() -> list[InputDevice]:
    """The input devices in PortAudio's order, then the sources of the sound server; empty where there is none.

    PortAudio looks once, when it is first used in a process; `refresh` lets it look again. Raises MicrophoneError
    where PortAudio or its Python binding is missing.
    """
    binding = sounddevice()
    default = binding.default.device[0]
    entries = binding.query_devices()
    devices = [
        InputDevice(
            index=index,
            name=" ".join(entry["name"].split()),  # some drivers put line breaks into it
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
    """What a sound server offers to record from, monitors too, numbered from `first`; empty without one or pactl."""
    try:
        asked = subprocess.run(
            ["pactl", "--format=json", "list", "sources"],
            env=os.environ | {"LC_ALL": "C.UTF-8"},  # elsewhere its numbers have a comma, which isn't JSON
            capture_output=True,
            timeout=SERVER_PATIENCE,
        )
        found = json.loads(asked.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return []
    devices = []
    for place, item in enumerate(found):
        _, channels, rate = item["sample_specification"].split()  # such as "s16le 2ch 48000Hz"
        figures = int(channels.removesuffix("ch")), float(rate.removesuffix("Hz"))
        devices.append(InputDevice(first + place, item["description"], *figures, False, item["name"]))
    return devices


def find_device(wanted: str | int | None, devices: list[InputDevice]) -> InputDevice:
    """The device with this index, this name or this part of its name in any case; None is the default one.

    Of several devices with exactly the same name the first is taken. Raises MicrophoneError, with what there
    is, if there is no such device or more than one.
    """
    if not devices:
        raise MicrophoneError(NO_DEVICE)
    if wanted is None:
        if found := [device for device in devices if device.default]:
            return found[0]
        raise MicrophoneError(f"the system has no default microphone; choose a device of {_names(devices)}")
    text = str(wanted).strip().casefold()
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
        raise MicrophoneError(f"{wanted!r} is part of {len(matches)} names; choose one of {_names(matches)}")
    raise MicrophoneError(f"there is no input device {wanted!r}; choose one of {_names(devices)}")


def device_table(devices: list[InputDevice]) -> str:
    """The devices for people, one a line below a heading, with a star at the default one.

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
    """Let PortAudio look for the devices again; no stream may be open."""
    binding = sounddevice()
    if binding._initialized:  # it is not where the last look failed
        binding._terminate()
    binding._initialize()


@contextlib.contextmanager
def portaudio_index(device: InputDevice) -> Iterator[int]:
    """The number by which PortAudio opens the device inside the block.

    A source of the sound server is opened as the device "pulse", which takes the source that the environment names.
    """
    if not device.source:
        yield device.index
        return
    server = next((item.index for item in list_devices() if item.name == SERVER), None)
    if server is None:
        raise MicrophoneError(f"{device.name}: the sound server is gone")
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
    """The binding of PortAudio, which looks for the devices when it is first imported."""
    require("sounddevice")
    try:
        import sounddevice
    except OSError as error:
        raise MicrophoneError(
            "the microphone needs PortAudio: apt-get install libportaudio2 (Debian, Ubuntu) "
            "or dnf install portaudio (Fedora)"
        ) from error
    except Exception as error:  # its own PortAudioError, which can't be imported either
        raise MicrophoneError(f"PortAudio does not start ({host_reason(error)}); see the sound settings") from error
    return sounddevice


def host_reason(error: BaseException | None) -> str:
    """PortAudio's words in one line, without the name of the call and the number of the error."""
    words = str(error.args[0]) if error and error.args else str(error)
    host: Any = error.args[2][2] if error and len(error.args) > 2 else ""
    return " ".join((host or words.rpartition(": ")[2]).split()).rstrip(".")


def _names(devices: list[InputDevice]) -> str:
    return ", ".join(f"{device.index} {device.title!r}" for device in devices)


def play(samples: np.ndarray) -> None:
    """Play float32 [samples] at 16 kHz on the default output; raises MicrophoneError where there is none."""
    binding = sounddevice()
    try:
        with native_stderr_silenced():
            binding.play(samples, SAMPLE_RATE, blocking=True)
    except (binding.PortAudioError, ValueError) as error:  # ValueError: there is no default output
        raise MicrophoneError(f"it can't be played ({host_reason(error)}); see the sound settings") from error
