"""Commands at a real MQTT broker: Mosquitto, started here on a port of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from speech_lstm.errors import ActionError, MissingPackageError
from speech_lstm.live.home_assistant import Discovery
from speech_lstm.live.mqtt import PASSWORD, Publisher, shut
from support.command_line import refusal
from support.listening import command
from support.mqtt_broker import SLOW, Broker, Reader, needs_broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


def next_notes(publisher: Publisher, count: int = 1) -> list[str]:
    """Its notes, as soon as it has so many."""
    deadline, notes = time.monotonic() + SLOW, list[str]()
    while len(notes) < count:
        assert time.monotonic() < deadline
        notes += publisher.notes()
        time.sleep(0.02)
    return notes


@needs_broker
def test_a_command_arrives_as_json(broker: Broker) -> None:
    first, second = command("yes"), command("stop", 3.0)
    with Reader(broker) as reader:
        with Publisher(broker.address("home/the%20kitchen")) as publisher:
            publisher(first)
            topic, fields, retained = reader.messages.get(timeout=SLOW)
            publisher(second)  # just before the end
            assert publisher.notes() == []
        assert (topic, retained) == ("home/the kitchen", False)
        assert fields == json.loads(first.json())
        assert reader.messages.get(timeout=SLOW)[1]["label"] == "stop"


@needs_broker
def test_after_a_lost_connection_it_reconnects(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    with broker:
        publisher = Publisher(broker.address())
        publisher.__enter__()
    (note,) = next_notes(publisher)
    assert "lost the connection" in note
    publisher(command("yes"))
    (note,) = publisher.notes()
    assert "yes was not published" in note
    with broker, Reader(broker) as reader:
        (note,) = next_notes(publisher)
        assert "connected again" in note
        publisher(command("no"))
        assert reader.messages.get(timeout=SLOW)[1]["label"] == "no"  # and no late "yes"
        publisher.__exit__(None, None, None)


@needs_broker
def test_users_and_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with Broker(tmp_path, "s3cr:t/@") as broker, Reader(broker) as reader:
        for user in ("", "maker@", "maker:wr0ng@", "other:s3cr%3At%2F%40@"):
            with pytest.raises(ActionError) as caught:
                Publisher(broker.address(user=user)).__enter__()
            message = str(caught.value)
            assert message.startswith(f"mqtt://127.0.0.1:{broker.port}/home/commands: ")
            assert "(not authorized)" in message
            assert "wr0ng" not in message
            assert "s3cr" not in message
        with Publisher(broker.address(user="maker:s3cr%3At%2F%40@")) as publisher:
            publisher(command("yes"))
            assert reader.messages.get(timeout=SLOW)[1]["label"] == "yes"
        monkeypatch.setenv(PASSWORD, "s3cr:t/@")
        with Publisher(broker.address(user="maker@")) as publisher:
            publisher(command("no"))
            assert reader.messages.get(timeout=SLOW)[1]["label"] == "no"


@needs_broker
def test_home_assistant_is_told(broker: Broker) -> None:
    """Its messages are retained, and one says that nobody listens any more, however the listener ends."""
    topic = "home/the kitchen"
    discovery = Discovery(topic, ("yes", "stop it"))
    with Publisher(broker.address("home/the%20kitchen")) as other:  # without Home Assistant
        assert other.discovery is None
    publisher = Publisher(broker.address("home/the%20kitchen"))
    publisher.discovery = discovery
    with publisher:
        config = next_message(broker, discovery.config_topic)
        assert next_message(broker, discovery.status_topic) == "online"
    assert next_message(broker, discovery.status_topic, "online") == "offline"
    assert config["availability_topic"] == discovery.status_topic
    event, *triggers = config["components"].values()
    assert (event["platform"], event["state_topic"], event["event_types"]) == ("event", topic, ["yes", "stop it"])
    assert [trigger["subtype"] for trigger in triggers] == ["yes", "stop it"]
    assert {trigger["topic"] for trigger in triggers} == {topic}
    with publisher:
        assert next_message(broker, discovery.status_topic, "offline") == "online"
        publisher.closing.set()
        shut(publisher.client)  # as if the power failed: the broker publishes the will
        assert next_message(broker, discovery.status_topic, "online") == "offline"


def next_message(broker: Broker, topic: str, but: str = "") -> Any:
    """The retained message of a topic, as soon as it is another one."""
    deadline = time.monotonic() + SLOW
    while time.monotonic() < deadline:
        with Reader(broker) as reader, contextlib.suppress(queue.Empty):
            while True:
                name, value, retained = reader.messages.get(timeout=0.5)
                if name == topic and value != but and retained:  # as one that comes after subscribing is not
                    return value
    raise AssertionError(topic)


def test_home_assistant_needs_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert "pass --mqtt" in refusal(capsys, "listen", "--home-assistant", "--input", "-")


def test_without_a_broker(tmp_path: Path) -> None:
    with pytest.raises(ActionError) as caught:
        Publisher(f"mqtt://me:s3cret@127.0.0.1:{Broker(tmp_path).port}/home").__enter__()
    assert "no MQTT broker answers (connection refused)" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ActionError, match="no MQTT broker answers"):
        Publisher("mqtt://no-such-host.invalid/home").__enter__()


def test_a_server_that_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.mqtt.TIMEOUT_SECONDS", 0.3)
    refused = pytest.raises(ActionError, match=r"refuses \(no answer for 0\.3 s\)")
    with socket.create_server(("127.0.0.1", 0)) as server, refused:
        Publisher(f"mqtt://127.0.0.1:{server.getsockname()[1]}/home").__enter__()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1/home",
        "http://127.0.0.1/home",
        "mqtt://",
        "mqtt:///home",
        "mqtt://me:s3cret@host:port/home",
        "mqtt://host:0/home",
        "mqtt://[::1/home",
        "mqtt://me:s3cret@host",
        "mqtt://me:s3cret@host/",
        "mqtt://host/home/#",
        "mqtt://host/home/%23",
        "mqtt://host/+/home",
        "mqtt://host/home?x=1",
    ],
)
def test_an_invalid_address(address: str) -> None:
    with pytest.raises(ActionError, match=r"^--mqtt: the address must be mqtt://") as caught:
        Publisher(address)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho", None)
    with pytest.raises(MissingPackageError, match=r"package paho is missing: pip install 'speech-lstm\[mqtt\]'"):
        Publisher("mqtt://host/home")


@needs_broker
def test_a_broker_that_hangs_does_not_hold_us_up(broker: Broker) -> None:
    with Reader(broker) as reader, Publisher(broker.address()) as publisher:
        broker.process.send_signal(signal.SIGSTOP)
        for start in range(100):
            publisher(command("yes", float(start)))
        assert reader.messages.empty()
        broker.process.send_signal(signal.SIGCONT)
        assert [reader.messages.get(timeout=SLOW)[1]["start"] for _ in range(100)] == list(range(100))


class DeafBroker:
    """Accepts every connection and its CONNECT, and then reads nothing."""

    def __enter__(self) -> Self:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for connection in self.connections:
            connection.close()

    def run(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                connection, _ = self.server.accept()
                self.connections.append(connection)
                connection.recv(1000)
                connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted

    def address(self) -> str:
        return f"mqtt://127.0.0.1:{self.server.getsockname()[1]}/home"


def test_what_a_broker_that_reads_nothing_gets_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.mqtt.CONFIRM_SECONDS", 0.2)
    with DeafBroker() as broker, Publisher(broker.address()) as publisher:
        for start in range(43):
            publisher(command("yes", float(start)))
        assert publisher.busy
        lost = "MQTT: lost the connection to the broker; reconnecting"
        notes = next_notes(publisher, 2)
        assert notes == ["MQTT: 43 commands may not have arrived: the broker did not confirm them", lost]
        assert not publisher.busy
        publisher(command("no"))
        assert publisher.notes() == ["MQTT: no was not published: not connected to the broker"]
        assert next_notes(publisher) == ["MQTT: connected again"]
        publisher(command("stop"))
        notes = next_notes(publisher, 2)
        assert notes == ["MQTT: 1 command may not have arrived: the broker did not confirm it", lost]
    assert len(broker.connections) == 2


def test_only_so_many_messages_wait_for_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.mqtt.MOST_WAITING", 10)
    with DeafBroker() as broker, Publisher(broker.address()) as publisher:
        for start in range(12):
            publisher(command("yes", float(start)))
        assert len(publisher.sent) == 10
        notes = publisher.notes()
    assert len(notes) == 2
    assert all(note.startswith("MQTT: yes was not published: ") and "queue" in note for note in notes)


def test_an_address_with_odd_letters_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ActionError) as caught:
        Publisher(f"mqtt://127.0.0.1:{Broker(tmp_path).port}/%1b[2Jhome%0a").__enter__()
    assert str(caught.value).isprintable()
