"""The Python interface called wrongly in many ways: each call gets an error of the project, in one line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speech_lstm import SpeechLSTMError, load
from speech_lstm.config import SAMPLE_RATE
from speech_lstm.errors import ConfigError, ModelError, RecordingError
from speech_lstm.model.bundled import bundled_model
from speech_lstm.recognition.detector import Detector
from speech_lstm.recognition.recognizer import Recognizer

SECOND = np.zeros(SAMPLE_RATE, np.float32)


class BrokenFile(io.BytesIO):
    """An open file of a library with errors of its own."""

    def read(self, size: int | None = -1) -> bytes:
        raise EOFError("the compressed data\nended")


class Odd:
    """An object that is an array for NumPy, until it is asked."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise KeyError("not today")


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"a.wav"


def recordings(folder: Path) -> dict[str, Any]:
    """What is no recording, whatever its rate."""
    (folder / "text.wav").write_text("no sound")
    (folder / "empty.wav").touch()
    closed = io.BytesIO()
    closed.close()
    dtypes = {str(kind): np.zeros(9, kind) for kind in ("complex64", "O", "U3", "S3", "M8[s]", "bool", "i8", "u2")}
    numbers = {
        f"{type(x)} {i}": x
        for i, x in enumerate((None, 3, 1.5, True, 10**5000, Decimal(1), 1j, Ellipsis, object, print, len))
    }
    loud = {f"{x:g}": np.full(SAMPLE_RATE, x) for x in (np.nan, np.inf, -np.inf, 1e300, 3e38, 1e25, -2e6)}
    return {
        **dtypes,
        **numbers,
        **loud,
        "3-D": np.zeros((2, 2, 2)),
        "0-D": np.float32(0),
        "empty": np.zeros(0),
        "no channel": np.zeros((9, 0)),
        "no frame": np.zeros((0, 2)),
        "transposed": np.zeros((2, SAMPLE_RATE)),
        "records": np.zeros(9, [("a", "f4"), ("b" * 200, "f4")]),
        "dict": {"samples": SECOND},
        "set": {1, 2},
        "bytes": b"RIFF" * 100,
        "generator": (x for x in SECOND[:9]),
        "odd array": Odd(),
        "bytes path": BytesPath(),
        "tensor with gradients": torch.zeros(9, requires_grad=True),
        "tensor of bfloat16": torch.zeros(9, dtype=torch.bfloat16),
        "tensor without values": torch.zeros(9, device="meta"),
        "closed file": closed,
        "broken file": BrokenFile(b"RIFF"),
        "text file": io.StringIO("RIFF"),
        "empty name": "",
        "zero byte": "a\0b.wav",
        "long name": "a" * 5000,
        "missing": folder / "none.wav",
        "folder": folder,
        "text": folder / "text.wav",
        "empty file": str(folder / "empty.wav"),
        "device": "/dev/zero",
        "escape": "\x1b]0;title\x07.wav",
    }


RATES = [None, 0, -1, 999, 10**6, 10**400, -(10**400), 10**5000, True, "16000", b"1", 1j, [16000], Decimal(16000)]
RATES += [float("nan"), float("inf"), -float("inf"), np.array([1, 2]), object(), np.float64("nan")]
FRACTIONS = [
    -0.1,
    1.1,
    10**400,
    float("nan"),
    float("inf"),
    "0.5",
    b"",
    1j,
    [0.5],
    True,
    Decimal("0.5"),
    {},
    object(),
]
STARTS = [-5, 99, 1e300, 10**400, float("nan"), float("inf"), "0", b"", 1j, [0], True, object()]
HOPS = [0, -1, -(10**400), float("nan"), float("inf"), None, "0.1", [0.1], True, 1j, object()]
WINDOWS = [
    None,
    3,
    "x",
    SECOND,
    SECOND[None, :9],
    SECOND[None, None],
    [["a"]],
    [[1], [1, 2]],
    Odd(),
    SECOND[None] + 1e7,
]
BLOCKS = [None, 3, "x", SECOND[None], ["a"], Odd(), SECOND * np.nan, SECOND + 1e7, {}, b"ab", np.zeros(9, complex)]
MODELS = [
    3,
    b"m.onnx",
    "",
    "a\0b.onnx",
    "a\0b",
    "/",
    "none.onnx",
    "none.safetensors",
    "a" * 2000,
    "a" * 300 + ".onnx",
]
MODELS += [1j, [], object(), BytesPath(), "/dev/null"]
WORDS = [3, [], "", "yes,no", ["lights"], [None], [["yes"]], ("yes", "x" * 9000), {"_unknown_"}, "\0", b"no"]
DEVICES = ["", "gpu", "cuda:99", "cpu:x", "meta", "cuda:-1", "xla", 3, -1, None, object(), [], 1.5, "\x1b"]


