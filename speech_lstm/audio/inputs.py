"""Inputs: a microphone, sound that arrives on standard input, and a file played in real time."""

from __future__ import annotations

import atexit
import contextlib
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
from speech_lstm.audio.recording import HIGHEST_RATE, LOWEST_RATE, frame_blocks, resample_blocks, stream_recording
from speech_lstm.audio.relay import Relay
from speech_lstm.audio.sources import STDIN, decoder_reason, standard_input
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError, RecordingError, printable

BLOCK_SECONDS = 0.1
POLL_SECONDS = 0.5  # longest time without a block: other tasks must not wait for more sound
WAITING_BLOCKS = 10  # a sender that is faster than this program waits when they are full

END: Any = object()  # of the sound
NOTHING = np.zeros((0, 1), np.float32)  # frames


class HasName(Protocol):
    """The device, file or pipe of an input."""

    @property
    def name(self) -> str: ...


class Input(AbstractContextManager[Any], Protocol):
    """A source of sound: open in a with block, it yields 1-D float32 blocks at 16 kHz of any length.

    A block is empty if no sound has arrived for a while.
    """

    @property
    def device(self) -> HasName: ...
    @property
    def overruns(self) -> int:
        """Blocks that were lost because the machine is too slow."""
        ...

    @property
    def hint(self) -> str:
        """One line about a present fault of the input, or empty."""
        ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class Origin:
    """A file or a pipe as a device."""

    name: str


class FileInput:
    """A recording played in real time, as if it were spoken now. Raises RecordingError for an unusable one."""

    overruns = 0  # a slow program gets its blocks later, and all of them
    hint = ""

    def __init__(self, path: Path) -> None:
        self.device = Origin(printable(str(path)))
        self._rest = stream_recording(path, BLOCK_SECONDS)
        self._first = next(self._rest)  # an unusable one fails before anything is started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._rest.close()  # and with it the file

    def __iter__(self) -> Iterator[np.ndarray]:
        start, samples = time.monotonic(), 0
        for block in chain([self._first], self._rest):
            samples += len(block)
            time.sleep(max(0.0, start + samples / SAMPLE_RATE - time.monotonic()))
            yield block


class PipeInput:
    """Sound on standard input as it arrives: a WAV stream, whose header may lack its length, or raw samples.

    While nothing arrives, it yields an empty block every POLL_SECONDS.

    `raw` is the rate in Hz of raw samples, 16 bits, little-endian, mono; 0 for a WAV stream. Raises ConfigError for
    an impossible rate, and RecordingError, while iterating, for any other sound.
    """

    overruns = 0  # the sender waits, or loses blocks and reports it
    hint = ""

    def __init__(self, raw: int = 0) -> None:
        if raw and not LOWEST_RATE <= raw <= HIGHEST_RATE:
            raise ConfigError(f"--raw {raw}: the rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        self.device = Origin(STDIN)
        self._raw = raw
        self._source = standard_input()
        # The sound's rate, then its blocks float32 [frames, channels], then END; or an error.
        self._arrived: queue.Queue[Any] = queue.Queue(WAITING_BLOCKS)
        self._closed = False

    def __enter__(self) -> Self:
        # Reading in C cannot be interrupted, so a thread does it, and the relay lets it end. The thread has no
        # resampler: its binding would report at the end of the process that it was never freed.
        self._relay = Relay(self._source.fileno())
        self._thread = threading.Thread(target=self._read, daemon=True, name="reader of standard input")
        self._thread.start()
        atexit.register(self._close)  # for a process that ends inside the block
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        atexit.unregister(self._close)
        self._close()

    def _close(self) -> None:
        """End both threads: the interpreter must not go down, and unload the library, while one is inside it."""
        self._closed = True
        self._relay.close()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):  # it may wait for a place
                self._arrived.get_nowait()
            self._thread.join(0.01)

    def __iter__(self) -> Iterator[np.ndarray]:
        arrivals = self._arrivals()
        while (rate := next(arrivals, END)) is None:
            yield NOTHING[:, 0]
        if rate is not END:
            blocks = (NOTHING if block is None else block for block in arrivals)
            yield from resample_blocks(blocks, rate, STDIN)

    def _arrivals(self) -> Iterator[Any]:
        """What the thread has put into the queue; None if nothing has arrived for POLL_SECONDS."""
        while not self._closed:
            try:
                item = self._arrived.get(timeout=POLL_SECONDS)
            except queue.Empty:
                item = None
            if isinstance(item, Exception):
                raise item
            if item is END:
                return
            yield item

    def _read(self) -> None:
        """In the thread: fill the queue."""
        try:
            with self._open() as sound:
                self._arrived.put(sound.samplerate)
                for block in frame_blocks(sound, STDIN, round(BLOCK_SECONDS * sound.samplerate) * sound.channels):
                    self._arrived.put(block)
                    if self._closed:
                        return
            self._arrived.put(END)
        except Exception as error:  # raised again where the blocks are waited for
            self._arrived.put(error)
        finally:
            self._relay.leave()

    def _open(self) -> soundfile.SoundFile:
        layout = {"samplerate": self._raw, "channels": 1, "format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"}
        try:
            sound = soundfile.SoundFile(self._relay.descriptor, closefd=False, **(layout if self._raw else {}))
        except soundfile.SoundFileError as error:
            raise RecordingError(
                f"{STDIN}: not a WAV stream ({decoder_reason(error)}); "
                "send one, or raw 16-bit samples with --raw RATE"
            ) from error
        if not sound.frames:
            raise RecordingError(f"{STDIN}: its header promises no sound; send raw 16-bit samples with --raw RATE")
        return sound


class LevelledInput:
    """An input whose blocks pass through `Level`; its hints are those of the input and of the level."""

    def __init__(self, source: Input, level: Level) -> None:
        self.source, self.level = source, level

    @property
    def device(self) -> HasName:
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
    """The input that the flags --device, --input and --raw select; raises an error for impossible ones."""
    if raw is not None and recording != "-":
        raise ConfigError("--raw is the rate of samples on standard input; add --input -")
    if recording is None:
        from speech_lstm.audio.microphone import Microphone

        return Microphone(device, BLOCK_SECONDS)
    if device is not None:
        raise ConfigError("give --device or --input, not both")
    return PipeInput(raw or 0) if recording == "-" else FileInput(Path(recording))
