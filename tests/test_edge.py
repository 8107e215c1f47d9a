"""The edge of the program: whatever happens, one printable line and an exit status; see also test_cli.py."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

import speech_lstm
from speech_lstm.__main__ import Terminated
from speech_lstm.cli import main
from speech_lstm.commands import devices
from speech_lstm.commands import parser as command_parser
from speech_lstm.errors import LONGEST, masked, printable
from speech_lstm.model.bundled import bundled_model
from support.command_line import SLOW, call, refusal

ESCAPE, BELL = "\x1b", "\x07"
HOSTILE = {
    "escape": "a\x1b[31m\x1b]0;title\x07b",
    "line": "a\nb\r\u2028c",
    "bytes": "a\udcff\udc80b",
    "long": 300 * "a",
    "deep": "/".join(3000 * "a"),
}
PLACES = {  # a command line for each flag that takes a path; PATH is replaced
    "classify": "classify PATH",
    "classify --model": "classify WAV --model PATH.onnx",
    "classify --plugin": "classify WAV --plugin PATH.py",
    "gates": "gates PATH",
    "gates --out": "gates WAV --out PATH.xyz",
    "gates --diagram": "gates WAV --diagram PATH.xyz",
    "listen --input": "listen --input PATH",
    "listen --model": "listen --input WAV --model PATH.safetensors",
    "train --data": "train --data PATH --out OUT",
    "train --config": "train --data DEMO --out OUT --config PATH.toml",
    "train --extra": "calibrate MODEL --data DEMO --extra PATH --hours 0.01 --out OUT",
    "evaluate": "evaluate PATH --data DEMO",
    "evaluate --data": "evaluate MODEL --data PATH",
    "export": "export PATH",
    "gradients --data": "gradients --data PATH --out OUT",
    "study": "study run PATH.toml",
    "study --data": "study run quick --data PATH",
    "study status --storage": "study status quick --storage sqlite:///OUT/PATH",
    "search": "search run PATH.toml",
    "record --input": "record --words yes --speaker me --input PATH --out OUT",
    "make-stream --data": "make-stream --data PATH --out OUT.wav",
    "make-stream --out": "make-stream --data DEMO --words yes --minutes 0.1 --out PATH",
    "make-stream --extra": "make-stream --data DEMO --words yes --minutes 0.1 --out OUT.wav --extra PATH",
    "stream-test": "stream-test MODEL PATH",
    "stream-test --truth": "stream-test MODEL WAV --truth PATH",
    "mine": "mine PATH WAV --out OUT",
    "mine speech": "mine MODEL PATH --out OUT",
    "calibrate": "calibrate PATH --data DEMO",
    "calibrate --data": "calibrate MODEL --data PATH",
    "download --url": "download --data OUT --url ftp://PATH",
}


@pytest.fixture
def command_line(demo: Path, tmp_path: Path) -> Callable[[str, str], list[str]]:
    known = {
        "WAV": str(min((demo / "yes").glob("*.wav"))),
        "DEMO": str(demo),
        "MODEL": str(bundled_model(".safetensors")),
        "OUT": str(tmp_path / "out"),
    }

    def build(place: str, name: str) -> list[str]:
        words = PLACES.get(place, place).split()
        for known_name, value in known.items():
            words = [word.replace(known_name, value) for word in words]
        return [word.replace("PATH", name) for word in words]

    return build


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_name(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command_line: Callable[[str, str], list[str]],
    place: str,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, *command_line(place, HOSTILE[kind]))
    assert (status, err.count("\n")) == (2, 1), err
    assert (out + err).replace("\n", "").isprintable()
    assert len(err) <= LONGEST + 1
    assert "internal" not in err


@pytest.mark.parametrize("kind", ["long", "deep"])
@pytest.mark.parametrize(
    "place", ["record --words yes --speaker me --input WAV --out PATH", "train --data DEMO --out PATH"]
)
def test_a_folder_that_cannot_be_made(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command_line: Callable[[str, str], list[str]],
    place: str,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = call(capsys, *command_line(place, HOSTILE[kind]))
    assert (status, err.count("\n")) == (2, 1), err
    assert "file name too long" in err


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_path(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command_line: Callable[[str, str], list[str]],
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = command_line(place, "") if PLACES[place].endswith("PATH") else ["classify", ""]
    status, out, err = call(capsys, *words)
    assert (status, out, err.count("\n")) == (2, "", 1), err


def failing(error: BaseException) -> Callable[[object], NoReturn]:
    def run(arguments: object) -> NoReturn:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "a\x1bb"), 2, r"a\x1bb: file name too long"),
        (OSError(errno.ELOOP, os.strerror(errno.ELOOP), b"a\xff"), 2, r"a\udcff: too many levels of symbolic links"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "x: permission denied; check"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2, "cannot write the output: disk quota exceeded"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "not enough memory"),
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("could not create a primitive"), 2, "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), 2, "not enough memory"),
        (ModuleNotFoundError("No module named 'onnx'", name="onnx"), 2, "speech-lstm[export]"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(signal.SIGTERM), 143, "interrupted"),
    ],
)
def test_what_is_foreseen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, says: str
) -> None:
    monkeypatch.setattr(devices, "run", failing(error))
    assert call(capsys, "devices")[:2] == (status, "")
    monkeypatch.setattr(devices, "run", failing(error))
    _, _, err = call(capsys, "devices")
    assert says in err
    assert err.count("\n") == 1


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of temporary files, while a command has a fault."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(devices, "run", failing(KeyError("a\nb \x1b[31m http://u:hidden@h/")))
    return tmp_path


def test_the_unforeseen_is_one_line_and_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: Path
) -> None:
    monkeypatch.delenv("SPEECH_LSTM_DEBUG", raising=False)
    status, out, err = call(capsys, "devices")
    assert (status, out, err.count("\n")) == (1, "", 1)
    (file,) = broken.iterdir()
    assert "internal error (KeyError: " in err
    assert err.endswith(f"report it with the file {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert text.startswith("Traceback")
    assert "KeyError" in text
    assert "hidden" not in text + err


def test_the_unforeseen_is_shown_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: Path
) -> None:
    monkeypatch.setenv("SPEECH_LSTM_DEBUG", "1")
    status, _, err = call(capsys, "devices")
    assert status == 1
    assert "Traceback" in err
    assert not list(broken.iterdir())


def test_the_unforeseen_without_a_place_for_its_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(broken / "none"))
    status, _, err = call(capsys, "devices")
    assert (status, err.count("\n")) == (1, 1)
    assert "SPEECH_LSTM_DEBUG=1" in err


def test_an_interruption_of_an_import(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries in C turn it into an error of their own."""
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    monkeypatch.setattr(devices, "run", failing(error))
    assert call(capsys, "devices") == (130, "", "interrupted\n")


