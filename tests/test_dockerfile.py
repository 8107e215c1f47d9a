"""The Dockerfile, as far as it can be checked without an engine."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import PurePath

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
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = [PurePath(line[1:]) for line in lines if line.startswith("!")]
    assert all((ROOT / path).exists() for path in sent)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = [project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]]
    needed = ["pyproject.toml", "constraints.txt", *named, *wheel["force-include"]]
    assert [name for name in needed if not any(PurePath(name).is_relative_to(path) for path in sent)] == []
