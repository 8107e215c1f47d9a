"""Ways to listen on one core, each in a process of its own: for `bench_devices.py`.

    python scripts/listeners.py WAY [MODEL] < SAMPLES

reads 16-bit samples at 16 kHz and prints the processor time of listening, in seconds, without the start. Of the other
programs that is what their own C++ takes: front end and network, as often as their packages run them, without the
Python around it.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

BLOCK = 1600  # samples
Listen = Callable[[np.ndarray], None]  # to int16 [samples]
PACKAGES = {  # ways of other programs → their package of PyPI, and what their network recognises
    "microWakeWord": ("pymicro-wakeword", "okay_nabu"),
    "openWakeWord": ("pyopen-wakeword", "okay_nabu"),
}


def missing(way: str) -> str:
    """The package that is needed and not installed, or nothing."""
    package, _ = PACKAGES.get(way, ("numpy", ""))
    return "" if importlib.util.find_spec(package.replace("-", "_")) else package


def ours(model: str) -> Listen:
    """A model of this project, frame by frame if its file has that form, without voice activity detection."""
    from speech_lstm.recognition.recognizer import load

    stream = load(model).stream(gated=False)

    def listen(samples: np.ndarray) -> None:
        for start in range(0, len(samples), BLOCK):
            stream(samples[start : start + BLOCK] / np.float32(32768))

    return listen


def micro_wake_word() -> Listen:
    """Features of every 10 ms by the front end of TensorFlow Lite Micro, a network of 8 bits every 30 ms."""
    from pymicro_features import MicroFrontend
    from pymicro_wakeword import MicroWakeWord, Model

    front_end, model = MicroFrontend(), MicroWakeWord.from_builtin(Model.OKAY_NABU)

    def listen(samples: np.ndarray) -> None:
        for number, start in enumerate(range(0, len(samples), 160)):
            front_end.process_samples(samples[start : start + 160].tobytes())
            if number % model.stride == 0:
                model.lib.TfLiteInterpreterInvoke(model.interpreter)

    return listen


def open_wake_word() -> Listen:
    """Three networks every 80 ms: the mel spectrogram, the embedding, the phrase."""
    from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

    features, model = OpenWakeWordFeatures.from_builtin(), OpenWakeWord.from_builtin(Model.OKAY_NABU)

    def listen(samples: np.ndarray) -> None:
        for _ in range(0, len(samples), 1280):
            for network in (features.mel_interpreter, features.emb_interpreter, model.interpreter):
                model.lib.TfLiteInterpreterInvoke(network)

    return listen


def main() -> None:
    way, *model = sys.argv[1:]
    samples = np.frombuffer(sys.stdin.buffer.read(), np.int16)
    listen = {"ours": ours, "microWakeWord": micro_wake_word, "openWakeWord": open_wake_word}[way](*model)
    begin = time.process_time()
    listen(samples)
    print(time.process_time() - begin)


def network_bytes(way: str) -> int:
    """The size of the networks of another program."""
    package, phrase = PACKAGES[way]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    assert spec is not None
    assert spec.origin is not None
    names = {"microWakeWord": [phrase], "openWakeWord": ["melspectrogram", "embedding_model", phrase]}[way]
    return sum((Path(spec.origin).parent / "models" / f"{name}.tflite").stat().st_size for name in names)


if __name__ == "__main__":
    main()
