"""The Wyoming server over real sockets, with the client of the package wyoming and with clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

import speech_lstm
from speech_lstm.audio.level import Level
from speech_lstm.audio.pcm import PcmStream
from speech_lstm.audio.recording import read_recording
from speech_lstm.config import SAMPLE_RATE, commands_of
from speech_lstm.errors import ConfigError, RecordingError
from speech_lstm.live import wyoming_server
from speech_lstm.live.wyoming_server import MOST_DATA, MOST_PAYLOAD, Server, announcement, split_address
from speech_lstm.live.wyoming_session import Service
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.prediction import Prediction
from speech_lstm.recognition.recognizer import load
from support.command_line import refusal
from support.listening import COMMAND, SLOW, lines_of, spoken

WORDS = ("yes", "stop", "go", "left", "right", "down")
SERVICE = Service(load())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words.wav"
    spoken(WORDS, path)
    return path


@pytest.fixture(scope="module")
def expected(recording: Path) -> list[Prediction]:
    """What `listen` finds in it."""
    detector, level = Detector(SERVICE.model), Level(automatic=True)
    commands = detector(level(read_recording(recording))) + detector.finish()
    assert len({command.label for command in commands}) > 1
    return commands


def chunks(path: Path, seconds: float = 0.1, start: int | None = None) -> list[Event]:
    """A recording as the events of a stream; the first chunk carries the client's clock, ms."""
    samples, rate = soundfile.read(path, dtype="int16")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    step = round(seconds * rate)
    events = [
        AudioChunk(rate, 2, channels, samples[at : at + step].tobytes(), start if at == 0 else None).event()
        for at in range(0, len(samples), step)
    ]
    return [AudioStart(rate, 2, channels).event(), *events, AudioStop().event()]


@asynccontextmanager
async def serving(service: Service = SERVICE) -> AsyncIterator[int]:
    """A server on a free port; yields the port."""
    server = Server("tcp://127.0.0.1:0", service)
    opened = await server.open()
    try:
        yield opened.sockets[0].getsockname()[1]
    finally:
        opened.close()
        for client in list(server.clients):
            client.cut_off()


async def converse(port: int, events: Sequence[Event], end: Callable[[str], bool]) -> list[Event]:
    """The answers to events, up to the first one whose type is an end."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        sending = asyncio.gather(*[send_all(client, events)])
        answers: list[Event] = []
        while not answers or not end(answers[-1].type):
            answer = await asyncio.wait_for(client.read_event(), SLOW)
            assert answer is not None, answers
            answers.append(answer)
        await sending
        return answers


async def send_all(client: AsyncTcpClient, events: Sequence[Event]) -> None:
    for event in events:
        await client.write_event(event)


async def send_for_ever(writer: asyncio.StreamWriter, data: bytes) -> None:
    while True:
        writer.write(data)
        await asyncio.wait_for(writer.drain(), SLOW)


def run(scenario: Callable[[int], Awaitable[None]], service: Service = SERVICE) -> None:
    async def main() -> None:
        async with serving(service) as port:
            await scenario(port)

    asyncio.run(main())


async def check_service(port: int) -> None:
    (answer,) = await converse(port, [Ping("are you there?").event()], Pong.is_type)
    assert Pong.from_event(answer).text == "are you there?"


def test_it_describes_each_command_as_a_wake_word() -> None:
    async def scenario(port: int) -> None:
        (answer,) = await converse(port, [Describe().event()], Info.is_type)
        info = Info.from_event(answer)
        (wake,), (asr,) = info.wake, info.asr
        assert [model.name for model in wake.models] == list(commands_of(SERVICE.model.labels))
        assert all(model.installed and model.languages == ["en"] for model in (*wake.models, *asr.models))
        assert (wake.name, asr.name, wake.version) == ("speech-lstm", "speech-lstm", speech_lstm.__version__)

    run(scenario)


def test_several_clients_have_their_own_detectors(recording: Path, expected: list[Prediction]) -> None:
    """All words, one word with the client's own clock, and silence, at once."""
    wanted = expected[-1].label

    async def scenario(port: int) -> None:
        everything, one, nothing = await asyncio.gather(
            converse(port, [Detect().event(), *chunks(recording), Ping().event()], Pong.is_type),
            converse(
                port,
                [Detect([wanted]).event(), *chunks(recording, 0.037, start=5000), Ping().event()],
                Pong.is_type,
            ),
            converse(port, silence(), NotDetected.is_type),
        )
        assert detections(everything) == [(c.label, round(1000 * c.end)) for c in expected]
        assert detections(one) == [(c.label, 5000 + round(1000 * c.end)) for c in expected if c.label == wanted]
        assert len(nothing) == 1

    run(scenario)


