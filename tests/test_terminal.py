"""The live view as a user sees it: in a real terminal, with sound from a sound server."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.listening import MODEL, spoken, wait_for
from support.real_terminal import Terminal
from support.virtual_microphone import VirtualMicrophone, missing

LISTEN = [sys.executable, "-u", "-m", "speech_lstm", "listen", "--model", str(MODEL)]
ABSENT = [*missing(), *(["tmux"] if shutil.which("tmux") is None else [])]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"{', '.join(ABSENT)} is missing")


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with VirtualMicrophone() as microphone:
        yield microphone


@pytest.fixture
def words(tmp_path: Path) -> Path:
    spoken(("yes", "stop"), tmp_path / "words.wav")
    return tmp_path / "words.wav"


def commands_of(screen: str) -> list[str]:
    """The labels in the list of commands, the first one first."""
    return re.findall(r"\d s +\d\d:\d\d:\d\d +\d+% +(\w+)", screen)[::-1]


def test_the_view_while_the_device_goes_away_and_comes_back(words: Path) -> None:
    with VirtualMicrophone() as virtual:
        environment = virtual.environment | {"LC_ALL": "C.UTF-8"}
        with Terminal(LISTEN, environment) as terminal:
            wait_for(lambda: "listening to default" in terminal.screen() and "_silence_" in terminal.screen())
            assert "none so far" in terminal.screen()
            virtual.play(words)
            wait_for(lambda: len(commands_of(terminal.screen())) == 2)
            screen, colours = terminal.screen(), terminal.colours()
            rows = screen.splitlines()
            assert commands_of(screen) == ["yes", "stop"]
            assert len(rows) == 24
            assert {len(row) for row in rows[:23]} == {80}  # nothing wraps, nothing is torn
            assert rows[3:7] == [f"│ {'▀' * 76} │"] * 4  # the spectrogram, in colours
            assert len(set(re.findall(r"48;5;\d+", colours))) > 5
            assert rows[7].split()[-2:] == ["stop", "│"]  # below its place
            assert "│ 1 an hour of continuous speech" in rows[22]  # what the bundled model is calibrated for
            assert "0 blocks lost" in rows[23]
            terminal.resize(120, 40)
            wait_for(lambda: len(terminal.screen().splitlines()) == 40)
            wait_for(lambda: "Ctrl-C ends" in terminal.screen().splitlines()[39])
            rows = terminal.screen().splitlines()
            assert {len(row) for row in rows[:39]} == {120}
            assert rows[3:11] == [f"│ {'▀' * 116} │"] * 8
            virtual.kill()
            wait_for(lambda: "it is reopened" in terminal.screen())
            assert terminal.screen().splitlines()[12].startswith("╰─ default: the device ")
            virtual.start()
            wait_for(lambda: "it is reopened" not in terminal.screen())
            virtual.play(words)
            wait_for(lambda: len(commands_of(terminal.screen())) == 4)
            terminal.press("C-c")
            wait_for(lambda: "status" in terminal.screen())
            after = terminal.screen()
    # Above it tmux itself shows lines of the other screen, after the change of size.
    assert re.search(r"^\d+\.\d s of audio, 4 commands: yes 2, stop 2\nstatus 0$", after, re.MULTILINE)


def test_without_colour_and_with_what_a_program_says(virtual: VirtualMicrophone, words: Path) -> None:
    environment = virtual.environment | {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    command = [*LISTEN, "--on", "stop", "cat /no/such/file"]
    with Terminal(command, environment) as terminal:
        wait_for(lambda: "none so far" in terminal.screen())
        virtual.play(words)
        wait_for(lambda: "cat failed" in terminal.screen())
        rows = terminal.screen().splitlines()
        assert rows[8].startswith("╰─ stop: cat failed with exit status 1 ─")
        assert {len(row) for row in rows[:23]} == {80}
        assert set("".join(rows[3:7])) <= set("│ ░▒▓█")
        assert set("".join(rows[3:7])) > set("│ ░")
        assert not re.search(r"\x1b\[[\d;]*(3[0-8]|4[0-8]|9\d)", terminal.colours())
        terminal.press("C-c")
        wait_for(lambda: "status 0" in terminal.screen())
        after = terminal.screen().split("\n")  # it is as it was
        assert re.fullmatch(r"\d+\.\d s of audio, 2 commands: yes 1, stop 1", after[0])
        assert after[1] == "status 0"


def test_a_plain_locale(virtual: VirtualMicrophone, words: Path) -> None:
    with Terminal(LISTEN, virtual.environment | {"LC_ALL": "C"}) as terminal:
        wait_for(lambda: "none so far" in terminal.screen())
        virtual.play(words)
        wait_for(lambda: commands_of(terminal.screen()) == ["yes", "stop"])
        screen = terminal.screen()
        assert screen.isascii()
        assert "?" not in screen
        assert screen.startswith("+- listening to default ---")
        assert set("".join(screen.splitlines()[3:7])) > set("| .:*")


def test_plain_lines_in_a_terminal(virtual: VirtualMicrophone, words: Path) -> None:
    with Terminal([*LISTEN, "--plain"], virtual.environment) as terminal:
        wait_for(lambda: "listening to default; Ctrl-C ends" in terminal.screen())
        virtual.play(words)
        wait_for(lambda: terminal.screen().count("\n ") >= 2)
        assert terminal.screen() == terminal.colours()
        first, second = terminal.screen().split("\n")[1:3]
        assert re.fullmatch(r" +\d+\.\d s  yes  0\.\d\d  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", first)
        assert second.split()[2] == "stop"
        terminal.press("C-c")
        wait_for(lambda: "status 0" in terminal.screen())
        assert "2 commands: yes 1, stop 1" in terminal.screen()