def calls(model: Recognizer, folder: Path) -> Iterator[tuple[str, type[SpeechLSTMError], Callable[[], Any]]]:
    """Every wrong call with what it is called in a failure, and the error that it shall raise."""

    def each(function: Callable[..., Iterator[Any]]) -> Callable[..., list[Any]]:
        return lambda *arguments, **named: list(function(*arguments, **named))

    ways = {
        "classify": model.classify,
        "batch": lambda one, *rest: model.classify([SECOND, one], *rest),
        "commands": each(model.commands),
        "answers": each(model.answers),
        "look_inside": model.look_inside,
    }
    for way, function in ways.items():
        for name, recording in recordings(folder).items():
            yield f"{way} {name}", RecordingError, lambda f=function, r=recording: f(r, SAMPLE_RATE)
        for rate in RATES:
            yield f"{way} rate {type(rate)}", RecordingError, lambda f=function, r=rate: f(SECOND, r)
        if way not in ("classify", "batch"):
            for several in ([SECOND], (SECOND, SAMPLE_RATE), [], ["a.wav"], [0.0] * 9):
                yield f"{way} list", RecordingError, lambda f=function, s=several: f(s, SAMPLE_RATE)
    for threshold in FRACTIONS:
        for name in ("commands", "answers"):
            yield (
                f"{name} threshold {type(threshold)}",
                ConfigError,
                lambda f=ways[name], t=threshold: f(SECOND, SAMPLE_RATE, threshold=t),
            )
        yield f"Detector {type(threshold)}", ConfigError, lambda t=threshold: Detector(model, t)
    for start in STARTS:
        yield f"start {type(start)}", RecordingError, lambda s=start: model.look_inside(SECOND, SAMPLE_RATE, s)
    for hop in HOPS:
        yield f"hop {type(hop)}", ConfigError, lambda h=hop: model.stream(h)
        yield f"detector hop {type(hop)}", ConfigError, lambda h=hop: Detector(model, None, h)
    for windows in WINDOWS:
        yield f"posteriors {type(windows)}", RecordingError, lambda w=windows: model.posteriors(w)
        yield f"logits {type(windows)}", RecordingError, lambda w=windows: model.logits(w)
    for block in BLOCKS:
        yield f"block {type(block)}", RecordingError, lambda b=block: Detector(model)(b)
        yield f"stream {type(block)}", RecordingError, lambda b=block: model.stream()(b)
    for path in MODELS:
        yield f"load {str(path)[:20]!r}", ModelError, lambda p=path: load(p)
    for words in WORDS:
        yield f"words {type(words)}", ConfigError, lambda w=words: load(words=w)
    for device in DEVICES:
        yield f"device {device!r}", ConfigError, lambda d=device: load(device=d)
        yield f"device {device!r}", ConfigError, lambda d=device: load(bundled_model(".safetensors"), d)
    for thing in (None, 3, "model", torch.nn.Linear(1, 1), object()):
        yield f"Recognizer {type(thing)}", ModelError, lambda t=thing: Recognizer(t)


@pytest.mark.parametrize("form", [".onnx", ".safetensors"])
def test_a_wrong_call_is_answered_with_an_error_of_the_project(form: str, tmp_path: Path) -> None:
    count, wrong = 0, []
    for name, kind, call in calls(load(bundled_model(form)), tmp_path):
        count += 1
        try:
            result = call()
        except SpeechLSTMError as error:
            message = str(error)
            if not isinstance(error, kind) or not message.isprintable() or not 10 < len(message) < 6000:
                wrong.append(f"{name}: {type(error).__name__}: {message[:300]!r}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {str(error)[:300]!r}")
        else:
            wrong.append(f"{name}: answered {str(result)[:100]}")
    assert not wrong, "\n".join(wrong)
    assert count > 400
