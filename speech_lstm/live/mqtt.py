"""Commands published to an MQTT broker, for home automation."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

from speech_lstm.errors import ActionError, printable, require
from speech_lstm.files import reason
from speech_lstm.live.command_log import Command
from speech_lstm.live.home_assistant import OFFLINE, ONLINE, Discovery
from speech_lstm.report.tables import quantity

PORT = 1883
PASSWORD = "SPEECH_LSTM_MQTT_PASSWORD"  # an environment variable, which the list of processes does not show
TIMEOUT_SECONDS = 5.0  # for the broker's answer at the start
KEEPALIVE_SECONDS = 20
CONFIRM_SECONDS = 5.0  # for the broker to confirm a message; later it is as good as lost
END_SECONDS = 1.0  # for the last messages to leave
MOST_WAITING = 1000  # messages that the broker has not confirmed; more are not published
LONGEST_WAIT_SECONDS = 30.0  # between attempts to reconnect
FORM = "mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC"


@dataclass(frozen=True)
class Message:
    """A message that was handed to a client, and when, of the monotonic clock."""

    time: float
    client: Any
    delivery: Any  # paho's MQTTMessageInfo


class Publisher:
    """Publishes every command as JSON at `url`, of FORM; connected inside a with block.

    A message is sent at most once and not retained by the broker, because a late command does harm. The broker
    confirms each one. If it does not within CONFIRM_SECONDS, or if the connection is lost, a note reports how many
    commands may not have arrived, and a thread reconnects; commands in between are not published. Raises ActionError
    for an invalid address (on construction) and where no broker answers or it refuses (on entering),
    MissingPackageError without the package paho-mqtt.
    """

    def __init__(self, url: str) -> None:
        parts = split_address(url)
        assert parts.hostname is not None
        self.host, self.port, self.topic = parts.hostname, parts.port or PORT, unquote(parts.path[1:])
        self.address = printable(f"mqtt://{self.host}:{self.port}/{self.topic}")  # without the password
        self.discovery: Discovery | None = None  # what Home Assistant is told on connecting
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else os.environ.get(PASSWORD)
        self.pending: deque[str] = deque()  # notes
        self.sent: list[Message] = []  # not confirmed yet
        self.client: Any = None  # the one that is connected
        self.lock = threading.Lock()  # of `client`
        self.closing = threading.Event()
        self.mqtt = paho()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        if self.client is not None:
            self.announce(self.client, OFFLINE)  # the will is for the other ways to end
            end(self.client)

    def connect(self) -> None:
        """Connect; raises ActionError."""
        # A new client each time: one that reconnects sends again what was not confirmed.
        client = self.mqtt.Client(self.mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.max_inflight_messages_set(MOST_WAITING)
        client.max_queued_messages_set(MOST_WAITING)
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        if self.discovery is not None:
            client.will_set(self.discovery.status_topic, OFFLINE, qos=1, retain=True)
        client.connect_timeout = TIMEOUT_SECONDS
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()  # why it refused, or empty
        gone = threading.Event()

        # The client's thread calls both.
        def on_connect(client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
            answers.put(str(code).lower() if code.is_failure else "")

        def on_disconnect(client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
            gone.set()
            if self.lose(client) and not self.closing.is_set():
                self.pending.append("MQTT: lost the connection to the broker; reconnecting")
                threading.Thread(target=self.reconnect, daemon=True).start()

        client.on_connect, client.on_disconnect = on_connect, on_disconnect
        try:
            client.connect(self.host, self.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # ValueError: an impossible host
            cause = reason(error) if isinstance(error, OSError) else str(error)
            raise ActionError(
                f"{self.address}: no MQTT broker answers ({printable(cause)}); "
                "check that it runs and that the address is right"
            ) from None
        client.loop_start()
        try:
            refusal = answers.get(timeout=TIMEOUT_SECONDS)
        except queue.Empty:
            refusal = f"no answer for {TIMEOUT_SECONDS:g} s"
        if not refusal:
            self.client = client
            if gone.is_set() and self.lose(client):
                refusal = "it closed the connection"
        if refusal:
            end(client)
            raise ActionError(
                f"{self.address}: the MQTT broker refuses ({printable(refusal)}); check the user and the password"
            )
        self.announce(client, ONLINE)

    def announce(self, client: Any, status: str) -> None:
        """Tell Home Assistant of the commands, and whether they can come."""
        if self.discovery is not None:
            client.publish(self.discovery.config_topic, self.discovery.config(), qos=1, retain=True)
            client.publish(self.discovery.status_topic, status, qos=1, retain=True)

    def lose(self, client: Any) -> bool:
        """Mark that this client's connection is lost; False if another one is in use, or it is marked already."""
        with self.lock:
            known = self.client is client
            if known:
                self.client = None
            return known

    def reconnect(self) -> None:
        """In a thread: try to connect until it succeeds."""
        delay = 1.0
        while not self.closing.wait(delay):
            try:
                self.connect()
            except ActionError:
                delay = min(2 * delay, LONGEST_WAIT_SECONDS)
            else:
                self.pending.append("MQTT: connected again")
                break
        if self.closing.is_set() and self.client is not None:  # it connected too late
            end(self.client)

    def __call__(self, command: Command) -> None:
        client, label = self.client, command.prediction.label
        if client is None:
            self.pending.append(f"MQTT: {label} was not published: not connected to the broker")
        elif (delivery := client.publish(self.topic, command.json(), qos=1)).rc:
            self.pending.append(f"MQTT: {label} was not published: {self.mqtt.error_string(delivery.rc).lower()}")
        else:
            self.sent.append(Message(time.monotonic(), client, delivery))

    def notes(self) -> list[str]:
        """What happened to the connection and to the messages since the last call."""
        self.sent = [message for message in self.sent if not message.delivery.is_published()]
        oldest = time.monotonic() - CONFIRM_SECONDS
        stalled = {message.client for message in self.sent if message.time < oldest}
        lost = [message for message in self.sent if message.client is not self.client or message.client in stalled]
        if lost:
            self.sent = [message for message in self.sent if message not in lost]
            verb = "it" if len(lost) == 1 else "them"
            self.pending.append(
                f"MQTT: {quantity(len(lost), 'command')} may not have arrived: the broker did not confirm {verb}"
            )
        for client in stalled:  # its broker reads nothing any more
            shut(client)
        return [self.pending.popleft() for _ in range(len(self.pending))]

    @property
    def busy(self) -> bool:
        """Whether the broker has still to confirm a message."""
        return bool(self.sent)


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


def end(client: Any) -> None:
    """Disconnect after what is waiting has been sent; a broker that reads nothing is not waited for."""
    client.disconnect()
    stopper = threading.Thread(target=client.loop_stop, daemon=True)
    stopper.start()
    stopper.join(END_SECONDS)
    if stopper.is_alive():
        shut(client)
        stopper.join(END_SECONDS)


def shut(client: Any) -> None:
    """Shut the client's connection: its thread finds it lost."""
    with contextlib.suppress(OSError, AttributeError):  # it is closed; it has none
        client.socket().shutdown(socket.SHUT_RDWR)
