"""An input for the fuzzer whose content says what goes wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

from fuzzing.kind import Fault, Kind

from speech_lstm.errors import RecordingError


class FaultyKind(Kind):
    suffix = ".txt"
    modules = ()

    def case(self, random: Random) -> bytes:
        return b"%d" % random.randrange(1000)

    def run(self, content: bytes, folder: Path) -> None:
        assert not list(folder.iterdir())
        (folder / "case").write_bytes(content)
        if b"crash" in content:
            os.abort()
        if b"hang" in content:
            time.sleep(60)
        if b"large" in content:
            self.ballast = b"x" * 1_300_000_000
            time.sleep(60)
        if b"wrong" in content:
            raise Fault("wrong", "NaN")
        if b"printed" in content:
            os.write(2, b"\x1b[31m\n")
        if b"line" in content:
            raise RecordingError("a\nb")
        if b"refused" in content:
            raise RecordingError("it is damaged")
        if b"bug" in content:
            raise ValueError("any")
