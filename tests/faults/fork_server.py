"""A process with everything imported that forks for each command, so that one takes a fraction of a second.

It reads requests, one JSON object a line, from standard input, and answers each by a line. inject.c is preloaded.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CALLS = ("write", "sync", "rename", "open", "allocate")
LONGEST = 120  # seconds of a command
MODULES = """torch.utils.tensorboard optuna.storages._rdb.models alembic.command sqlalchemy.dialects.sqlite onnx
onnxruntime soundfile matplotlib.backends.backend_agg encodings.utf_8_sig
speech_lstm.cli speech_lstm.training.run speech_lstm.study.worker speech_lstm.study.progress speech_lstm.export.files
speech_lstm.streams.writing speech_lstm.streams.replay speech_lstm.streams.report speech_lstm.streams.thresholds
speech_lstm.audio.word_recorder speech_lstm.corpus.archive speech_lstm.recognition.recognizer
speech_lstm.report.plotting speech_lstm.training.figures speech_lstm.model.torch_model"""
SPEED = 10  # of a recording that is played into `record`


def main() -> None:
    library = ctypes.CDLL(None)
    faulthandler.enable()  # a crash in C says where it was called
    for name in MODULES.split():
        importlib.import_module(name)
    hurry()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), library)), flush=True)


def hurry() -> None:
    """Do once what every command would do, and play recordings, press keys and wait in less than real time."""
    from speech_lstm.audio import inputs
    from speech_lstm.commands import record
    from speech_lstm.commands.parser import build_parser
    from speech_lstm.corpus import noise, transfer
    from speech_lstm.export import parity

    build_parser()  # imports all commands
    parity.demo_recordings = cache(parity.demo_recordings)
    parity.demo_recordings()
    noise.generated_noise = cache(noise.generated_noise)
    for seed in (noise.SEED, noise.SEED + 1):
        noise.generated_noise(seed)

    inputs.time = SimpleNamespace(  # type: ignore[assignment]
        monotonic=lambda: SPEED * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / SPEED)
    )
    record.KEY_SECONDS /= SPEED
    transfer.WAITS = (0.0, 0.0, 0.0)


def answer(request: dict[str, Any], library: Any) -> dict[str, Any]:
    """Run a command in a fork: its exit status, negative for a signal, what it printed, and how often it called."""
    place = Path(request["printed"])
    pid = os.fork()
    if not pid:
        run(request, library, place)
    _, status = os.waitpid(pid, 0)
    counts = {name: library.faults_count(number) for number, name in enumerate(CALLS)}
    printed = {name: place.with_suffix(f".{name}").read_text(errors="backslashreplace") for name in ("out", "err")}
    return {"status": os.waitstatus_to_exitcode(status), "counts": counts, **printed}


def run(request: dict[str, Any], library: Any, place: Path) -> None:
    """In the fork: the command, with the fault that is asked for."""
    status = 1
    try:
        signal.alarm(LONGEST)
        keys = place.with_suffix(".in")
        keys.write_text(request["keys"])
        for descriptor, file in ((0, keys.open()), (1, place.with_suffix(".out").open("w"))):
            os.dup2(file.fileno(), descriptor)
        with place.with_suffix(".err").open("w") as errors:
            os.dup2(errors.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        from speech_lstm.cli import main as command

        call, n = CALLS.index(request["call"]), request["n"]
        library.faults_arm(call, ctypes.c_long(n), request["error"], request["stays"], request["folder"].encode())
        command(request["words"])
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        library.faults_disarm()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
