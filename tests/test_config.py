"""Settings that are rejected, and files of settings that cannot be read: each error names the fault in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speech_lstm.config import Config, read_config
from speech_lstm.errors import ConfigError

SETTINGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text for a whole number": ({"training": {"epochs": "2"}}, ["epochs", "'2'", "a whole number"]),
    "a fraction for a whole number": ({"training": {"epochs": 2.5}}, ["epochs", "2.5", "a whole number"]),
    "true for a whole number": ({"training": {"epochs": True}}, ["epochs", "True", "a whole number"]),
    "text for a number": ({"training": {"learning_rate": "fast"}}, ["learning_rate", "'fast'", "a number"]),
    "text for true or false": ({"network": {"bidirectional": "yes"}}, ["bidirectional", "'yes'", "true or false"]),
    "a number for text": ({"corpus": {"labels": 12}}, ["labels", "12", "text"]),
    "below the range": ({"training": {"epochs": 0}}, ["epochs", "0", "from 1 to 10000"]),
    "above the range": ({"network": {"heads": 65}}, ["heads", "65", "from 1 to 64"]),
    "not a number": ({"training": {"learning_rate": float("nan")}}, ["learning_rate", "nan", "from 0 to 1"]),
    "no choice": ({"network": {"pooling": "max"}}, ["pooling", "'max'", "attention, query, mean, last"]),
    "unknown setting": ({"network": {"layer": 2}}, ["'layer'", "layers"]),
    "unknown table": ({"net": {"layers": 2}}, ["[net]", "network"]),
    "no table": ({"network": 2}, ["network", "table"]),
    "hop above window": ({"features": {"hop_ms": 50}}, ["hop_ms", "50", "30 ms"]),
    "more MFCC than bands": ({"features": {"coefficients": 90}}, ["80 mel bands", "90"]),
    "no band": ({"features": {"low_hz": 5000.0, "high_hz": 4000.0}}, ["low_hz", "5000", "high_hz", "4000"]),
    "no signal-to-noise ratio": ({"augment": {"snr_low_db": 50}}, ["snr_low_db", "snr_high_db"]),
    "more than all recordings": ({"corpus": {"splices": 0.6, "reversals": 0.5}}, ["splices", "reversals", "1"]),
}


@pytest.mark.parametrize("fault", SETTINGS)
def test_settings_that_are_rejected(fault: str) -> None:
    tables, facts = SETTINGS[fault]
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(tables)
    message = str(caught.value)
    assert [fact for fact in facts if fact not in message] == []
    assert "\n" not in message


FILES: dict[str, Callable[[Path], Any]] = {
    "unknown setting": lambda path: path.write_text("[network]\nlayer = 2"),
    "no TOML": lambda path: path.write_text("[network\n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "endless": lambda path: path.write_text("a = " + "[" * 100_000),
    "a folder": lambda path: path.mkdir(),
    "missing": lambda path: None,
    "a device without end": lambda path: path.symlink_to("/dev/full"),
    "larger than any settings": lambda path: path.write_bytes(b"\n" * (1 << 20) + b"\n"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_cannot_be_read(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "c.toml"
    FILES[fault](path)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_settings_go_through_a_dict_and_back() -> None:
    config = Config.from_dict({"network": {"layers": 3}, "corpus": {"labels": "yes,no"}})
    assert Config.from_dict(config.to_dict()) == config
    assert (config.network.layers, config.network.hidden) == (3, Config().network.hidden)
