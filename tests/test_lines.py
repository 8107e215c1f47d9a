"""What listening prints in a pipe or a log, and what becomes of its parts however it ends."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest

from speech_lstm.errors import MicrophoneError
from speech_lstm.live.command_log import Command
from speech_lstm.live.lines import JsonLines, Lines
from speech_lstm.live.listening import listen
from speech_lstm.live.view import fits
from speech_lstm.recognition.prediction import Prediction
from support.scripted_detector import ScriptedDetector, SilentSource


class RecordingAction:
    """An action that records what happens to it; it is busy for so many looks after the stream's end."""

    def __init__(self, busy: int = 0) -> None:
        self.events: list[str] = []
        self.looks = busy
        self.noted = 0

    def __enter__(self) -> RecordingAction:
        self.events.append("open")
        return self

    def __exit__(self, *fault: object) -> None:
        self.events.append("closed")

    def __call__(self, command: Command) -> None:
        self.events.append(command.prediction.label)

    def notes(self) -> list[str]:
        new = self.events[self.noted :]
        self.noted = len(self.events)
        return [f"recorded {event}" for event in new]

    @property
    def busy(self) -> bool:
        self.looks -= 1
        if self.looks == 0:
            self.events.append("done")
        return self.looks >= 0


class Full(io.RawIOBase):
    """A file on a full disk."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    source, detector = (
        SilentSource(200, losses=(30, 30, 150), end=KeyboardInterrupt()),
        ScriptedDetector({10: "yes", 123: "no", 190: "yes"}),
    )
    file = io.StringIO()
    began = datetime.now()
    listen(source, detector, Lines(source, detector, file))
    lines = [line.split("  ") for line in file.getvalue().splitlines()]
    assert ["  ".join(line[:-1]) for line in lines] == [
        "   0.5 s  yes  0.97",
        "  11.8 s  no  0.97",
        "  18.5 s  yes  0.97",
    ]
    for line in lines:
        assert abs(datetime.fromisoformat(line[-1]) - began) < timedelta(seconds=5)
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.splitlines() == [
        "listening to USB [bold]Mikrofon[/] Gerät; Ctrl-C ends",
        "   3.1 s  2 blocks lost so far: this machine is too slow",
        "  15.1 s  3 blocks lost so far: this machine is too slow",
        "20.0 s of audio, 3 commands: yes 2, no 1; 3 blocks lost",
    ]
    assert source.entered == 0


def test_standard_streams_that_are_closed_or_full_do_not_end_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as after >&-
    assert not fits(sys.stdout)
    full = io.TextIOWrapper(Full())
    for stderr in (None, full):
        monkeypatch.setattr("sys.stderr", stderr)
        source, detector, action = SilentSource(30), ScriptedDetector({10: "yes"}), RecordingAction()
        listen(source, detector, Lines(source, detector), [action])
        assert action.events == ["open", "yes", "closed"]
    assert capfd.readouterr() == ("", "")


def test_on_a_full_disk_the_commands_end_it() -> None:
    source, detector = SilentSource(30), ScriptedDetector({10: "yes"})
    with pytest.raises(OSError, match="No space left"):
        listen(source, detector, Lines(source, detector, io.TextIOWrapper(Full())))


def test_lines_of_json() -> None:
    source, detector = SilentSource(20), ScriptedDetector({10: "yes", 15: "no"})
    file = io.StringIO()
    before = datetime.now().astimezone()
    listen(source, detector, JsonLines(source, detector, file))
    first, second = map(json.loads, file.getvalue().splitlines())
    assert list(first) == ["file", "start", "end", "label", "probability", "scores", "time"]
    assert (first["file"], first["label"], second["label"]) == ("USB [bold]Mikrofon[/] Gerät", "yes", "no")
    assert (first["start"], first["end"], first["probability"]) == (0.5, 1.0, 0.97)
    assert first["scores"] == detector.scores
    said = datetime.fromisoformat(first["time"])  # it has its zone
    assert before - timedelta(seconds=0.6) < said < before + timedelta(seconds=5)


def test_a_hint_is_printed_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    source, detector = SilentSource(6), ScriptedDetector({})
    lines = Lines(source, detector, io.StringIO())
    with lines:
        for block, hint in zip(source_of(source), ["", "too loud", "too loud", "", "too loud", ""], strict=True):
            source.hint = hint
            detector(block)
            lines.update(block)
    assert capsys.readouterr().err.splitlines()[1:-1] == [
        "   0.2 s  too loud",
        "   0.4 s  the input is fine again",
        "   0.5 s  too loud",
        "   0.6 s  the input is fine again",
    ]


def source_of(source: SilentSource) -> Iterator[np.ndarray]:
    with source:
        yield from source


@pytest.mark.parametrize("how", ["end", "Ctrl-C", "a fault"])
def test_actions_get_the_commands_and_are_closed_however_it_ends(
    capsys: pytest.CaptureFixture[str], how: str
) -> None:
    end = {"end": None, "Ctrl-C": KeyboardInterrupt(), "a fault": MicrophoneError("gone")}[how]
    source, detector = SilentSource(5, end=end), ScriptedDetector({2: "go", 4: "up"})
    action = RecordingAction(busy=2)
    display = Lines(source, detector, io.StringIO())
    if how == "a fault":
        with pytest.raises(MicrophoneError, match="gone"):
            listen(source, detector, display, [action])
    else:
        listen(source, detector, display, [action])
    waited = ["done"] if how == "end" else []
    assert action.events == ["open", "go", "up", *waited, "closed"]
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1] == "0.5 s of audio, 2 commands: go 1, up 1"
    assert [line for line in errors if "recorded" in line][:3] == [
        "   0.1 s  recorded open",
        "   0.2 s  recorded go",
        "   0.4 s  recorded up",
    ]
    assert ("   0.5 s  recorded done" in errors) == (how == "end")
    assert source.entered == 0


def test_a_note_after_the_last_block_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    action = RecordingAction()

    class Interrupted(SilentSource):
        def __iter__(self) -> Iterator[np.ndarray]:
            yield from super().__iter__()
            action.events.append("late")
            raise KeyboardInterrupt

    source, detector = Interrupted(3), ScriptedDetector({})
    listen(source, detector, Lines(source, detector, io.StringIO()), [action])
    assert capsys.readouterr().err.splitlines()[-2] == "   0.3 s  recorded late"


def test_a_command_at_the_end_of_the_stream_counts() -> None:
    class Late(ScriptedDetector):
        def finish(self) -> list[Prediction]:
            return [Prediction("stop", 0.9, self.seconds - 0.4, self.seconds, self.scores)]

    source, detector = SilentSource(5), Late({})
    file = io.StringIO()
    action = RecordingAction()
    listen(source, detector, Lines(source, detector, file), [action])
    assert file.getvalue().split()[2] == "stop"
    assert action.events == ["open", "stop", "closed"]


def test_a_reader_that_went_away_is_noticed_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    source, detector = SilentSource(100), ScriptedDetector({})
    action = RecordingAction()
    with os.fdopen(writing, "w") as file:
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            listen(source, detector, JsonLines(source, detector, file), [action])
    assert detector.blocks == 1
    assert action.events == ["open", "closed"]
    assert "of audio" not in capsys.readouterr().err  # no summary


def test_a_reader_that_is_slow_or_has_what_it_needs_is_no_reason_to_end() -> None:
    reading, writing = os.pipe()
    source, detector = SilentSource(20), ScriptedDetector({3: "go"})
    with os.fdopen(writing, "w") as file:
        listen(source, detector, JsonLines(source, detector, file))
    with os.fdopen(reading) as file:
        assert json.loads(file.read())["label"] == "go"
