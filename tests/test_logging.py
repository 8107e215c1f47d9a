"""The package logs and leaves it to programs what is shown; its interface prints nothing and tells nobody."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import speech_lstm
from conftest import ROOT
from speech_lstm.errors import log_line
from speech_lstm.training.console import Console
from support.command_line import SLOW

PROGRAM = """
import logging
import sys

import speech_lstm

model = speech_lstm.load()
samples = model.read(sys.argv[1], None)
model, model.classify(sys.argv[1]), list(model.commands(samples, rate=16_000)), list(model.answers(sys.argv[1]))
model.stream()(samples)
repr(model.look_inside(sys.argv[1]))
try:
    speech_lstm.load("none.onnx")
except speech_lstm.SpeechLSTMError:
    pass
logging.getLogger("speech_lstm.corpus").warning("a warning without a handler")
"""


def test_the_interface_prints_nothing(demo: Path, tmp_path: Path) -> None:
    """It leaves no file in the user's folder either: there ONNX Runtime would note what it sends to its maker."""
    command = [sys.executable, "-c", PROGRAM, str(demo / "stop" / "7a254b5f_nohash_0.wav")]
    quiet_anyway = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in quiet_anyway} | {"HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == []


def test_loading_a_model_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "speech_lstm"):
        speech_lstm.load()
    ((name, level, text),) = caplog.record_tuples
    assert (name, level) == ("speech_lstm.recognition.recognizer", logging.DEBUG)
    assert text.endswith("commands8.onnx")


@pytest.mark.parametrize("shown", [False, True])
def test_a_line_is_logged_and_printed_if_it_is_to_be_shown(
    shown: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "speech_lstm"):
        log_line(logging.getLogger("speech_lstm.corpus"), "http://me:secret@host/100%s\n", shown)
    line = "http://me:***@host/100%s\\n"
    assert caplog.messages == [line]
    assert capsys.readouterr() == ("", f"{line}\n" if shown else "")


def test_a_quiet_run_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO, "speech_lstm.training"):
        Console(quiet=True).say("note: 100 %d")
    assert caplog.messages == ["note: 100 %d"]
    assert capfd.readouterr() == ("", "")
