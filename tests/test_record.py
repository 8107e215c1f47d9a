"""`record` in a terminal: words that are played are cut out, checked and written as a corpus."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import numpy as np
import pexpect
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_lstm.audio.clips import fit_clip
from speech_lstm.audio.energy import frame_levels
from speech_lstm.audio.inputs import Origin
from speech_lstm.audio.recording import read_recording
from speech_lstm.audio.word_recorder import Take, WordRecorder
from speech_lstm.commands import record
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.corpus.own_words import missing_takes, speaker_id, take_path, write_take
from speech_lstm.corpus.speech_commands import scan
from speech_lstm.errors import CorpusError, RecordingError
from speech_lstm.files import OutputError
from support.command_line import answer, refusal
from support.full_disk import files_of_at_most, needs_limits
from support.virtual_microphone import ROOT, VirtualMicrophone, missing

SLOW = 60.0
SPOKEN = ROOT / "data" / "demo" / "yes" / "7a254b5f_nohash_0.wav"


@contextmanager
def recorder_of(before: np.ndarray, after: np.ndarray) -> Iterator[WordRecorder]:
    """A recorder that holds `before`; `after` arrives as soon as it waits."""
    with WordRecorder(Sound(before, after)) as recorder:
        while recorder.position < len(before):
            time.sleep(0.001)
        threading.Timer(0.05, recorder.source.go_on.set).start()
        yield recorder


class Sound:
    """An input of two parts; the second one comes when `go_on` is set."""

    overruns = 0
    hint = ""
    device = Origin("a sound")

    def __init__(self, before: np.ndarray, after: np.ndarray) -> None:
        self.parts = before.astype(np.float32), after.astype(np.float32)
        self.go_on = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.parts[0]
        self.go_on.wait()
        yield from np.array_split(self.parts[1], 1 + len(self.parts[1]) // 1600)


def room(seconds: float, level: float = 1e-4) -> np.ndarray:
    return level * np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE))


def tone(seconds: float, level: float = 0.2) -> np.ndarray:
    return level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


@settings(max_examples=25, deadline=None)
@given(start=st.floats(0.2, 2.0), length=st.floats(0.1, 0.9), level=st.floats(-80, -50))
def test_the_word_lies_in_the_middle_of_its_second(start: float, length: float, level: float) -> None:
    noise = 10 ** (level / 20)
    with recorder_of(
        room(1, noise), np.concatenate([room(start, noise), tone(length), room(1.5, noise)])
    ) as recorder:
        take = recorder.next_word()
    assert take is not None
    assert take.fault == ""
    assert take.clip.dtype == np.float32
    assert len(take.clip) == SAMPLE_RATE
    assert take.seconds == pytest.approx(length, abs=0.05)
    loud = np.flatnonzero(np.abs(take.clip) > 0.1)
    assert (loud[0] + loud[-1]) / 2 == pytest.approx(SAMPLE_RATE / 2, abs=0.03 * SAMPLE_RATE)


def test_a_word_that_is_being_said_already_and_a_click_are_no_words() -> None:
    after = np.concatenate([tone(0.3, 0.5), room(0.6), tone(0.02), room(0.6), tone(0.4, 0.2), room(1.5)])
    with recorder_of(np.concatenate([room(1), tone(0.3, 0.5)]), after) as recorder:
        take = recorder.next_word()
    assert take is not None
    assert np.abs(take.clip).max() == pytest.approx(0.2, rel=0.01)
    assert take.seconds == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    ("sound", "noise", "fault"),
    [
        (tone(0.5, 0.002), 1e-5, "too quiet"),
        (np.clip(tone(0.5, 3), -1, 1), 1e-4, "clipped"),
        (tone(0.5, 0.07), 0.01, "hardly louder than the room"),
        (tone(1.3), 1e-4, "longer than a second"),
        (tone(9), 1e-4, "longer than a second"),
    ],
)
def test_a_bad_take_says_why(sound: np.ndarray, noise: float, fault: str) -> None:
    with recorder_of(room(1, noise), np.concatenate([room(0.5, noise), sound, room(1.5, noise)])) as recorder:
        take = recorder.next_word()
    assert take is not None
    assert take.fault.startswith(fault)


@pytest.mark.parametrize("noise", [0.0, 1e-5, 0.1])
def test_a_room_alone_is_no_word(noise: float) -> None:
    with recorder_of(room(1, noise), room(9, noise)) as recorder:
        assert recorder.next_word() is None


def test_the_end_of_the_input_is_an_error() -> None:
    with recorder_of(room(1), room(1)) as recorder, pytest.raises(RecordingError, match="a sound: it has ended"):
        recorder.next_word()


def test_where_recordings_lie() -> None:
    assert speaker_id(" Jana  Nováková") == speaker_id("jana nováková") != speaker_id("Jan")
    path = take_path(Path("own"), "yes", "Jana", 3)
    assert path.parent == Path("own/yes")
    assert re.fullmatch(r"[0-9a-f]{8}_nohash_3\.wav", path.name)


@pytest.mark.parametrize("word", ["_background_noise_", "..", "a/b", "a\nb", ".x"])
def test_a_word_that_can_be_no_folder_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="letters, digits"):
        missing_takes(tmp_path, ["yes", word], "Jana", 2)


def recording(path: Path, count: int = 30) -> Path:
    """A word again and again."""
    word = read_recording(SPOKEN)
    pieces = [room(1.0), *[piece for _ in range(count) for piece in (fit_clip(word) + room(1), room(0.5))]]
    soundfile.write(path, np.concatenate(pieces), SAMPLE_RATE)
    return path


def session(out: Path, *flags: object, **options: object) -> pexpect.spawn:
    arguments = ["-u", "-m", "speech_lstm", "record", "--words", "yes,no", "--speaker", "Jana", "--out", str(out)]
    terminal = pexpect.spawn(
        sys.executable, [*arguments, *map(str, flags)], encoding="utf-8", timeout=SLOW, **options
    )
    terminal.expect("Enter records")
    return terminal


def end(terminal: pexpect.spawn) -> tuple[str, int]:
    text = terminal.read()
    terminal.close()
    return text, terminal.exitstatus


def test_every_word_is_missing_once_before_any_word_again(tmp_path: Path) -> None:
    assert missing_takes(tmp_path, ["yes", "no"], "Jana", 2) == [("yes", 0), ("no", 0), ("yes", 1), ("no", 1)]
    write_take(take_path(tmp_path, "no", "jana", 0), np.zeros(SAMPLE_RATE, np.float32))
    assert missing_takes(tmp_path, ["yes", "no"], "Jana", 2) == [("yes", 0), ("yes", 1), ("no", 1)]


def test_words_become_a_corpus_and_it_continues_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, out = recording(tmp_path / "words.wav"), tmp_path / "own"
    terminal = session(out, "--each", 1, "--input", words)
    terminal.expect_exact("[1 of 2] yes: ")
    terminal.sendline("")
    terminal.expect(r"\d\.\d\d s, -\d+ dBFS")
    terminal.expect_exact("[2 of 2] no: ")
    terminal.sendline("?")
    terminal.expect("Enter records")
    terminal.sendcontrol("c")
    text, status = end(terminal)
    assert "1 of 2 recordings are in" in text
    assert "same command" in text
    assert status == 130
    first = take_path(out, "yes", "Jana", 0)
    content = first.read_bytes()

    terminal = session(out, "--each", 1, "--input", words)
    terminal.expect_exact("[1 of 1] no: ")
    terminal.sendline("")
    terminal.expect(r"\d\.\d\d s, -\d+ dBFS")
    text, status = end(terminal)
    assert f"2 of 2 recordings are in {out}" in text
    assert f"next: speech-lstm teach --from {out}" in text
    assert status == 0
    assert first.read_bytes() == content

    for word in ("yes", "no"):
        assert [path.name for path in (out / word).iterdir()] == [f"{speaker_id('Jana')}_nohash_0.wav"]
    for path in out.glob("*/*"):
        with wave.open(str(path)) as file:
            assert file.getparams()[:4] == (1, 2, SAMPLE_RATE, SAMPLE_RATE)
        levels = frame_levels(read_recording(path))
        loud = np.flatnonzero(levels > levels.max() - 15)
        assert 0.3 < (loud[0] + loud[-1]) / 2 / len(levels) < 0.7
    corpus = scan(out)
    assert corpus.words == ("no", "yes")
    assert len({clip.split for clip in corpus.clips}) == 1  # one speaker
    rest = "--words", "yes,no", "--speaker", "jana", "--out", out, "--each", 1, "--input", words
    assert "2 of 2" in answer(capsys, "record", *rest)  # and it ends: nothing is left to record


class Prompt:
    """A recorder that returns a good take at once."""

    source = SimpleNamespace(hint="")

    def next_word(self) -> Take:
        return Take(np.zeros(SAMPLE_RATE, np.float32), 0.5, -20.0, "")


@needs_limits
def test_a_full_disk_ends_it_and_earlier_takes_are_intact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "KEY_SECONDS", 0)
    first = take_path(tmp_path, "yes", "Jana", 0)
    write_take(first, np.ones(SAMPLE_RATE, np.float32))
    content, takes = first.read_bytes(), missing_takes(tmp_path, ["yes", "no"], "Jana", 1)
    with pytest.raises(OutputError, match="cannot be written: file too large; "), files_of_at_most(10_000):
        record.RecordingSession(Prompt(), io.StringIO("\n\n"), tmp_path, "Jana", takes).run()  # type: ignore[arg-type]
    assert capsys.readouterr().out.endswith('say "no" … not written\n')
    assert list(tmp_path.rglob("*.wav")) == [first]
    assert first.read_bytes() == content
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


@pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())} is missing")
def test_a_microphone_is_asked_again_and_played_back(tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, np.clip(40 * read_recording(SPOKEN), -1, 1), SAMPLE_RATE)
    with VirtualMicrophone() as virtual:
        terminal = session(tmp_path / "own", env=virtual.environment)
        terminal.sendline("p")
        terminal.expect("nothing is recorded yet")
        terminal.sendline("")
        terminal.expect('say "yes"')
        virtual.play(loud)
        terminal.expect("clipped: .*; again")
        assert not (tmp_path / "own").exists()
        terminal.expect_exact("[1 of 20] yes: ")
        terminal.sendline("")
        terminal.expect('say "yes"')
        virtual.play(SPOKEN)
        terminal.expect(r"\d\.\d\d s, -\d+ dBFS")
        first = take_path(tmp_path / "own", "yes", "Jana", 0).read_bytes()
        terminal.expect_exact("[2 of 20] no: ")
        terminal.sendline("p")
        terminal.expect_exact("[2 of 20] no: ")  # it was played: without a word of trouble
        assert "can't" not in terminal.before
        terminal.sendline("r")
        terminal.expect('say "yes"')
        virtual.play(SPOKEN)
        terminal.expect(r"\d\.\d\d s, -\d+ dBFS")
        assert take_path(tmp_path / "own", "yes", "Jana", 0).read_bytes() != first
        terminal.sendline("q")
        text, status = end(terminal)
    assert "1 of 20 recordings are in" in text
    assert status == 0


def test_without_keys_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)  # as after <&-
    flags = ["--words", "yes", "--speaker", "x", "--input", recording(tmp_path / "words.wav", 1)]
    assert "standard input is closed" in refusal(capsys, "record", "--out", tmp_path / "own", *flags)


def test_what_is_impossible_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, fact in (
        (["--words", "a/b", "--speaker", "x"], "'a/b'"),
        (["--words", "yes", "--speaker", " "], "name is empty"),
        (["--words", "yes", "--speaker", "x", "--input", tmp_path / "none.wav"], "none.wav"),
    ):
        assert fact in refusal(capsys, "record", "--out", tmp_path / "own", *flags)
    assert not (tmp_path / "own").exists()
