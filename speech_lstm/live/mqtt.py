"""Commands for an MQTT broker, as home automation reads them."""

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
PASSWORD = "SPEECH_LSTM_MQTT_PASSWORD"  # in the environment, where it is not seen in the list of processes
PATIENCE_SECONDS = 5.0  # for a broker to answer at the start
KEEPALIVE_SECONDS = 20
LONGEST_WAIT_SECONDS = 30  # from try to try, when a broker went away
FORM = "mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC"


class Publisher:
    """Publishes every command as JSON at `url`, of FORM; the connection stands inside a with block.

    A message is sent at most once and not kept by the broker: a command that comes late does harm. When the
    broker goes away, its return is waited for in the background and what is heard meanwhile is not sent. Raises
    ActionError for an address that isn't one (on construction) and where no broker answers or it refuses (on
    entering), MissingPackageError without the package paho-mqtt.
    """

    def __init__(self, url: str) -> None:
        parts = split(url)
        assert parts.hostname is not None
        self.host, self.port, self.topic = parts.hostname, parts.port or PORT, unquote(parts.path[1:])
        self.address = f"mqtt://{self.host}:{self.port}/{self.topic}"  # without the password
        self.said: deque[str] = deque()
        self.answered = threading.Event()
        self.refusal = ""
        mqtt = paho()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if parts.username:
            password = unquote(parts.password) if parts.password else os.environ.get(PASSWORD)
            self.client.username_pw_set(unquote(parts.username), password)
        self.client.connect_timeout = PATIENCE_SECONDS
        self.client.reconnect_delay_set(1, LONGEST_WAIT_SECONDS)
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect

    def __enter__(self) -> Self:
        try:
            self.client.connect(self.host, self.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # ValueError: a host that can't be
            said = reason(error) if isinstance(error, OSError) else str(error)
            raise ActionError(
                f"{self.address}: no MQTT broker answers ({said}); see that it runs and that the address is right"
            ) from None
        self.client.loop_start()
        if not self.answered.wait(PATIENCE_SECONDS) or self.refusal:
            self.close()
            said = self.refusal or f"no answer for {PATIENCE_SECONDS:g} s"
            raise ActionError(f"{self.address}: the MQTT broker refuses ({said}); see its user and its password")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send what is waiting and leave the broker."""
        connected = self.client.is_connected()
        self.client.disconnect()
        if connected:  # else its thread may be trying to connect, and ends by itself
            self.client.loop_stop()

    def __call__(self, command: Command) -> None:
        if not self.client.is_connected() or self.client.publish(self.topic, command.json()).rc:
            self.said.append(f"MQTT: {command.found.label} was not published, the broker is away")

    def notes(self) -> list[str]:
        """What became of the connection since this was last asked."""
        return [self.said.popleft() for _ in range(len(self.said))]

    @property
    def busy(self) -> bool:
        """Never: what was published is sent before the connection is closed."""
        return False

    # Both are called from the thread of the connection.

    def on_connect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if self.answered.is_set() and not code.is_failure:
            self.said.append("MQTT: connected again")
        self.refusal = str(code).lower() if code.is_failure else ""
        self.answered.set()

    def on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure and not self.refusal:
            self.said.append("MQTT: the broker went away; its return is waited for")


def split(url: str) -> SplitResult:
    """The parts of an address of FORM; raises ActionError, which doesn't tell the password."""
    try:
        parts = urlsplit(url)
        topic = unquote(parts.path[1:])
        good = parts.scheme == "mqtt" and parts.hostname and parts.port != 0 and topic
    except ValueError:  # a port that is no number, brackets that don't close
        good = False
    if not good or any(letter in url for letter in "#?") or any(letter in topic for letter in "+#\0"):
        raise ActionError(
            f"--mqtt: the address must be {FORM}, with no + # ? in the topic and those of a password as %XX"
        )
    return parts


def paho() -> ModuleType:
    """The client's module; raises MissingPackageError."""
    require("paho")
    from paho.mqtt import client

    return client
