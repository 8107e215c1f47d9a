"""Programs that are run when a word is heard: real ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_lstm.errors import ActionError
from speech_lstm.live.command_log import Command, Journal
from speech_lstm.live.programs import EVERY_SECONDS, Program
from speech_lstm.recognition.prediction import Prediction
from support.programs import alive, script

SLOW = 20.0  # seconds
PRINTS = "printf '%s\\n' \"$SPEECH_LSTM_WORD $SPEECH_LSTM_PROBABILITY $SPEECH_LSTM_START\""


def said(word: str, start: float = 1.25) -> Command:
    return Journal("a microphone").add(Prediction(word, 0.97341, start, start + 0.5, {}), start + 0.9)


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SLOW
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def speaks(program: Program) -> bool:
    """Whether something it printed has arrived."""
    program.collect()
    return bool(program.said)


def notes_at_the_end(program: Program) -> list[str]:
    notes: list[str] = []

    def ended() -> bool:
        notes.extend(program.notes())
        return not program.busy

    wait_for(ended)
    return notes + program.notes()


def test_it_gets_the_facts_and_its_arguments_without_a_shell(tmp_path: Path) -> None:
    path = script(tmp_path, f'{PRINTS}; for word; do echo "<$word>"; done; cat; echo end')
    with Program("yes", f"'{path}' 'two words' $HOME;rm \"a'b\" *") as program:
        program(said("no"))
        assert not program.busy
        program(said("yes"))
        assert program.busy
        notes = notes_at_the_end(program)
    words = ["two words", "$HOME;rm", "a'b", "*"]
    assert notes == [f"yes: {line}" for line in ["yes 0.9734 1.250", *(f"<{word}>" for word in words), "end"]]


def test_with_a_shell_the_command_is_one_of_the_shell() -> None:
    with Program("yes", f"{PRINTS} | tr a-z A-Z; exit 3", shell=True) as program:
        program(said("yes"))
        assert notes_at_the_end(program) == [
            "yes: YES 0.9734 1.250",
            "yes: the command failed with exit status 3",
        ]


def test_one_that_runs_is_not_started_twice() -> None:
    with Program("go", "sleep 600") as program:
        program(said("go", 1.0))
        process = program.process
        program(said("go", 9.0))
        assert program.process is process
        assert program.notes() == ["go: sleep is still running and is not started again"]


def test_it_is_not_started_more_often_than_it_may(tmp_path: Path) -> None:
    counted = tmp_path / "count"
    with Program("go", f"sh -c 'echo >> {counted}'", every=2.0) as program:
        for start in (1.0, 2.5, 2.9, 3.0, 4.9, 5.1):
            program(said("go", start))
            notes = notes_at_the_end(program)
            assert notes == ([] if start in (1.0, 3.0, 5.1) else ["go: sh is not started again within 2 s"])
    assert counted.read_text() == "\n" * 3
    assert EVERY_SECONDS < 2


def test_a_flood_and_odd_letters_of_a_program() -> None:
    with Program("go", "sh -c 'printf \"\\033[2Jred\\tno end\"; exec sleep 0'") as program:
        program(said("go"))
        assert notes_at_the_end(program) == ["go: [2Jred no end"]
    with Program("go", "yes") as program:
        program(said("go"))
        wait_for(lambda: speaks(program))
        began = time.monotonic()
        assert set(program.notes()) == {"go: y"}
        assert time.monotonic() - began < 1
    with Program("go", "head -c 100000 /dev/zero") as program:
        program(said("go"))
        assert notes_at_the_end(program) == []  # nothing that can be shown
        assert len(program.output) <= 1 << 16


def test_one_that_is_killed_or_can_not_be_started_is_one_line(tmp_path: Path) -> None:
    with Program("go", "sh -c 'kill -9 $$'") as program:
        program(said("go"))
        assert notes_at_the_end(program) == ["go: sh was ended by signal 9 (Killed)"]
    path = script(tmp_path, "true")
    with Program("go", f"'{path}'") as program:
        path.unlink()
        program(said("go"))
        assert program.notes() == ["go: a script does not start: no such file or directory"]
        assert not program.busy


@pytest.mark.parametrize("stubborn", [False, True])
def test_nothing_is_left_behind(tmp_path: Path, stubborn: bool) -> None:
    """Neither the program nor what it began in the background, even when they don't mind being asked to end."""
    trap = "trap '' TERM INT HUP; " if stubborn else ""
    path = script(tmp_path, f"{trap}(while :; do sleep 0.1; done) & echo $! $$; wait")
    began = time.monotonic()
    with Program("go", f"'{path}'") as program:
        program(said("go"))
        wait_for(lambda: speaks(program))
        processes = [int(number) for number in program.notes()[0].split()[1:]]
        assert all(map(alive, processes))
        began = time.monotonic()
    wait_for(lambda: not any(map(alive, processes)))
    assert (time.monotonic() - began < 1) or stubborn
    assert not program.busy or program.process.poll() is not None  # type: ignore[union-attr]


def test_what_it_leaves_in_the_background_keeps_it_running_and_is_ended() -> None:
    with Program("go", "sleep 600 & echo $!", shell=True) as program:
        program(said("go"))
        wait_for(lambda: speaks(program))
        (process,) = (int(note.split()[1]) for note in program.notes())
        time.sleep(0.2)
        program(said("go", 30.0))
        assert program.notes() == ["go: the command is still running and is not started again"]
        assert alive(process)
    wait_for(lambda: not alive(process))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-program --now", "--on yes: the program 'no-such-program' is not there; "),
        ("", "--on yes: the command is empty; "),
        ("  ", "--on yes: the command is empty; "),
        ("echo 'hi", "can't be divided into words (No closing quotation); see its quotes"),
        ("/", "--on yes: the program '/' is no program that can be run; "),
        ("./README", "--on yes: the program './README' is no program that can be run; "),
    ],
)
def test_one_that_is_none_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README").write_text("not a program")
    with pytest.raises(ActionError) as caught:
        Program("yes", command)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_our_own_environment_is_handed_on_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMP", "kitchen")
    with Program("go", 'echo "$LAMP"', shell=True) as program:
        program(said("go"))
        assert notes_at_the_end(program) == ["go: kitchen"]
    assert "SPEECH_LSTM_WORD" not in os.environ
