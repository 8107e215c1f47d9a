"""Commands published to an MQTT broker, for home automation."""

from __future__ import annotations

import os
import threading
from collections import deque
from types import ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

from speech_lstm.errors import ActionError, require
from speech_lstm.files import reason
from speech_lstm.live.command_log import Command

PORT = 1883
PASSWORD = "SPEECH_LSTM_MQTT_PASSWORD"  # an environment variable, which the list of processes does not show
TIMEOUT_SECONDS = 5.0  # for the broker's answer at the start
KEEPALIVE_SECONDS = 20
LONGEST_WAIT_SECONDS = 30  # between attempts to reconnect
FORM = "mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC"


class Publisher:
    """Publishes every command as JSON at `url`, of FORM; connected inside a with block.

    A message is sent at most once and not retained by the broker, because a late command does harm. When the
    connection is lost, the client reconnects in the background; commands in between are not published. Raises
    ActionError for an invalid address (on construction) and where no broker answers or it refuses (on entering),
    MissingPackageError without the package paho-mqtt.
    """

    def __init__(self, url: str) -> None:
        parts = split_address(url)
        assert parts.hostname is not None
        self.host, self.port, self.topic = parts.hostname, parts.port or PORT, unquote(parts.path[1:])
        self.address = f"mqtt://{self.host}:{self.port}/{self.topic}"  # without the password
        self.pending: deque[str] = deque()  # notes
        self.answer = threading.Event()  # the broker accepted or refused the connection
        self.refusal = ""
        mqtt = paho()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if parts.username:
            password = unquote(parts.password) if parts.password else os.environ.get(PASSWORD)
            self.client.username_pw_set(unquote(parts.username), password)
        self.client.connect_timeout = TIMEOUT_SECONDS
        self.client.reconnect_delay_set(1, LONGEST_WAIT_SECONDS)
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect

    def __enter__(self) -> Self:
        try:
            self.client.connect(self.host, self.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # ValueError: an impossible host
            cause = reason(error) if isinstance(error, OSError) else str(error)
            raise ActionError(
                f"{self.address}: no MQTT broker answers ({cause}); check that it runs and that the address is right"
            ) from None
        self.client.loop_start()
        if not self.answer.wait(TIMEOUT_SECONDS) or self.refusal:
            self.close()
            cause = self.refusal or f"no answer for {TIMEOUT_SECONDS:g} s"
            raise ActionError(f"{self.address}: the MQTT broker refuses ({cause}); check the user and the password")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send the messages that wait and disconnect."""
        connected = self.client.is_connected()
        self.client.disconnect()
        if connected:  # otherwise its thread may be trying to connect, and ends by itself
            self.client.loop_stop()

    def __call__(self, command: Command) -> None:
        if not self.client.is_connected() or self.client.publish(self.topic, command.json()).rc:
            self.pending.append(f"MQTT: {command.prediction.label} was not published: not connected to the broker")

    def notes(self) -> list[str]:
        """What happened to the connection since the last call."""
        return [self.pending.popleft() for _ in range(len(self.pending))]

    @property
    def busy(self) -> bool:
        """Never: closing the connection first sends what was published."""
        return False

    # The client's thread calls both.

    def on_connect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if self.answer.is_set() and not code.is_failure:
            self.pending.append("MQTT: connected again")
        self.refusal = str(code).lower() if code.is_failure else ""
        self.answer.set()

    def on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure and not self.refusal:
            self.pending.append("MQTT: lost the connection to the broker; reconnecting")


def split_address(url: str) -> SplitResult:
    """The parts of an address of FORM; raises ActionError, whose message does not contain the password."""
    try:
        parts = urlsplit(url)
        topic = unquote(parts.path[1:])
        valid = parts.scheme == "mqtt" and parts.hostname and parts.port != 0 and topic
    except ValueError:  # a port that is not a number, an unclosed bracket
        valid = False
    if not valid or any(letter in url for letter in "#?") or any(letter in topic for letter in "+#\0"):
        raise ActionError(
            f"--mqtt: the address must be {FORM}, without + # ? in the topic, and with those of a password as %XX"
        )
    return parts


def paho() -> ModuleType:
    """The module of the MQTT client; raises MissingPackageError."""
    require("paho")
    from paho.mqtt import client

    return client
