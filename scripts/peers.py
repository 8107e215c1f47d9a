"""Ways to recognise one second of sound, each written as its own users would: for `bench_recognition.py`.

    cd scripts; python -m peers NAME FOLDER RECORDING

is a cold start: the answer of one way to one recording, with the files that `prepare_peers.py` wrote into a folder.
Nothing heavy is imported until a way is made, so a cold start costs only what it uses.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go")
Samples = NDArray[np.float32]
Recognize = Callable[[Samples], list[str]]  # waveforms [n, RATE] → the word of each; "" for none


@dataclass(frozen=True)
class Way:
    """A way to recognise, and what it needs."""

    name: str
    title: str
    make: Callable[[Path], Recognize]  # from the folder of prepared files
    needs: dict[str, str]  # the modules that it imports, and what pip calls them
    files: Callable[[Path], list[Path]]  # of its model
    command: str | None = None  # the model file for the project's own command line
    has_words: bool = True  # it recognises the eight words; else it recognises others, and only its time compares

    @property
    def missing(self) -> list[str]:
        """The packages that pip would have to install."""
        return [package for module, package in self.needs.items() if importlib.util.find_spec(module) is None]


def main() -> None:
    import soundfile

    name, folder, recording = sys.argv[1:]
    samples, _ = soundfile.read(recording, dtype="float32")
    (way,) = (way for way in WAYS if way.name == name)
    (answer,) = way.make(Path(folder))(np.pad(samples[:RATE], (0, max(0, RATE - len(samples))))[None])
    print(answer)


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text("utf-8"))
    return facts


# --- this project ------------------------------------------------------------------------------------------------


def ours(name: str) -> Callable[[Path], Recognize]:
    """As README.md shows it."""

    def make(folder: Path) -> Recognize:
        import speech_lstm

        model = speech_lstm.load(folder / name)
        return lambda waveforms: [answer.label for answer in model.classify(list(waveforms), RATE)]

    return make


# --- the same network, by hand ------------------------------------------------------------------------------------


def plain_torch(folder: Path) -> Recognize:
    """torchaudio's MFCC and torch.nn.LSTM."""
    import torch
    import torchaudio

    facts = facts_of(folder)
    torch.set_num_threads(1)

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            missing = facts["fft"] - facts["window"]  # torch puts the window in the middle of a transform
            self.mfcc = torchaudio.transforms.MFCC(
                RATE,
                facts["size"],
                log_mels=True,
                melkwargs={
                    "n_fft": facts["fft"],
                    "win_length": facts["window"],
                    "hop_length": facts["hop"],
                    "n_mels": facts["mels"],
                    "f_min": facts["low"],
                    "f_max": facts["high"],
                    "center": False,
                    "pad": missing // 2,
                },
            )
            self.lstm = torch.nn.LSTM(
                facts["size"],
                facts["hidden"],
                facts["layers"],
                batch_first=True,
                bidirectional=facts["bidirectional"],
            )
            size = facts["hidden"] * (1 + facts["bidirectional"])
            self.attention = torch.nn.Linear(size, facts["heads"])
            self.head = torch.nn.Linear(size * facts["heads"], len(facts["labels"]))
            self.scale = torch.nn.Parameter(torch.zeros(facts["size"]))
            self.shift = torch.nn.Parameter(torch.zeros(facts["size"]))

        def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
            hidden, _ = self.lstm(self.mfcc(waveforms).transpose(1, 2) * self.scale + self.shift)
            shares = self.attention(hidden).softmax(1)
            logits: torch.Tensor = self.head((shares.transpose(1, 2) @ hidden).flatten(1))
            return logits

    model = Plain().eval()
    model.load_state_dict(torch.load(folder / "plain.pt"), strict=False)  # the front end has constants of its own

    @torch.inference_mode()
    def recognize(waveforms: Samples) -> list[str]:
        return [facts["labels"][i] for i in model(torch.from_numpy(waveforms)).argmax(1).tolist()]

    return recognize


