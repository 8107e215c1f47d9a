"""What can be listened to: a microphone, sound that comes in over standard input, a file played in real time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import soundfile

from speech_lstm.audio.level import Level
from speech_lstm.audio.recording import decoded, stream_recording
from speech_lstm.audio.sources import STDIN, decoder_reason, standard_input
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError, RecordingError, printable

BLOCK_SECONDS = 0.1
POLL_SECONDS = 0.5  # longest time without a block: what goes on beside the sound must not wait for more of it
WAITING_BLOCKS = 10  # a pipe that is faster than we waits in turn


class Named(Protocol):
    """What is listened to."""

    @property
    def name(self) -> str: ...


class Input(AbstractContextManager[Any], Protocol):
    """Something to listen to: open in a with block, it yields 1-D float32 blocks at 16 kHz of any length.

    A block is empty where none arrived for a while.
    """

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

    While nothing arrives, it yields an empty block every POLL_SECONDS.

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
        while not self._closed:
            try:
                item = self._arrived.get(timeout=POLL_SECONDS)
            except queue.Empty:
                item = np.zeros(0, np.float32)
            if isinstance(item, RecordingError):
                raise item
            if item is None:
                return
            yield item

    def _read(self) -> None:
        """In the thread: the blocks at 16 kHz, then None; or the RecordingError."""
        try:
            with self._opened() as sound:
                for block in decoded(sound, STDIN, round(BLOCK_SECONDS * sound.samplerate) * sound.channels):
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
                f"{STDIN}: not a WAV stream ({decoder_reason(error)}); "
                "send one, or raw 16-bit samples with --raw RATE"
            ) from error
        if not sound.frames:
            raise RecordingError(f"{STDIN}: its header promises no sound; send raw 16-bit samples with --raw RATE")
        return sound


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
