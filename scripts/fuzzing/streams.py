"""Streams: odd bytes in odd blocks on the standard input of `listen`, in this process and sometimes in a real one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NoReturn

import numpy as np

from fuzzing.command import checked, command
from fuzzing.kind import ROOT, Fault, Kind
from fuzzing.mutation import INTEGERS, mutate
from fuzzing.recordings import WORDS, encoded, extreme, speech

REAL_SHARE = 0.03  # of the cases, which take a second each
SECONDS = 120.0  # for a real process, on cores that others may use too
LONGEST = 1 << 18  # bytes: at 1 kHz minutes of sound, which are heard in seconds
BLOCKS = (1, 2, 3, 7, 100, 1_600, 3_200, 4_096, 65_536, 1 << 20)  # bytes


class Streams(Kind):
    """Standard input of `listen`. A case is a line of JSON, how it is sent, and the bytes that are sent."""

    suffix = ".stream"
    modules = ("speech_lstm.live.listening", "speech_lstm.live.lines", "speech_lstm.recognition.recognizer")

    @cached_property
    def corpus(self) -> list[bytes]:
        """A WAV stream as programs write it, with and without a length, and raw samples."""
        sound = np.concatenate([speech(word) for word in WORDS])
        wav = encoded(sound, 16_000, "WAV", "PCM_16")
        endless = bytearray(wav)
        endless[4:8] = endless[40:44] = b"\xff\xff\xff\xff"
        floats = [encoded(sound, 16_000, container, "FLOAT") for container in ("WAV", "AU")]
        return [wav, bytes(endless), wav[44:], *floats]

    def case(self, random: Random) -> bytes:
        how = {"blocks": random.choice(BLOCKS), "flags": ["--auto-level", random.choice(("true", "false"))]}
        how["times"] = random.choice((1, 1, 1, 3))
        how["real"] = random.random() < REAL_SHARE
        sound = random.choice(self.corpus)
        match random.randrange(6):
            case 0:
                sound = extreme(random)
            case 1:
                sound = random.randbytes(random.choice((0, 1, 43, 44, 45, 5_000, 100_000)))
            case 2:
                pass
            case _:
                sound = mutate(sound, self.corpus, random)
        if random.random() < 0.3:
            rate = random.choice((8_000, 16_000, 44_100, 1, 999, 999_999, *INTEGERS))
            how["flags"] += ["--raw", str(rate)]
        return json.dumps(how).encode() + b"\n" + sound[:LONGEST]

    def run(self, content: bytes, folder: Path) -> None:
        line, _, sound = content.partition(b"\n")
        try:
            how = json.loads(line)
            words = ["listen", "--input", "-", "--jsonl", *map(str, how["flags"])]
            blocks, times = max(1, int(how["blocks"])), min(3, int(how["times"]))
        except (ValueError, KeyError, TypeError):  # a case that was made too short
            return
        send = real if how.get("real") else inside
        for row in send(words, sound * times, blocks).splitlines():
            json.loads(row, parse_constant=not_json)


def not_json(text: str) -> NoReturn:
    raise Fault("wrong", f"{text} in a line of JSON")


def inside(words: list[str], sound: bytes, blocks: int) -> str:
    """The output of the command in this process; a thread writes to a pipe."""
    reader, writer = os.pipe()
    before, ended = set(threading.enumerate()), threading.Event()
    threading.Thread(target=write, args=(writer, sound, blocks, ended)).start()
    with os.fdopen(reader, "rb") as pipe:
        try:
            return command(words, pipe)
        finally:
            ended.set()
            for thread in set(threading.enumerate()) - before:  # one may still read from the pipe
                thread.join()


def write(descriptor: int, sound: bytes, blocks: int, ended: threading.Event) -> None:
    """Write the sound in blocks until it or the command is at its end."""
    os.set_blocking(descriptor, False)
    rest = memoryview(sound)
    try:
        while rest and not ended.is_set():
            if select.select([], [descriptor], [], 0.05)[1]:
                rest = rest[os.write(descriptor, rest[: max(blocks, len(sound) // 2_000)]) :]
    except OSError:  # nobody reads any more
        pass
    finally:
        os.close(descriptor)


def real(words: list[str], sound: bytes, blocks: int) -> str:
    """The output of the command in a process of its own, which may crash while it ends."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "SPEECH_LSTM_DEBUG": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "speech_lstm", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            output, errors = process.communicate(sound * 3, SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Fault("hang", "a process of its own") from None
    return checked(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))
