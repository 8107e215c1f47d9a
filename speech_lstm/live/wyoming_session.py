"""What a client of the Wyoming protocol is answered: each event it sends → events. No sockets here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wyoming.asr import Transcript
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info, WakeModel, WakeProgram
from wyoming.ping import Pong
from wyoming.wake import Detection, NotDetected

import speech_lstm
from speech_lstm.audio.level import Level
from speech_lstm.audio.pcm import PcmStream
from speech_lstm.config import SAMPLE_RATE, commands_of
from speech_lstm.errors import RecordingError, SpeechLSTMError, brief
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import ONE_WORD_SECONDS, Recognizer

NAME = "speech-lstm"


class EventError(SpeechLSTMError):
    """An event that the Wyoming protocol does not allow."""


@dataclass(frozen=True)
class Service:
    """What every client is offered: the commands of a model, as wake words and as transcripts."""

    model: Recognizer
    language: str = "en"  # of the commands, as in Home Assistant
    threshold: float | None = None  # see `Detector`
    continuous: bool = False
    automatic_level: bool = True  # see `Level`

    @property
    def words(self) -> tuple[str, ...]:
        return commands_of(self.model.labels)

    def info(self) -> Event:
        """The answer to `describe`."""
        about: dict[str, Any] = {
            "attribution": Attribution("the speech-lstm authors", ""),
            "installed": True,
            "version": speech_lstm.__version__,
        }
        model = about | {"languages": [self.language]}
        wake = [WakeModel(name=word, description=word, phrase=word, **model) for word in self.words]
        asr = AsrModel(name="commands", description=", ".join(self.words), **model)
        return Info(
            wake=[WakeProgram(name=NAME, description="commands as wake words", models=wake, **about)],
            asr=[AsrProgram(name=NAME, description="recognises single commands", models=[asr], **about)],
        ).event()


class Session:
    """One client's conversation: what it asked for, and its own detector.

    Call it with an event; it yields the answers, and None wherever others may have their turn: a long chunk of audio
    is computed in pieces of 0.1 s. Unknown events are ignored, as the protocol asks. Raises EventError for an event
    that is not allowed, and RecordingError for audio that is not.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.detector = Detector(service.model, service.threshold, continuous=service.continuous)
        self.names: tuple[str, ...] | None = None  # of wake words; None: all
        self.transcribes = False
        self.audio: PcmStream | None = None  # while a stream is open
        self.layout: tuple[int, int, int] | None = None
        self.begin()

    def begin(self) -> None:
        """Wait for a new stream of audio."""
        self.audio = self.layout = None
        self.level = Level(self.service.automatic_level)
        self.detector.reset()
        self.origin: int | None = None  # the client's clock where the stream began, ms
        self.commands: list[str] = []  # in this stream
        self.opening: list[NDArray[np.float32]] = []  # of the stream: all of a recording of one word
        self.count = 0  # samples at 16 kHz

    def __call__(self, event: Event) -> Iterator[Event | None]:
        data = event.data
        match event.type:
            case "describe":
                yield self.service.info()
            case "ping":
                yield Pong(optional(data, "text", str)).event()
            case "detect":
                self.detect(optional(data, "names", list))
            case "transcribe":
                self.names, self.transcribes = None, True
                self.begin()
            case "audio-start":
                self.begin()
                self.open(data)
            case "audio-chunk":
                yield from self.hear(data, event.payload or b"")
            case "audio-stop":
                yield from self.finish()

    def detect(self, names: Sequence[Any] | None) -> None:
        self.names, self.transcribes = None, False
        self.begin()
        if names:
            if strange := [name for name in names if name not in self.service.words]:
                words = ", ".join(self.service.words)
                raise EventError(f"no such wake word: {brief(strange[0])}; those are {words}")
            self.names = tuple(names)

    def open(self, data: dict[str, Any]) -> None:
        """A stream begins; `data` has the layout of its samples."""
        self.layout = layout_of(data)
        self.audio = PcmStream(*self.layout)
        self.origin = optional(data, "timestamp", int)

    def hear(self, data: dict[str, Any], samples: bytes) -> Iterator[Event | None]:
        if self.audio is None:
            self.open(data)
        assert self.audio is not None
        if layout_of(data) != self.layout:
            raise RecordingError("the layout of the samples changed within a stream; send audio-start before that")
        if self.origin is None and not self.count:
            self.origin = optional(data, "timestamp", int)
        yield from self.search(self.audio(samples))

    def search(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[Event | None]:
        """The answers to blocks of mono samples at 16 kHz."""
        for block in blocks:
            if self.count <= ONE_WORD_SECONDS * SAMPLE_RATE:
                self.opening.append(block)
            self.count += len(block)
            yield from self.report(self.detector(self.level(block)))
            yield None

    def report(self, predictions: Sequence[Prediction]) -> Iterator[Event]:
        """A detection for each command that the client wants to know of; its time is the end of the word."""
        for prediction in predictions:
            if self.names is None or prediction.label in self.names:
                self.commands.append(prediction.label)
                if not self.transcribes:
                    yield Detection(prediction.label, (self.origin or 0) + round(1000 * prediction.end)).event()

    def finish(self) -> Iterator[Event | None]:
        """The end of the stream: what is still open, then the transcript, or that nothing was detected."""
        if self.count and self.audio is not None:
            yield from self.search(self.audio.finish())
            yield from self.report(self.detector.finish())
        if self.transcribes:
            yield Transcript(" ".join(self.transcript()), language=self.service.language).event()
        elif not self.commands:
            yield NotDetected().event()
        self.transcribes = False
        self.begin()

    def transcript(self) -> list[str]:
        """The commands in the stream; of a recording of one word, the likeliest label if that is a command."""
        if not 0 < self.count <= ONE_WORD_SECONDS * SAMPLE_RATE:
            return self.commands
        (answer,) = self.service.model.classify_waveforms([np.concatenate(self.opening)])
        return [answer.label] if answer.label in self.service.words else []


def layout_of(data: dict[str, Any]) -> tuple[int, int, int]:
    """The rate in Hz, the bytes of a sample and the channels of audio; raises EventError unless they are there."""
    values = [optional(data, name, int) for name in ("rate", "width", "channels")]
    if None in values:
        raise EventError("audio has a rate, a width and channels")
    rate, width, channels = values
    return rate, width, channels


def optional(data: dict[str, Any], name: str, kind: type) -> Any:
    """A field of an event's data, None without it; raises EventError if it is of another type."""
    value = data.get(name)
    if value is not None and type(value) is not kind:
        raise EventError(f"{name} is {brief(value)}; it must be of type {kind.__name__}")
    return value
