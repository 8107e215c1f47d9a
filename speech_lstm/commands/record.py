"""Record your own words as a corpus to train on."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from speech_lstm.commands.flags import add_input_flags, names, whole
from speech_lstm.errors import MicrophoneError, RecordingError, printable
from speech_lstm.files import OutputError

if TYPE_CHECKING:
    import numpy as np

    from speech_lstm.audio.word_recorder import Take, WordRecorder

TERMINAL = "CONIN$" if os.name == "nt" else "/dev/tty"
KEYS = "Enter records, p plays the last one, r records the last one again, s skips, q ends"
KEY_SECONDS = 0.4  # after a key, whose click is not a part of the word
EXAMPLE = "record --words yes,no --speaker NAME --out own"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--words", type=names, required=True, metavar="WORD,…", help="the words to record")
    parser.add_argument(
        "--speaker", required=True, metavar="NAME", help="the speaker's name; the files contain only a hash of it"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the corpus; existing files are kept")
    parser.add_argument("--each", type=whole, default=10, metavar="N", help="recordings of each word (%(default)s)")
    add_input_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    if record(arguments, arguments.out):
        print(f"next: speech-lstm teach --from {printable(arguments.out)}")
    return 0


def record(arguments: argparse.Namespace, out: Path) -> bool:
    """Record the takes that are missing in a folder; returns whether none is missing any more."""
    from speech_lstm.audio.inputs import LevelledInput, find_input
    from speech_lstm.audio.level import Level
    from speech_lstm.audio.word_recorder import WordRecorder
    from speech_lstm.corpus.own_words import missing_takes

    takes = missing_takes(out, arguments.words, arguments.speaker, arguments.each)
    source = LevelledInput(find_input(arguments.device, arguments.input, arguments.raw), Level())
    total = len(arguments.words) * arguments.each
    if len(takes) < total:
        print(f"{total - len(takes)} of {total} recordings exist already")
    if not takes:
        return True
    with keyboard(arguments.input) as keys, WordRecorder(source) as recorder:
        print(f"listening to {printable(source.device.name)}; {KEYS}")
        session = RecordingSession(recorder, keys, out, arguments.speaker, takes)
        try:
            session.run()
        finally:
            done = total - len(missing_takes(out, arguments.words, arguments.speaker, arguments.each))
            further = "" if done == total else "; run the same command to continue"
            print(f"{done} of {total} recordings are in {printable(out)}{further}")
    return done == total


def keyboard(recording: str | None) -> TextIO:
    """The stream of the user's keys: standard input, or the terminal if standard input is the sound."""
    if recording != "-" and sys.stdin is None:
        raise RecordingError("standard input is closed: no keys can be read; leave it open")
    source: str | int = TERMINAL if recording == "-" else sys.stdin.fileno()
    try:
        return open(source, closefd=isinstance(source, str))
    except OSError as error:
        raise RecordingError("no terminal for the keys; give --device or --input FILE") from error


class RecordingSession:
    """Asks for one word after the other until all are recorded."""

    def __init__(
        self, recorder: WordRecorder, keys: TextIO, out: Path, speaker: str, takes: list[tuple[str, int]]
    ) -> None:
        self.recorder, self.keys, self.out, self.speaker, self.takes = recorder, keys, out, speaker, takes
        self.last: np.ndarray | None = None

    def run(self) -> None:
        place = 0
        while place < len(self.takes):
            word, number = self.takes[place]
            print(f"[{place + 1} of {len(self.takes)}] {word}: ", end="", flush=True)
            line = self.keys.readline()
            key = line.strip().lower()
            if not line or key == "q":
                print("" if line else "end of input")
                return
            if key == "p":
                self.play()
            elif key == "r" and place:
                place -= 1
                self.record(*self.takes[place])
                place += 1
            elif key == "s":
                place += 1
            elif key:
                print(f"  {KEYS}")
            else:
                place += self.record(word, number)

    def record(self, word: str, number: int) -> bool:
        """Record the word and write it; returns whether it was good."""
        from speech_lstm.corpus.own_words import take_path, write_take

        time.sleep(KEY_SECONDS)
        print(f'  say "{word}" … ', end="", flush=True)
        take = self.recorder.next_word()
        if fault := fault_of(take, self.recorder.source.hint):
            print(f"{fault}; again")
            return False
        assert take is not None
        try:
            write_take(take_path(self.out, word, self.speaker, number), take.clip)
        except OutputError:
            print("not written")
            raise
        self.last = take.clip
        print(f"{take.seconds:.2f} s, {take.level:.0f} dBFS")
        return True

    def play(self) -> None:
        """Play the last recording."""
        from speech_lstm.audio.devices import play

        if self.last is None:
            print("  nothing is recorded yet")
            return
        try:
            play(self.last)
        except MicrophoneError as error:
            print(f"  {printable(error)}")


def fault_of(take: Take | None, hint: str) -> str:
    """The fault of a take, or of the input if there is no take; empty for a good one."""
    return take.fault if take is not None else hint or "no word detected"