def librosa_onnx(folder: Path) -> Recognize:
    """librosa's MFCC, and the network alone in ONNX Runtime."""
    import librosa

    facts = facts_of(folder)
    session = open_alone(folder / "network.onnx")
    missing = facts["fft"] - facts["window"]  # librosa puts the window in the middle of a transform

    def features(waveforms: Samples) -> Samples:
        mel = librosa.feature.melspectrogram(
            y=np.pad(waveforms, ((0, 0), (missing // 2, missing // 2))),
            sr=RATE,
            n_fft=facts["fft"],
            win_length=facts["window"],
            hop_length=facts["hop"],
            center=False,
            n_mels=facts["mels"],
            fmin=facts["low"],
            fmax=facts["high"],
            htk=True,
            norm=None,
        )
        mfcc: Samples = librosa.feature.mfcc(S=np.log(mel + 1e-6), n_mfcc=facts["size"])
        return np.ascontiguousarray(mfcc.swapaxes(1, 2), np.float32)

    def recognize(waveforms: Samples) -> list[str]:
        (logits,) = session.run(None, {"features": features(waveforms)})
        return [facts["labels"][i] for i in logits.argmax(1)]

    return recognize


def layers_alone(folder: Path) -> Recognize:
    """The recurrent layers of this project in ONNX Runtime with 8 bits, on features of nothing: the yardstick."""
    facts, session = facts_of(folder), open_alone(folder / "layers.int8.onnx")
    frames = 1 + (RATE - facts["window"]) // facts["hop"]
    features = np.random.default_rng(0).standard_normal((64, frames, facts["size"])).astype(np.float32)

    def recognize(waveforms: Samples) -> list[str]:
        session.run(None, {"features": features[: len(waveforms)]})
        return [""] * len(waveforms)

    return recognize


def file_alone(folder: Path) -> Recognize:
    """The int8 file of this project in ONNX Runtime, without what the package does before and after."""
    facts, session = facts_of(folder), open_alone(folder / "model.int8.onnx")

    def recognize(waveforms: Samples) -> list[str]:
        (probabilities,) = session.run(["probabilities"], {"waveforms": waveforms})
        return [facts["labels"][i] for i in probabilities.argmax(1)]

    return recognize


def open_alone(file: Path) -> Any:
    """A session on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options)


# --- others ------------------------------------------------------------------------------------------------------


def as_int16(waveform: Samples) -> bytes:
    return np.rint(waveform * 32767).astype(np.int16).tobytes()


def pocketsphinx(folder: Path) -> Recognize:
    """Its own English model, and a grammar of the eight words."""
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <word> = {' | '.join(WORDS)};")
    decoder.activate_search("words")

    def recognize(waveforms: Samples) -> list[str]:
        answers = []
        for waveform in waveforms:
            decoder.start_utt()
            decoder.process_raw(as_int16(waveform), full_utt=True)
            decoder.end_utt()
            answers.append(hypothesis.hypstr if (hypothesis := decoder.hyp()) else "")
        return answers

    return recognize


def pocketsphinx_files(_: Path) -> list[Path]:
    from pocketsphinx import get_model_path

    return [Path(get_model_path("en-us/en-us")), Path(get_model_path("en-us/cmudict-en-us.dict"))]


def micro_wake_word(folder: Path) -> Recognize:
    """A network of its own for one phrase; it has none for these words."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    model, features = MicroWakeWord.from_builtin(Model.OKAY_NABU), MicroWakeWordFeatures()

    def recognize(waveforms: Samples) -> list[str]:
        answers = []
        for waveform in waveforms:
            detections = [model.process_streaming(each) for each in features.process_streaming(as_int16(waveform))]
            answers.append("okay nabu" if any(detections) else "")
            model.reset()
            features.reset()
        return answers

    return recognize


def micro_wake_word_files(_: Path) -> list[Path]:
    import pymicro_wakeword

    return [Path(pymicro_wakeword.__file__).parent / "models" / "okay_nabu.tflite"]


def made(*names: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [folder / name for name in names]


ORT = {"onnxruntime": "onnxruntime"}
YARDSTICK = Way(
    "layers", "the recurrent layers alone, int8", layers_alone, ORT, made("layers.int8.onnx"), has_words=False
)
FILE = Way("file", "the int8 file alone", file_alone, ORT, made("model.int8.onnx"))
WAYS = (
    Way("int8", "**ONNX Runtime, int8**", ours("model.int8.onnx"), ORT, made("model.int8.onnx"), "model.int8.onnx"),
    Way("float32", "**ONNX Runtime, float32**", ours("model.onnx"), ORT, made("model.onnx"), "model.onnx"),
    Way(
        "torch",
        "**torch**",
        ours("model.safetensors"),
        {"torch": "torch", "torchaudio": "torchaudio"},
        made("model.safetensors"),
        "model.safetensors",
    ),
    Way(
        "plain",
        "torch.nn.LSTM, torchaudio's MFCC",
        plain_torch,
        {"torch": "torch", "torchaudio": "torchaudio"},
        made("plain.pt"),
    ),
    Way("librosa", "ONNX Runtime, librosa's MFCC", librosa_onnx, ORT | {"librosa": "librosa"}, made("network.onnx")),
    Way("pocketsphinx", "pocketsphinx", pocketsphinx, {"pocketsphinx": "pocketsphinx"}, pocketsphinx_files),
    Way(
        "microwakeword",
        "pymicro-wakeword",
        micro_wake_word,
        {"pymicro_wakeword": "pymicro-wakeword"},
        micro_wake_word_files,
        has_words=False,
    ),
)

if __name__ == "__main__":
    main()
