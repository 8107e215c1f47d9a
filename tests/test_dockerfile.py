"""The Dockerfile, as far as it can be checked without an engine."""

from __future__ import annotations

import json
import re

from conftest import ROOT
from speech_lstm.commands.parser import build_parser

TEXT = (ROOT / "Dockerfile").read_text("utf-8")


def test_the_command_is_one_of_ours() -> None:
    words = [json.loads(line) for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", TEXT, re.MULTILINE)]
    assert words[0] == ["speech-lstm"]
    arguments = build_parser().parse_args(words[1])
    assert f"EXPOSE {arguments.wyoming.rpartition(':')[2]}\n" in TEXT


def test_it_runs_as_no_user_of_rights() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", TEXT, re.MULTILINE)
    assert int(user) > 1000


def test_what_the_build_needs_is_sent_to_it() -> None:
    """All that .dockerignore lets through exists, and so has what the wheel is made of."""
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sent)
    assert {"pyproject.toml", "README.md", "LICENSE", "speech_lstm", "checkpoints", "constraints.txt"} == sent
