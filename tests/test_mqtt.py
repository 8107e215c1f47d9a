"""Commands at a real MQTT broker: Mosquitto, started here on a port of its own."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speech_lstm.errors import ActionError, MissingPackageError
from speech_lstm.live.command_log import Command, Journal
from speech_lstm.live.mqtt import PASSWORD, Publisher
from speech_lstm.recognition.prediction import Prediction
from support.mqtt_broker import SLOW, Broker, Reader, needs_broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as broker:
        yield broker


def said(word: str, start: float = 1.25) -> Command:
    return Journal("a microphone").add(Prediction(word, 0.97, start, start + 0.5, {word: 0.97}), start + 0.9)


def notes_until(publisher: Publisher, what: Callable[[list[str]], bool]) -> list[str]:
    notes: list[str] = []
    end = time.monotonic() + SLOW
    while not what(notes):
        assert time.monotonic() < end, notes
        notes += publisher.notes()
        time.sleep(0.02)
    return notes


@needs_broker
def test_a_command_arrives_as_json(broker: Broker) -> None:
    command, other = said("yes"), said("stop", 3.0)
    with Reader(broker) as reader:
        with Publisher(broker.address("home/the%20kitchen")) as publisher:
            publisher(command)
            topic, fields, retained = reader.messages.get(timeout=SLOW)
            publisher(other)  # just before the end
            assert publisher.notes() == []
        assert (topic, retained) == ("home/the kitchen", False)
        assert fields == json.loads(command.json())
        assert reader.messages.get(timeout=SLOW)[1]["label"] == "stop"


@needs_broker
def test_a_broker_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    with broker:
        publisher = Publisher(broker.address())
        publisher.__enter__()
    notes = notes_until(publisher, bool)
    assert notes == ["MQTT: the broker went away; its return is waited for"]
    publisher(said("yes"))
    assert publisher.notes() == ["MQTT: yes was not published, the broker is away"]
    with broker, Reader(broker) as reader:
        notes = notes_until(publisher, bool)
        assert notes == ["MQTT: connected again"]
        publisher(said("no"))
        assert reader.messages.get(timeout=SLOW)[1]["label"] == "no"  # and no late "yes"
        publisher.__exit__(None, None, None)


@needs_broker
def test_users_and_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with Broker(tmp_path, "s3cr:t/@") as broker, Reader(broker) as reader:
        for user in ("", "maker@", "maker:wr0ng@", "other:s3cr%3At%2F%40@"):
            with pytest.raises(ActionError) as caught:
                Publisher(broker.address(user=user)).__enter__()
            told = str(caught.value)
            assert told.startswith(f"mqtt://127.0.0.1:{broker.port}/home/commands: the MQTT broker refuses (not auth")
            assert "wr0ng" not in told
            assert "s3cr" not in told
        with Publisher(broker.address(user="maker:s3cr%3At%2F%40@")) as publisher:
            publisher(said("yes"))
            assert reader.messages.get(timeout=SLOW)[1]["label"] == "yes"
        monkeypatch.setenv(PASSWORD, "s3cr:t/@")
        with Publisher(broker.address(user="maker@")) as publisher:
            publisher(said("no"))
            assert reader.messages.get(timeout=SLOW)[1]["label"] == "no"


def test_no_broker_there(tmp_path: Path) -> None:
    with pytest.raises(ActionError) as caught:
        Publisher(f"mqtt://me:s3cret@127.0.0.1:{Broker(tmp_path).port}/home").__enter__()
    assert "no MQTT broker answers (connection refused); see that it runs" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ActionError, match="no MQTT broker answers"):
        Publisher("mqtt://no-such-host.invalid/home").__enter__()


def test_something_else_than_a_broker_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.mqtt.PATIENCE_SECONDS", 0.3)
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
def test_an_address_that_is_none(address: str) -> None:
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
    with Publisher(broker.address()) as publisher:
        broker.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for place in range(100):
            publisher(said("yes", float(place)))
        assert time.monotonic() - began < 1
        broker.process.send_signal(signal.SIGCONT)
