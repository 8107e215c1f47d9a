"""Programs that run on a word: real ones."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from speech_lstm.errors import ActionError
from speech_lstm.live.programs import EVERY_SECONDS, MOST_LINES, WINDOW_SECONDS, Excerpt, Program
from support.listening import SLOW, command, wait_for
from support.programs import alive, script

PRINTS = "printf '%s\\n' \"$SPEECH_LSTM_WORD $SPEECH_LSTM_PROBABILITY $SPEECH_LSTM_START\""


def has_printed(program: Program) -> bool:
    """Whether a line of its output has arrived."""
    program.collect()
    return bool(program.pending)


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
        program(command("no"))
        assert not program.busy
        program(command("yes"))
        assert program.busy
        notes = notes_at_the_end(program)
    words = ["two words", "$HOME;rm", "a'b", "*"]
    assert notes == [f"yes: {line}" for line in ["yes 0.9734 1.250", *(f"<{word}>" for word in words), "end"]]


def test_with_a_shell_the_command_is_one_of_the_shell() -> None:
    with Program("yes", f"{PRINTS} | tr a-z A-Z; exit 3", shell=True) as program:
        program(command("yes"))
        assert notes_at_the_end(program) == [
            "yes: YES 0.9734 1.250",
            "yes: the command failed with exit status 3",
        ]


def test_one_that_runs_is_not_started_twice() -> None:
    with Program("go", "sleep 600") as program:
        program(command("go", 1.0))
        process = program.process
        program(command("go", 9.0))
        assert program.process is process
        assert program.notes() == ["go: sleep is still running and is not started again"]


def test_it_is_not_started_more_often_than_it_may(tmp_path: Path) -> None:
    counted = tmp_path / "count"
    with Program("go", f"sh -c 'echo >> {counted}'", every=2.0) as program:
        for start in (1.0, 2.5, 2.9, 3.0, 4.9, 5.1):
            program(command("go", start))
            notes = notes_at_the_end(program)
            assert notes == ([] if start in (1.0, 3.0, 5.1) else ["go: sh is not started again within 2 s"])
    assert counted.read_text() == "\n" * 3
    assert EVERY_SECONDS < 2


def test_a_flood_and_odd_letters_of_a_program() -> None:
    with Program("go", "sh -c 'printf \"\\033[2Jred\\tno end\"; exec sleep 0'") as program:
        program(command("go"))
        (note,) = notes_at_the_end(program)
        assert r"\x1b[2Jred no end" in note
    with Program("go", "yes") as program:
        program(command("go"))
        wait_for(lambda: has_printed(program))
        assert set(program.notes()) == {"go: y"}  # not all of it, which has no end
    with Program("go", "head -c 100000 /dev/zero") as program:
        program(command("go"))
        assert notes_at_the_end(program) == []  # nothing that can be shown
        assert len(program.output) <= 1 << 16


def test_of_a_flood_an_excerpt_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.programs.WINDOW_SECONDS", SLOW)
    with Program("go", "seq 100000; echo; echo oh >&2; exit 3", shell=True) as program:
        program(command("go"))
        notes = notes_at_the_end(program)
    assert notes[:MOST_LINES] == [f"go: {number}" for number in range(1, MOST_LINES + 1)]
    assert re.fullmatch(r"go: \d+ more lines, the last: oh", notes[MOST_LINES])
    assert notes[MOST_LINES + 1 :] == ["go: the command failed with exit status 3"]


def test_a_flood_without_end_is_told_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0, 1000, 0.25))
    monkeypatch.setattr("speech_lstm.live.programs.time.monotonic", lambda: next(clock))
    excerpt, seconds = Excerpt(), 0.0
    lines: list[str] = []
    while seconds < 10 * WINDOW_SECONDS:
        excerpt.add(b"x\n" * 30_000)
        lines += excerpt.lines(ended=False)
        seconds = next(clock)
    assert 5 * MOST_LINES < len(lines) <= 10 * (MOST_LINES + 1)
    assert any(line.endswith("more lines, the last: x") for line in lines)


def test_one_that_is_killed_or_can_not_be_started_is_one_line(tmp_path: Path) -> None:
    with Program("go", "sh -c 'kill -9 $$'") as program:
        program(command("go"))
        assert notes_at_the_end(program) == ["go: sh was ended by signal 9 (Killed)"]
    path = script(tmp_path, "true")
    with Program("go", f"'{path}'") as program:
        path.unlink()
        program(command("go"))
        assert program.notes() == ["go: a script does not start: no such file or directory"]
        assert not program.busy


@pytest.mark.parametrize("stubborn", [False, True])
def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: bool) -> None:
    """Neither the program nor its background processes, even when they ignore SIGTERM."""
    signals: list[int] = []
    killpg = os.killpg
    monkeypatch.setattr(os, "killpg", lambda group, number: (signals.append(number), killpg(group, number)))
    monkeypatch.setattr("speech_lstm.live.programs.END_SECONDS", 0.2 if stubborn else SLOW)
    trap = "trap '' TERM INT HUP; " if stubborn else ""
    path = script(tmp_path, f"{trap}(while :; do sleep 0.1; done) & echo $! $$; wait")
    with Program("go", f"'{path}'") as program:
        program(command("go"))
        wait_for(lambda: has_printed(program))
        processes = [int(number) for number in program.notes()[0].split()[1:]]
        assert all(map(alive, processes))
    wait_for(lambda: not any(map(alive, processes)))
    assert signals == [signal.SIGTERM, *([signal.SIGKILL] if stubborn else [])]


def test_what_it_leaves_in_the_background_keeps_it_running_and_is_ended() -> None:
    with Program("go", "sleep 600 & echo $!", shell=True) as program:
        program(command("go"))
        wait_for(lambda: has_printed(program))
        (process,) = (int(note.split()[1]) for note in program.notes())
        time.sleep(0.2)
        program(command("go", 30.0))
        assert program.notes() == ["go: the command is still running and is not started again"]
        assert alive(process)
    wait_for(lambda: not alive(process))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no-such-program --now", "--on yes: the program 'no-such-program' does not exist; "),
        ("", "--on yes: the command is empty; "),
        ("  ", "--on yes: the command is empty; "),
        ("echo 'hi", "(No closing quotation)"),
        ("/", "--on yes: the program '/' is not executable; "),
        ("./README", "--on yes: the program './README' is not executable; "),
        ("\x1b[2J", r"--on yes: the program '\x1b[2J' does not exist; "),
    ],
)
def test_what_is_not_a_program_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README").write_text("not a program")
    with pytest.raises(ActionError) as caught:
        Program("yes", line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_our_own_environment_is_handed_on_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMP", "kitchen")
    with Program("go", 'echo "$LAMP"', shell=True) as program:
        program(command("go"))
        assert notes_at_the_end(program) == ["go: kitchen"]
    assert "SPEECH_LSTM_WORD" not in os.environ


# --- Windows, as far as it can be simulated ------------------------------------------------------------------------


def test_without_groups_and_signals_the_program_alone_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "killpg")
    monkeypatch.delattr(signal, "SIGKILL")
    with Program("go", "sleep 60") as program:
        program(command("go"))
        process = program.process
        assert process is not None
    assert process.wait(SLOW) == -signal.SIGTERM


def test_the_shell_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_lstm.live.programs.WINDOWS", True)
    monkeypatch.setenv("COMSPEC", "C:\\cmd.exe")
    assert Program("go", "echo %PATH%", shell=True).arguments == ["C:\\cmd.exe", "/c", "echo %PATH%"]


def test_python_3_11_cannot_read_programs_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "set_blocking")
    with pytest.raises(ActionError, match=r"--on needs Python 3\.12 or newer on Windows"):
        Program("go", "sleep 60")