def silence() -> list[Event]:
    return [AudioChunk(SAMPLE_RATE, 2, 1, bytes(2 * SAMPLE_RATE)).event(), AudioStop().event()]


def detections(answers: Sequence[Event]) -> list[tuple[str | None, int | None]]:
    found = [Detection.from_event(answer) for answer in answers if Detection.is_type(answer.type)]
    return [(detection.name, detection.timestamp) for detection in found]


def test_transcripts(recording: Path, expected: list[Prediction]) -> None:
    word = recording.parents[0] / "word.wav"
    samples = read_recording(recording)[:SAMPLE_RATE]
    soundfile.write(word, samples, SAMPLE_RATE)
    answer = SERVICE.model.classify(samples, SAMPLE_RATE).label

    async def scenario(port: int) -> None:
        for path, text in ((recording, " ".join(c.label for c in expected)), (word, answer)):
            events = [Transcribe(language="en").event(), *chunks(path)]
            assert Transcript.from_event((await converse(port, events, Transcript.is_type))[-1]).text == text
        events = [Transcribe().event(), AudioStart(SAMPLE_RATE, 2, 1).event(), AudioStop().event()]
        assert Transcript.from_event((await converse(port, events, Transcript.is_type))[-1]).text == ""

    run(scenario)


@pytest.mark.parametrize(
    ("rate", "subtype", "width", "channels"),
    [(16_000, "PCM_16", 2, 1), (44_100, "PCM_24", 3, 2), (48_000, "PCM_32", 4, 1), (8_000, "PCM_U8", 1, 1)],
)
def test_any_layout_of_samples(rate: int, subtype: str, width: int, channels: int, tmp_path: Path) -> None:
    """However the bytes are cut, they are the samples of a file with the same ones."""
    noise = np.random.default_rng(rate).uniform(-0.5, 0.5, (rate // 3, channels))
    for path, layout in ((tmp_path / "x.wav", "WAV"), (tmp_path / "x.raw", "RAW")):
        soundfile.write(path, noise, rate, subtype, "LITTLE", layout)
    data, stream = (tmp_path / "x.raw").read_bytes(), PcmStream(rate, width, channels)
    blocks = [block for at in range(0, len(data), 1001) for block in stream(data[at : at + 1001])]
    joined = np.concatenate([*blocks, *stream.finish()])
    np.testing.assert_array_equal(joined, read_recording(tmp_path / "x.wav"))
    assert max(map(len, blocks)) <= SAMPLE_RATE


@pytest.mark.parametrize("layout", [(16_000, 5, 1), (16_000, 0, 1), (10, 2, 1), (16_000, 2, 0), (16_000, 2, 1000)])
def test_impossible_layouts(layout: tuple[int, int, int]) -> None:
    with pytest.raises(RecordingError):
        PcmStream(*layout)


FAULTS = {
    "no JSON": (b"hello\n", "not a line of JSON"),
    "no object": (b"[1]\n", "not a line of JSON"),
    "deep": (b"[" * 50_000 + b"\n", "not a line of JSON"),
    "endless line": (b"x" * 200_000, "a line has more than"),
    "no type": (b"{}\n", "has a type"),
    "data": (b'{"type": "ping", "data": 1}\n', "may have data"),
    "more data": (b'{"type": "ping", "data_length": %d}\n' % (MOST_DATA + 1), "data_length is"),
    "payload": (b'{"type": "audio-chunk", "payload_length": %d}\n' % (MOST_PAYLOAD + 1), "payload_length is"),
    "length": (b'{"type": "ping", "payload_length": -1}\n', "payload_length is -1"),
    "text": (b'{"type": "ping", "data": {"text": {}}}\n', "text is {}"),
    "names": (b'{"type": "detect", "data": {"names": "yes"}}\n', "names is 'yes'"),
    "strange name": (b'{"type": "detect", "data": {"names": [["\\u001b[2J"]]}}\n', "no such wake word"),
    "no layout": (b'{"type": "audio-chunk"}\n', "audio has a rate"),
    "rate": (b'{"type": "audio-start", "data": {"rate": 1e400, "width": 2, "channels": 1}}\n', "rate is inf"),
    "low rate": (b'{"type": "audio-start", "data": {"rate": 1, "width": 2, "channels": 1}}\n', "rate of 1 Hz"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_who_breaks_the_protocol_is_told_and_cut_off(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    sent, message = FAULTS[fault]

    async def scenario(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        header = json.loads(await asyncio.wait_for(reader.readline(), SLOW))
        data = json.loads(await reader.readexactly(header["data_length"]))
        assert header["type"] == "error"
        assert message in data["text"]
        writer.close()
        await check_service(port)

    run(scenario)
    line = capsys.readouterr().err
    assert line.startswith("127.0.0.1: cut off: ")
    assert line.rstrip("\n").isprintable()


def test_a_stream_keeps_its_layout() -> None:
    async def scenario(port: int) -> None:
        events = [AudioChunk(rate, 2, 1, bytes(200)).event() for rate in (16_000, 8_000)]
        (answer,) = await converse(port, events, Error.is_type)
        assert "changed within a stream" in Error.from_event(answer).text

    run(scenario)


@pytest.mark.parametrize("part", [b'{"type":', b'{"type": "audio-chunk", "payload_length": 1000}\n' + bytes(10)])
def test_who_stalls_within_an_event_is_cut_off(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming_server, "EVENT_SECONDS", 0.5)

    async def scenario(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(part)
        assert await asyncio.wait_for(reader.read(), SLOW) == b""
        writer.close()
        await check_service(port)

    run(scenario)


def test_who_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming_server, "EVENT_SECONDS", 0.5)

    async def scenario(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        ping = b'{"type": "ping", "data": {"text": "%s"}}\n' % (b"x" * 60_000)
        with pytest.raises(OSError):  # noqa: PT011  (it is reset or broken)
            await send_for_ever(writer, ping)
        await check_service(port)

    run(scenario)


def test_floods_and_broken_connections_harm_nobody(recording: Path, expected: list[Prediction]) -> None:
    async def flood(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        noise = np.random.default_rng(0).integers(-9999, 9999, MOST_PAYLOAD // 2, np.int16).tobytes()
        layout = b'{"rate": 16000, "width": 2, "channels": 1}'
        header = b'{"type": "audio-chunk", "data": %s, "payload_length": %d}\n' % (layout, len(noise))
        await send_for_ever(writer, header + noise)

    async def scenario(port: int) -> None:
        _, broken = await asyncio.open_connection("127.0.0.1", port)
        broken.write(b'{"type": "audio-chunk", "payload_length": 1000}\nhalf')
        await broken.drain()
        broken.transport.abort()
        flooding = asyncio.create_task(flood(port))
        answers = await converse(port, [Detect().event(), *chunks(recording), Ping().event()], Pong.is_type)
        assert detections(answers) == [(c.label, round(1000 * c.end)) for c in expected]
        flooding.cancel()

    run(scenario)


def test_one_client_too_many_ends_the_quietest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming_server, "MOST_CLIENTS", 2)

    async def scenario(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as first, AsyncTcpClient("127.0.0.1", port) as second:
            for client in (second, first):  # the first is the last to speak
                await client.write_event(Ping().event())
                assert await asyncio.wait_for(client.read_event(), SLOW) is not None
            await check_service(port)
            assert await asyncio.wait_for(second.read_event(), SLOW) is None
            await first.write_event(Ping().event())
            assert await asyncio.wait_for(first.read_event(), SLOW) is not None

    run(scenario)


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:1", "http://host:1", "tcp://host", "tcp://:1", "tcp://h:x", "tcp://h:1/x", "tcp://[::1"],
)
def test_an_invalid_address(address: str) -> None:
    with pytest.raises(ConfigError, match="it must be tcp://HOST:PORT"):
        split_address(address)


def test_an_address_that_cannot_be_served(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = refusal(capsys, "serve", "--wyoming", f"tcp://127.0.0.1:{port}")
    assert message.startswith(f"speech-lstm: tcp://127.0.0.1:{port} cannot be served (address already in use); ")
    assert "cannot be served" in refusal(capsys, "serve", "--wyoming", "tcp://no-such-host.invalid:1")


def test_what_nobody_can_reach_is_not_announced() -> None:
    async def announce() -> None:
        async with announcement("kitchen", "127.0.0.1", 10400):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"nobody else can reach tcp://127.0.0.1:10400; serve tcp://0.0.0.0:10400"):
        asyncio.run(announce())


def test_the_command_serves_until_it_is_ended(recording: Path, expected: list[Prediction]) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--wyoming", "tcp://127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    try:
        lines = lines_of(process.stderr)
        line = lines.get(timeout=SLOW)
        assert line.startswith("serving yes, no,")
        port = int(line.partition("tcp://127.0.0.1:")[2].partition(";")[0])
        answers = asyncio.run(converse(port, chunks(recording), Detection.is_type))
        assert detections(answers)[0][0] == expected[0].label
        assert lines.get(timeout=SLOW).endswith(f"127.0.0.1  {expected[0].label}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SLOW) == 0
    finally:
        process.kill()
