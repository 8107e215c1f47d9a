"""Sort what `listen --keep` kept, by ear.

Each second is played, and a key says what it is: w the word that the model took it for, a number another word, u
other speech, n noise, d deletes it, p plays it again, s skips it, q ends. What is sorted is moved to a folder of its
name in DIR, from which `teach --also DIR` learns. The same command continues where it ended.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from speech_lstm.errors import ConfigError, CorpusError, MicrophoneError, MissingPackageError, printable

KEYS = "w its word, 1 … another word, u other speech, n noise, d delete, p play again, s skip, q end"
EXAMPLE = "review kept"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of `listen --keep`")
    parser.add_argument("--silent", action="store_true", help="play nothing; show the sound only")


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.live.keeping import UNSORTED

    folder = arguments.folder
    files = sorted((folder / UNSORTED).glob("*.wav"))
    if not (folder / UNSORTED).is_dir():
        raise ConfigError(f"{printable(folder)}: has no folder {UNSORTED}; `speech-lstm listen --keep DIR` makes one")
    left = len(files)
    for i, file in enumerate(files):
        print(f"[{i + 1} of {len(files)}] {title(file)}")
        show(file)
        target = ask(file, folder, not arguments.silent)
        if target is None:
            break
        left -= target != file
    print(f"{left} left in {printable(folder / UNSORTED)}; then: speech-lstm teach --also {printable(folder)} …")
    return 0


def facts_of(file: Path) -> dict[str, Any]:
    """What was written beside a recording; the least that is needed where that is missing or damaged."""
    try:
        facts = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        scores = {str(word): float(score) for word, score in facts["scores"].items()}
        return {
            "word": str(facts["word"]),
            "fired": bool(facts["fired"]),
            "time": str(facts["time"]),
            "scores": scores,
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"word": file.stem.rpartition("_")[2], "fired": True, "time": "", "scores": {}}


def words_of(file: Path) -> list[str]:
    """The commands that it can be, in the order of their keys."""
    from speech_lstm.config import commands_of

    return list(commands_of(facts_of(file)["scores"]))


def title(file: Path) -> str:
    facts = facts_of(file)
    words = "  ".join(f"{i} {printable(word)}" for i, word in enumerate(words_of(file), 1))
    score = f" {facts['scores'][facts['word']]:.2f}" if facts["word"] in facts["scores"] else ""
    return (
        f"{'' if facts['fired'] else 'nearly '}{printable(facts['word'])}{score}  {printable(facts['time'])}  {words}"
    )


def show(file: Path) -> None:
    """The second as a spectrogram of characters."""
    from speech_lstm.audio.recording import read_recording
    from speech_lstm.live.spectrogram import TerminalSpectrogram

    picture = TerminalSpectrogram()
    picture.update(read_recording(file))
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    for line in picture.lines(20, 4, coloured=False, ascii_only=not unicode):
        print(f"  {line}")


def ask(file: Path, folder: Path, aloud: bool) -> Path | None:
    """Play a recording, and put it where the user says; its new place, or None to end."""
    from speech_lstm.config import SILENCE, UNKNOWN

    if aloud:
        play(file)
    words = {"w": facts_of(file)["word"]} | {str(i): word for i, word in enumerate(words_of(file), 1)}
    names = {key: word for key, word in words.items() if is_word(word)} | {"u": UNKNOWN, "n": SILENCE}
    while True:
        print("? ", end="", flush=True)
        line = sys.stdin.readline()
        key = line.strip().lower()
        if not line or key == "q":
            return None
        if key == "s":
            return file
        if key == "p":
            play(file)
        elif key == "d":
            return remove(file)
        elif key in names:
            return move(file, folder / names[key])
        else:
            print(f"  {KEYS}")


def is_word(name: str) -> bool:
    """Whether a name, which comes from a file, can be that of a word's folder."""
    from speech_lstm.corpus.own_words import check_word

    try:
        check_word(name)
    except CorpusError:
        return False
    return True


def play(file: Path) -> None:
    """Play a recording, where that is possible."""
    from speech_lstm.audio.devices import play
    from speech_lstm.audio.recording import read_recording

    try:
        play(read_recording(file))
    except (MicrophoneError, MissingPackageError) as error:
        print(f"  {printable(error)}")


def move(file: Path, folder: Path) -> Path:
    """Put a recording and its facts into another folder; raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in (file.with_suffix(".json"), file):
            if part.exists():
                part.replace(folder / part.name)
    except OSError as error:
        from speech_lstm.files import reason

        raise ConfigError(
            f"{printable(folder)}: cannot be written to ({reason(error)}); change its permissions"
        ) from None
    return folder / file.name


def remove(file: Path) -> Path:
    """Delete a recording and its facts; returns a place where it is not."""
    from speech_lstm.files import discard

    discard(file.with_suffix(".json"))
    discard(file)
    return file.parent.parent / file.name