def test_an_interruption_before_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_parser, "build_parser", lambda: failing(KeyboardInterrupt())(None))
    assert call(capsys, "devices") == (130, "", "interrupted\n")


AT_THE_END = """
import atexit, os, signal, sys
from speech_lstm.__main__ import start
atexit.register(os.kill, os.getpid(), signal.{})
sys.argv[1:] = ["--help"]
start()
"""
WHILE_ERRORS_ARE_IMPORTED = """
import os, re, signal, sys
compile_before = re.compile
def compile(*arguments, **named):
    if sys._getframe(1).f_globals["__name__"] == "speech_lstm.errors":
        os.kill(os.getpid(), signal.{})
    return compile_before(*arguments, **named)
re.compile = compile
from speech_lstm.__main__ import start
start()
"""
WHILE_IMPORTED = """
import importlib.abc, os, signal, sys
class Interruption(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "speech_lstm.cli":
            os.kill(os.getpid(), signal.{})
sys.meta_path.insert(0, Interruption())
from speech_lstm.__main__ import start
start()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("moment", [AT_THE_END, WHILE_IMPORTED, WHILE_ERRORS_ARE_IMPORTED])
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_outside_the_command(moment: str, name: str, status: int) -> None:
    run = subprocess.run([sys.executable, "-c", moment.format(name)], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == status
    assert run.stderr in ("", "interrupted\n")


EARLY = "import os, sys; before = set(sys.modules); import {}; print(*sorted(set(sys.modules) - before))"


@pytest.mark.parametrize("module", ["speech_lstm.__main__", "speech_lstm.cli"])
def test_next_to_nothing_is_imported_before_signals_are_handled(module: str) -> None:
    command = [sys.executable, "-S", "-c", EARLY.format(module)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=SLOW, cwd=Path(speech_lstm.__file__).parents[1]
    )
    assert run.stdout.split() == ["__future__", "speech_lstm", module]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_standard_streams() -> None:
    command = f"{sys.executable} -m speech_lstm --help <&- >&- 2>&-; echo $?"
    run = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=SLOW)
    assert (run.stdout, run.stderr) == ("0\n", "")


def test_a_closed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(devices, "run", lambda arguments: print("lost"))
    with pytest.raises(SystemExit) as caught:
        main(["devices"])
    assert caught.value.code == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ä 字", "plain – ä 字"),
        ("a\nb\x1b[31m\x9b", r"a\nb\x1b[31m\x9b"),
        ("\u202eevil\udcff", r"\u202eevil\udcff"),
        (r"a\nb", r"a\nb"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("letter", "a\x1b\udcff")
@pytest.mark.parametrize("count", [9, 10, 11, 5000])
def test_printable_is_bounded(letter: str, count: int) -> None:
    shown = printable("<" + letter * count + ">", 12)
    assert len(shown) <= 12
    assert shown.isprintable()
    assert shown[0] + shown[-1] == "<>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:X@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:X/y@z@h/d: gone", "postgresql://u:***@h/d: gone"),
        ("postgresql://h/d?user=u&password=X&a=b", "postgresql://h/d?user=u&password=***&a=b"),
        ("(http://u:X@h/?access_token=X)", "(http://u:***@h/?access_token=***"),
        ("https://X@h/a", "https://***@h/a"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("http://h:80/a?b=c", "http://h:80/a?b=c"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_password_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["study", "status", "quick", "--storage", "mysql://u:X1Y@h/d"], ["http://u:X1Y@h/"]):
        assert "X1Y" not in call(capsys, *words)[2]
    assert "X1Y" not in refusal(capsys, "classify", "http://u:X1Y@h/")
