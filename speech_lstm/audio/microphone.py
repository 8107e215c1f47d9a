"""Any input device as a stream of mono float32 blocks at 16 kHz."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np

from speech_lstm.audio.devices import find_device, host_reason, list_devices, portaudio_index, refresh, sounddevice
from speech_lstm.audio.native_stderr import silence_native_stderr
from speech_lstm.audio.recording import LOUDEST
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import MicrophoneError

MOST_CHANNELS = 8  # a microphone array; "64 channels" is a sound server that mixes down to any number itself
OTHER_RATES = (48_000.0, 44_100.0, 16_000.0)  # Hz; tried if a device refuses the rate that it states
QUEUE_SECONDS = 5.0  # of sound that may wait for a busy program before blocks are lost
FIRST_BLOCK_SECONDS = 6.0  # a wireless headset or an idle sound server starts slowly
STALL_SECONDS = 2.0  # without a block after the first: the device is gone
CLOSE_SECONDS = 2.0  # a sound server that hangs never answers
POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0  # between attempts to reopen a device that went away


class Microphone:
    """An input device, open inside a `with` block; iterating it yields blocks of its sound.

    Every block is a 1-D float32 array at 16 kHz, nominally in ±1, the mean of the device's channels, about
    `block_seconds` long (the resampler returns a little less or more). The device runs at its own rate. While it is
    open, messages of C libraries to standard error are dropped (see `native_stderr`).

    A device that goes away while it is open is reopened when it returns. Meanwhile `hint` reports it, and the blocks
    are silence, so the time of the stream continues with the clock.

    `device` is an index, a name or a part of a name; None is the system's default. Raises MicrophoneError for a
    device that is missing (on construction), refuses to open (on entering), or gives no sound from the start (while
    iterating).
    """

    def __init__(self, device: str | int | None = None, block_seconds: float = 0.1) -> None:
        if not 0.005 <= block_seconds <= 1:
            raise MicrophoneError(f"blocks of {block_seconds:g} s are not supported; choose 0.005 s to 1 s")
        self.device = find_device(device, list_devices())
        self.block_seconds = block_seconds
        self.overruns = 0
        """Blocks that were lost, wholly or in part, because the program or the machine was too slow."""
        self.hint = ""
        """One line about a device that is gone; empty while it is present."""
        self._by_default = device is None
        self._ended = threading.Event()
        self._blocks: queue.Queue[np.ndarray] = queue.Queue(max(2, round(QUEUE_SECONDS / block_seconds)))
        self._opener: threading.Thread | None = None
        self._stack = ExitStack()
        self._stream: Any = None
        self._resampler: Any = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(silence_native_stderr())
            self._open()
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        if self._stream is None:
            raise MicrophoneError("the microphone is not open; use it in a with block")
        timeout, last = FIRST_BLOCK_SECONDS, 0.0
        while True:
            block = self._next_block(timeout)
            if block is None and self._ended.is_set():
                return
            if block is None and not last:
                raise MicrophoneError(
                    f"{self.device.name}: the device {self._fault(timeout)}; check that it is connected and the "
                    "sound server runs, then start again"
                )
            if block is None:
                self.hint = f"{self.device.name}: the device {self._fault(timeout)}; it is reopened when it returns"
                yield from self._absence(last)
                self.hint = ""
                timeout = FIRST_BLOCK_SECONDS
                continue
            timeout, last = STALL_SECONDS, time.monotonic()
            if not np.abs(block).max(initial=0) <= LOUDEST:  # NaN too: the fault of a driver, which may pass
                block = np.zeros_like(block)
            resampled = self._resampler.resample_chunk(block)
            if len(resampled):  # the first blocks fill the resampler's filter
                yield resampled

    def _next_block(self, timeout: float) -> np.ndarray | None:
        """The oldest waiting block, at the device's rate, mono; None if the device gives no more."""
        # The polls are counted, not the time: a process that was stopped and continues has not lost its device.
        for _ in range(round(timeout / POLL_SECONDS)):
            try:
                return self._blocks.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if self._ended.is_set() or not self._stream.active:
                    break
        return None

    def _fault(self, timeout: float) -> str:
        return "went away" if not self._stream.active else f"gave no sound for {timeout:g} s"

    def _absence(self, since: float) -> Iterator[np.ndarray]:
        """Silence in real time, from the time `since` until the device is open again."""
        self._opener = opener = threading.Thread(target=self._reopen, daemon=True)  # PortAudio can hang
        opener.start()
        end = since  # of the silence
        while opener.is_alive() and not self._ended.is_set():
            opener.join(self.block_seconds)
            count = int((time.monotonic() - end) * SAMPLE_RATE)
            end += count / SAMPLE_RATE
            yield np.zeros(count, np.float32)

    def _reopen(self) -> None:
        """Close the rest of the device, and try to open it again and again."""
        _library = sounddevice()._lib  # a thread that hangs in it keeps it loaded
        self._stream.close(ignore_errors=True)
        while not self._ended.wait(RETRY_SECONDS):
            try:
                refresh()
                name = None if self._by_default else self.device.source or self.device.name
                self.device = find_device(name, list_devices())
                self._open()
            except (MicrophoneError, sounddevice().PortAudioError):
                continue
            break
        if self._ended.is_set():  # it opened too late
            self._close()

    def _receive(self, samples: np.ndarray, count: int, time: Any, status: Any) -> None:
        """Called from PortAudio's thread with float32 [count, channels], which is only valid during the call."""
        if status.input_overflow:
            self.overruns += 1
        try:
            self._blocks.put_nowait(samples.mean(axis=1))
        except queue.Full:
            self.overruns += 1

    def _open(self) -> None:
        """Start a stream at the rate and channels that the device states or, if it refuses them, at common ones."""
        import soxr

        binding = sounddevice()
        refusal = None
        stated = self.device.channels
        several = (stated, 1, 2) if stated <= MOST_CHANNELS else (1, 2, stated)
        for rate in dict.fromkeys((self.device.rate, *OTHER_RATES)):
            for channels in dict.fromkeys(count for count in several if count <= stated):
                try:
                    self._stream = self._start(rate, channels)
                except binding.PortAudioError as error:
                    refusal = refusal or error
                else:
                    self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
                    return
        raise MicrophoneError(
            f"{self.device.name}: the device refuses to open ({host_reason(refusal)}); check that no other program "
            "uses it and that this one may use the microphone, or choose another with --device"
        ) from refusal

    def _start(self, rate: float, channels: int) -> Any:
        """A running stream; raises PortAudioError."""
        with portaudio_index(self.device) as index:
            stream = sounddevice().InputStream(
                samplerate=rate,
                blocksize=round(rate * self.block_seconds),
                device=index,
                channels=channels,
                dtype="float32",
                callback=self._receive,
            )
            try:
                stream.start()
            except BaseException:
                _close(stream)
                raise
        return stream

    def _end(self) -> None:
        """Close the device for good."""
        self._ended.set()
        self._resampler = None  # a thread that hangs keeps this object alive, and soxr reports leaks
        if self._opener is not None:
            self._opener.join(CLOSE_SECONDS)
        if self._opener is not None and self._opener.is_alive():
            _abandon()
        else:
            self._close()

    def _close(self) -> None:
        if self._stream is not None:
            _close(self._stream)
        self._stream = self._resampler = None


def _close(stream: Any) -> None:
    """Close the stream, but do not wait for a sound server that never answers."""

    def close() -> None:
        _library = sounddevice()._lib  # a thread that hangs in it keeps it loaded
        stream.close()

    closer = threading.Thread(target=close, daemon=True)
    closer.start()
    closer.join(CLOSE_SECONDS)
    if closer.is_alive():
        _abandon()


def _abandon() -> None:
    """Leave PortAudio as it is at the end of the process: a thread hangs in it, and ending it would crash or hang."""
    atexit.unregister(sounddevice()._exit_handler)
