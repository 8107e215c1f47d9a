"""Any input device as a stream of mono float32 blocks at 16 kHz."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np

from speech_lstm.audio.native_stderr import native_stderr_silenced
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import MicrophoneError

MOST_CHANNELS = 8  # a microphone array; "64 channels" is a sound server that mixes down to any number itself
OTHER_RATES = (48_000.0, 44_100.0, 16_000.0)  # Hz; tried where a device refuses the rate that it states
QUEUE_SECONDS = 5.0  # audio that may wait for a busy program before blocks are lost
FIRST_BLOCK_SECONDS = 6.0  # a wireless headset or an idle sound server takes its time to start
STALL_SECONDS = 2.0  # without a block after the first: the device is gone
CLOSE_SECONDS = 2.0  # a sound server that hangs never answers
POLL_SECONDS = 0.1
NO_DEVICE = "no microphone found: connect one and see that the sound settings of the system show it"


@dataclass(frozen=True)
class InputDevice:
    """An audio input as PortAudio states it: its number, name, channels, default rate in Hz."""

    index: int
    name: str
    channels: int
    rate: float
    default: bool


def list_devices() -> list[InputDevice]:
    """The input devices, in PortAudio's order; empty where there is none.

    PortAudio looks once, when it is first used in a process; what is plugged in later isn't seen. Raises
    MicrophoneError where PortAudio or its Python binding is missing.
    """
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        InputDevice(
            index=index,
            name=" ".join(entry["name"].split()),  # some drivers put line breaks into it
            channels=entry["max_input_channels"],
            rate=entry["default_samplerate"],
            default=index == default,
        )
        for index, entry in enumerate(sounddevice.query_devices())
        if entry["max_input_channels"] > 0
    ]


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
        if device.name.casefold() == text:
            return device
    if text.lstrip("-").isdecimal():
        matches = [device for device in devices if device.index == int(text)]
    else:
        matches = [device for device in devices if text and text in device.name.casefold()]
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
    width = max(len("name"), *(len(device.name) for device in devices))
    lines = [f"   index  {'name':{width}}  channels  {'rate':>9}"]
    for device in devices:
        mark = "*" if device.default else " "
        figures = f"{device.channels:8}  {device.rate:6.0f} Hz"
        lines.append(f" {mark} {device.index:5}  {device.name:{width}}  {figures}")
    return "\n".join(lines)


class Microphone:
    """An input device, open inside a `with` block; iterating it yields what is heard.

    Every block is a 1-D float32 array at 16 kHz, nominally in ±1, the mean of the device's channels, about
    `block_seconds` long (the resampler hands out a little less or more). The device runs at its own rate.
    While it is open, what C libraries print to standard error is dropped (see `native_stderr`).

    device: index, name or part of a name; None for the system's default.
    Raises MicrophoneError for a device that isn't there (on construction), refuses (on entering), or stops
    delivering (while iterating).
    """

    def __init__(self, device: str | int | None = None, block_seconds: float = 0.1) -> None:
        if not 0.005 <= block_seconds <= 1:
            raise MicrophoneError(f"blocks of {block_seconds:g} s can't be read; take 0.005 s to 1 s")
        self.device = find_device(device, list_devices())
        self.block_seconds = block_seconds
        self.overruns = 0
        """Blocks that were lost, wholly or in part, because the program or the machine was too slow."""
        self.hint = ""
        """What the user could do about the sound; empty when it is good."""
        self._blocks: queue.Queue[np.ndarray] = queue.Queue(max(2, round(QUEUE_SECONDS / block_seconds)))
        self._stack = ExitStack()
        self._stream: Any = None
        self._resampler: Any = None
        self._heard = False

    def __enter__(self) -> Self:
        import soxr

        with ExitStack() as stack:
            stack.enter_context(native_stderr_silenced())
            self._stream = self._open()
            stack.callback(_close, self._stream)
            self._resampler = soxr.ResampleStream(self._stream.samplerate, SAMPLE_RATE, 1, dtype="float32")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._stream = self._resampler = None  # where closing hangs, the stream keeps this object alive

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            block = self._resampler.resample_chunk(self._next_block())
            if len(block):  # the first ones fill the resampler's filter
                yield block

    def _next_block(self) -> np.ndarray:
        """The oldest block that waits, at the device's rate, mono."""
        if self._stream is None:
            raise MicrophoneError("the microphone is not open; use it in a with block")
        patience = STALL_SECONDS if self._heard else FIRST_BLOCK_SECONDS
        # The polls are counted, not the time: a process that was stopped and goes on has not lost its device.
        for _ in range(round(patience / POLL_SECONDS)):
            try:
                block = self._blocks.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if not self._stream.active:
                    break
            else:
                self._heard = True
                return block
        what = "went away" if not self._stream.active else f"gave no sound for {patience:g} s"
        raise MicrophoneError(
            f"{self.device.name}: the device {what}; see that it is connected and the sound server runs, "
            "then start again"
        )

    def _receive(self, samples: np.ndarray, count: int, time: Any, status: Any) -> None:
        """Called from PortAudio's thread with float32 [count, channels], which is only valid meanwhile."""
        if status.input_overflow:
            self.overruns += 1
        try:
            self._blocks.put_nowait(samples.mean(axis=1))
        except queue.Full:
            self.overruns += 1

    def _open(self) -> Any:
        """A started stream, at what the device states or, if it refuses that, at something usual."""
        sounddevice = _sounddevice()
        refusal = None
        stated = self.device.channels
        several = (stated, 1, 2) if stated <= MOST_CHANNELS else (1, 2, stated)
        for rate in dict.fromkeys((self.device.rate, *OTHER_RATES)):
            for channels in dict.fromkeys(count for count in several if count <= stated):
                stream = None
                try:
                    stream = sounddevice.InputStream(
                        samplerate=rate,
                        blocksize=round(rate * self.block_seconds),
                        device=self.device.index,
                        channels=channels,
                        dtype="float32",
                        callback=self._receive,
                    )
                    stream.start()
                except sounddevice.PortAudioError as error:
                    if stream is not None:
                        _close(stream)
                    refusal = refusal or error
                else:
                    return stream
        raise MicrophoneError(
            f"{self.device.name}: the device refuses to open ({_reason(refusal)}); see that no other program "
            "holds it and that this one may use the microphone, or choose another with --device"
        ) from refusal


