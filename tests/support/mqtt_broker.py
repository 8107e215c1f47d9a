"""A real MQTT broker, mosquitto, and a client that reads everything."""

from __future__ import annotations

import json
import os
import queue
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

# Debian puts it where only root looks for programs.

PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
MOSQUITTO = shutil.which("mosquitto", path=PLACES)
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is missing")
SLOW = 20.0  # seconds


class Broker:
    """Context manager; with `password` only the user "maker" with that password may connect."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder, self.password = folder, password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self) -> Self:
        assert MOSQUITTO is not None
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not self.password).lower()}"]
        lines += ["persistence false", "user root"]
        if self.password:
            users = self.folder / "users"
            users.touch(mode=0o600)
            program = Path(MOSQUITTO).with_name("mosquitto_passwd")
            tool = shutil.which("mosquitto_passwd", path=PLACES) or program
            subprocess.run([tool, "-b", users, "maker", self.password], check=True, capture_output=True)
            lines.append(f"password_file {users}")
        settings = self.folder / "mosquitto.conf"
        settings.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", settings], stderr=log, stdout=log)
        end = time.monotonic() + SLOW
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(SLOW)

    def address(self, topic: str = "home/commands", user: str = "") -> str:
        return f"mqtt://{user}127.0.0.1:{self.port}/{topic}"


class Reader:
    """What arrives under every topic of a broker, as (topic, JSON or text, retained)."""

    def __init__(self, broker: Broker) -> None:
        from paho.mqtt import client

        self.messages: queue.Queue[tuple[str, Any, bool]] = queue.Queue()
        ready: queue.Queue[bool] = queue.Queue()
        self.client = client.Client(client.CallbackAPIVersion.VERSION2)
        if broker.password:
            self.client.username_pw_set("maker", broker.password)
        self.client.on_message = lambda client, data, message: self.messages.put(
            (message.topic, value_of(message.payload), bool(message.retain))
        )
        self.client.on_subscribe = lambda *rest: ready.put(True)
        self.client.connect("127.0.0.1", broker.port)
        self.client.subscribe("#", qos=1)
        self.client.loop_start()
        ready.get(timeout=SLOW)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def value_of(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()
