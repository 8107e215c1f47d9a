"""What Home Assistant's MQTT integration needs to know to show the commands without any YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import speech_lstm
from speech_lstm.files import to_json

PREFIX = "homeassistant"  # of the topics that it reads, unless it was configured otherwise
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Discovery:
    """A device of Home Assistant: the commands that are published on a topic as its events and its triggers.

    Both its messages are retained by the broker: Home Assistant may start later.
    """

    topic: str  # of the commands
    words: Sequence[str]

    @property
    def identifier(self) -> str:
        """The device's name in topics and in the registry; the same after a restart."""
        return f"speech_lstm_{hashlib.sha256(self.topic.encode()).hexdigest()[:12]}"

    @property
    def status_topic(self) -> str:
        """Where ONLINE or OFFLINE is published."""
        return f"{self.topic}/status"

    @property
    def config_topic(self) -> str:
        return f"{PREFIX}/device/{self.identifier}/config"

    def config(self) -> str:
        """The discovery message of the device, JSON."""
        device = {"identifiers": [self.identifier], "name": f"Voice {self.topic}", "model": "speech-lstm"}
        components = {"command": self.event()} | {f"word{n}": self.trigger(w) for n, w in enumerate(self.words)}
        return to_json(
            {
                "device": device,
                "origin": {"name": "speech-lstm", "sw_version": speech_lstm.__version__},
                "availability_topic": self.status_topic,
                "components": components,
            }
        )

    def event(self) -> dict[str, object]:
        """An entity whose state is the time of the last command, and its attributes the word and its probability."""
        fields = "{'event_type': value_json.label, 'probability': value_json.probability}"
        return {
            "platform": "event",
            "unique_id": f"{self.identifier}_command",
            "name": "Command",
            "icon": "mdi:microphone-message",
            "state_topic": self.topic,
            "event_types": list(self.words),
            "value_template": f"{{{{ {fields} | to_json }}}}",
        }

    def trigger(self, word: str) -> dict[str, object]:
        """What an automation can be started by."""
        return {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": "command",
            "subtype": word,
            "topic": self.topic,
            "value_template": "{{ value_json.label }}",
            "payload": word,
        }
