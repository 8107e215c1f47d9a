"""What can be listened to: a microphone, sound that comes in over standard input, a file played in real time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import soundfile

from speech_lstm.audio.level import Level
from speech_lstm.audio.recording import decode, decoded, stream_recording
from speech_lstm.audio.sources import STDIN, printable, reason, standard_input
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError, RecordingError

BLOCK_SECONDS = 0.1
POLL_SECONDS = 0.5  # Ctrl-C is heard while nothing comes in
WAITING_BLOCKS = 10  # a pipe that is faster than we waits in turn


class Named(Protocol):
    """What is listened to."""

    @property
    def name(self) -> str: ...


class Input(AbstractContextManager[Any], Protocol):
    """Something to listen to: open in a with block, it yields 1-D float32 blocks at 16 kHz of any length."""

    @property
    def device(self) -> Named: ...
    @property
    def overruns(self) -> int:
        """Blocks that were lost because this machine is too slow."""
        ...

    @property
    def hint(self) -> str:
        """One line about what is wrong with the input now, or empty."""
        ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class Origin:
    """A file or a pipe as a device."""

    name: str


class Played:
    """A recording played in real time, as if it were spoken now. Raises RecordingError for one that can't be read."""

    overruns = 0  # a slow program gets its blocks later
    hint = ""

    def __init__(self, path: Path) -> None:
        self.device = Origin(printable(str(path)))
        blocks = stream_recording(path, BLOCK_SECONDS)
        self._blocks = chain([next(blocks)], blocks)  # what can't be read is told before anything is started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Iterator[np.ndarray]:
        start, heard = time.monotonic(), 0
        for block in self._blocks:
            heard += len(block)
            time.sleep(max(0.0, start + heard / SAMPLE_RATE - time.monotonic()))
            yield block


class Piped:
    """Sound on standard input as it comes in: a WAV stream whose header need not know its length, or raw samples.

    raw: the rate in Hz of raw samples, 16 bits, little-endian, mono; 0 for a WAV stream.
    Raises RecordingError, while iterating, for what is not such a sound.
    """

    overruns = 0  # whoever writes into the pipe waits, or loses blocks and says so
    hint = ""

    def __init__(self, raw: int = 0) -> None:
        self.device = Origin(STDIN)
        self._raw = raw
        self._descriptor = standard_input().fileno()
        self._arrived: queue.Queue[Any] = queue.Queue(WAITING_BLOCKS)
        self._closed = False

    def __enter__(self) -> Self:
        # Reading in C can't be interrupted, so that a thread does it, which ends with the process.
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True

    def __iter__(self) -> Iterator[np.ndarray]:
        if (sound := self._next()) is not None:
            yield from decoded(Arriving(sound, self._next), STDIN, values_of(sound))

    def _next(self) -> Any:
        """What the thread has read next: the open sound, then its blocks; None at the end. Raises RecordingError."""
        while not self._closed:
            try:
                item = self._arrived.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, RecordingError):
                raise item
            return item
        return None

    def _read(self) -> None:
        """In the thread: the open sound, its blocks, then None; or what went wrong."""
        try:
            with self._opened() as sound:
                self._arrived.put(sound)
                while len(block := decode(sound, STDIN, 0, values_of(sound))):
                    self._arrived.put(block)
            self._arrived.put(None)
        except RecordingError as error:
            self._arrived.put(error)

    def _opened(self) -> soundfile.SoundFile:
        layout = {"samplerate": self._raw, "channels": 1, "format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"}
        try:
            sound = soundfile.SoundFile(self._descriptor, closefd=False, **(layout if self._raw else {}))
        except soundfile.SoundFileError as error:
            raise RecordingError(
                f"{STDIN}: not a WAV stream ({reason(error)}); send one, or raw 16-bit samples with --raw RATE"
            ) from error
        if not sound.frames:
            raise RecordingError(f"{STDIN}: its header promises no sound; send raw 16-bit samples with --raw RATE")
        return sound


class Arriving:
    """A sound whose blocks, float32 [frames, channels], another thread reads; `following` gives the next or None."""

    def __init__(self, sound: soundfile.SoundFile, following: Callable[[], np.ndarray | None]) -> None:
        self.channels, self.samplerate, self.frames = sound.channels, sound.samplerate, sound.frames
        self._following = following

    def read(self, frames: int, dtype: str, always_2d: bool) -> np.ndarray:
        """The next block, whatever its length; none of it at the end."""
        block = self._following()
        return np.zeros((0, self.channels), np.float32) if block is None else block


def values_of(sound: soundfile.SoundFile) -> int:
    """How many values (samples × channels) a block of a sound has."""
    return round(BLOCK_SECONDS * sound.samplerate) * sound.channels


class Levelled:
    """An input whose blocks go through `Level`; its hints are those of the input and of the level."""

    def __init__(self, source: Input, level: Level) -> None:
        self.source, self.level = source, level

    @property
    def device(self) -> Named:
        return self.source.device

    @property
    def overruns(self) -> int:
        return self.source.overruns

    @property
    def hint(self) -> str:
        return self.source.hint or self.level.hint

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.source.__exit__(kind, error, traceback)

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.source:
            yield self.level(block)


def find_input(device: str | None, recording: str | None, raw: int | None) -> Input:
    """The input that the flags --device, --input and --raw mean; raises an error that says what is wrong with it."""
    if raw is not None and recording != "-":
        raise ConfigError("--raw is the rate of samples on standard input; give --input - with it")
    if recording is None:
        from speech_lstm.audio.microphone import Microphone

        return Microphone(device, BLOCK_SECONDS)
    if device is not None:
        raise ConfigError("give --device or --input, not both")
    return Piped(raw or 0) if recording == "-" else Played(Path(recording))