def _sounddevice() -> ModuleType:
    """The binding of PortAudio, which looks for the devices when it is first imported."""
    try:
        import sounddevice
    except ImportError as error:
        raise MicrophoneError(
            "the microphone needs the package sounddevice: pip install 'speech-lstm[mic]'"
        ) from error
    except OSError as error:
        raise MicrophoneError(
            "the microphone needs PortAudio: apt-get install libportaudio2 (Debian, Ubuntu) "
            "or dnf install portaudio (Fedora)"
        ) from error
    except Exception as error:  # its own PortAudioError, which can't be imported either
        raise MicrophoneError(f"PortAudio does not start ({_reason(error)}); see the sound settings") from error
    return sounddevice


def _close(stream: Any) -> None:
    """Close the stream, but don't wait for a sound server that never answers."""
    closer = threading.Thread(target=stream.close, daemon=True)
    closer.start()
    closer.join(CLOSE_SECONDS)


def _reason(error: BaseException | None) -> str:
    """PortAudio's words in one line, without the name of the call and the number of the error."""
    words = str(error.args[0]) if error and error.args else str(error)
    host = error.args[2][2] if error and len(error.args) > 2 else ""
    return " ".join((host or words.rpartition(": ")[2]).split()).rstrip(".")


def _names(devices: list[InputDevice]) -> str:
    return ", ".join(f"{device.index} {device.name!r}" for device in devices)
