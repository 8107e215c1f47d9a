"""Ways to recognise one second of sound, each written as its own users would: for `bench_recognition.py`.

    python scripts/peers.py prepare FOLDER [MODEL]    # the same weights in the form that each way reads
    python scripts/peers.py NAME FOLDER RECORDING     # a cold start: what is heard in one recording

Nothing heavy is imported until a way is made, so that a cold start pays for what it uses alone.
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
Hear = Callable[[Samples], list[str]]  # waveforms [n, RATE] → what each is; "" for nothing


@dataclass(frozen=True)
class Way:
    """A way to recognise, and what it takes."""

    name: str
    title: str
    make: Callable[[Path], Hear]  # from the folder of prepared files
    needs: dict[str, str]  # the modules that it imports, and what pip calls them
    files: Callable[[Path], list[Path]]  # of its model
    command: str | None = None  # the model file for the project's own command line
    told: bool = True  # it was told the eight words; else it listens for others, and only its time compares

    @property
    def missing(self) -> list[str]:
        """What pip would have to install."""
        return [package for module, package in self.needs.items() if importlib.util.find_spec(module) is None]


def main() -> None:
    name, folder, *rest = sys.argv[1:]
    if name == "prepare":
        prepare(Path(folder), Path(rest[0]) if rest else None)
        return
    import soundfile

    samples, _ = soundfile.read(rest[0], dtype="float32")
    (way,) = (way for way in WAYS if way.name == name)
    (heard,) = way.make(Path(folder))(np.pad(samples[:RATE], (0, max(0, RATE - len(samples))))[None])
    print(heard)


def prepare(folder: Path, file: Path | None) -> None:
    """The same weights as a model file, as ONNX files and for the network that is written plainly."""
    import torch

    from speech_lstm.audio.mfcc import fft_length
    from speech_lstm.checkpoint import save_model
    from speech_lstm.export.graph import Graph
    from speech_lstm.export.model import recording_model, value_info
    from speech_lstm.export.network import Memory, array, write_head, write_stack
    from speech_lstm.recognition.recognizer import load

    model = load(file).model
    config, network, features = model.config, model.network, model.features
    if (config.cell, config.pooling, config.normalise, features.kind) != ("lstm", "attention", "batch", "mfcc"):
        sys.exit("the peers need an LSTM on normalised MFCC with attention, like the model that comes along")
    save_model(folder / "model.safetensors", model)
    (folder / "model.onnx").write_bytes(recording_model(model))
    (folder / "model.int8.onnx").write_bytes(recording_model(model, int8=True))
    normalise = network.normalise
    scale = array(normalise.weight * torch.rsqrt(normalise.variance + normalise.epsilon))
    shift = array(normalise.bias) - array(normalise.mean) * scale
    told = value_info("features", ("batch", "frames", features.size))
    with torch.no_grad():
        alone = Graph()
        hidden = write_stack(alone, alone("Add", alone("Mul", "features", scale), shift), network.stack, Memory())
        proto = alone.model("network", [told], [value_info(write_head(alone, hidden, network), ("batch", None))], {})
        (folder / "network.onnx").write_bytes(proto.SerializeToString())
        layers = Graph(int8=True)
        hidden = value_info(write_stack(layers, "features", network.stack, Memory()), ("batch", "frames", None))
        (folder / "layers.int8.onnx").write_bytes(layers.model("layers", [told], [hidden], {}).SerializeToString())
    weights = {f"lstm.{name}": value for name, value in lstm_weights(network.stack)}
    weights |= {f"attention.{name}": value for name, value in network.pooling.score.state_dict().items()}
    weights |= {f"head.{name}": value for name, value in network.head.state_dict().items()}
    torch.save(weights | {"scale": torch.from_numpy(scale), "shift": torch.from_numpy(shift)}, folder / "plain.pt")
    facts = {
        "labels": list(model.labels),
        "size": features.size,
        "hidden": config.layer_sizes[0],
        "layers": network.stack.depth,
        "heads": config.heads,
        "bidirectional": config.bidirectional,
        "mels": features.mels,
        "low": features.low_hz,
        "high": features.high_hz,
        "window": features.window,
        "hop": features.hop,
        "fft": fft_length(features),
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def lstm_weights(stack: Any) -> Any:
    """The weights of a stack of LSTM by the names that torch.nn.LSTM gives them."""
    for i in range(stack.depth):
        layer = stack.layer(i)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for j, weight in enumerate(layer.torch_weights()):
            yield f"{kinds[j % 4]}_l{i}{'_reverse' if j >= 4 else ''}", weight.detach().clone()


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text("utf-8"))
    return facts


# --- this project ------------------------------------------------------------------------------------------------


def ours(name: str) -> Callable[[Path], Hear]:
    """As README.md shows it."""

    def make(folder: Path) -> Hear:
        import speech_lstm

        model = speech_lstm.load(folder / name)
        return lambda waveforms: [answer.label for answer in model.classify(list(waveforms), RATE)]

    return make


# --- the same network, by hand ------------------------------------------------------------------------------------


def plain_torch(folder: Path) -> Hear:
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
    def hear(waveforms: Samples) -> list[str]:
        return [facts["labels"][i] for i in model(torch.from_numpy(waveforms)).argmax(1).tolist()]

    return hear


def librosa_onnx(folder: Path) -> Hear:
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

    def hear(waveforms: Samples) -> list[str]:
        (logits,) = session.run(None, {"features": features(waveforms)})
        return [facts["labels"][i] for i in logits.argmax(1)]

    return hear


def layers_alone(folder: Path) -> Hear:
    """The recurrent layers of this project in ONNX Runtime with 8 bits, on features of nothing: the yardstick."""
    facts, session = facts_of(folder), open_alone(folder / "layers.int8.onnx")
    frames = 1 + (RATE - facts["window"]) // facts["hop"]
    features = np.random.default_rng(0).standard_normal((64, frames, facts["size"])).astype(np.float32)

    def hear(waveforms: Samples) -> list[str]:
        session.run(None, {"features": features[: len(waveforms)]})
        return [""] * len(waveforms)

    return hear


def open_alone(file: Path) -> Any:
    """A session on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options)


# --- others ------------------------------------------------------------------------------------------------------


def as_int16(waveform: Samples) -> bytes:
    return np.rint(waveform * 32767).astype(np.int16).tobytes()


def pocketsphinx(folder: Path) -> Hear:
    """Its own English model, and a grammar of the eight words."""
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <word> = {' | '.join(WORDS)};")
    decoder.activate_search("words")

    def hear(waveforms: Samples) -> list[str]:
        answers = []
        for waveform in waveforms:
            decoder.start_utt()
            decoder.process_raw(as_int16(waveform), full_utt=True)
            decoder.end_utt()
            answers.append(found.hypstr if (found := decoder.hyp()) else "")
        return answers

    return hear


def pocketsphinx_files(_: Path) -> list[Path]:
    from pocketsphinx import get_model_path

    return [Path(get_model_path("en-us/en-us")), Path(get_model_path("en-us/cmudict-en-us.dict"))]


def micro_wake_word(folder: Path) -> Hear:
    """A network of its own for one phrase; it has none for these words."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    model, features = MicroWakeWord.from_builtin(Model.OKAY_NABU), MicroWakeWordFeatures()

    def hear(waveforms: Samples) -> list[str]:
        answers = []
        for waveform in waveforms:
            found = [model.process_streaming(each) for each in features.process_streaming(as_int16(waveform))]
            answers.append("okay nabu" if any(found) else "")
            model.reset()
            features.reset()
        return answers

    return hear


def open_wake_word(folder: Path) -> Hear:
    """A network that is shared by all phrases, and one for one phrase; it has none for these words."""
    from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

    model, features = OpenWakeWord.from_builtin(Model.OKAY_NABU), OpenWakeWordFeatures.from_builtin()

    def hear(waveforms: Samples) -> list[str]:
        answers = []
        for waveform in waveforms:
            found = [
                share > 0.5
                for each in features.process_streaming(as_int16(waveform))
                for share in model.process_streaming(each)
            ]
            answers.append("okay nabu" if any(found) else "")
            model.reset()
            features.reset()
        return answers

    return hear


def inside(package: str, *names: str) -> Callable[[Path], list[Path]]:
    """Files that a package brings along."""

    def found(_: Path) -> list[Path]:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        return [Path(spec.origin).parent / name for name in names]

    return found


def made(*names: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [folder / name for name in names]


ORT = {"onnxruntime": "onnxruntime"}
SPOTTERS = "models/okay_nabu.tflite", "models/embedding_model.tflite", "models/melspectrogram.tflite"
YARDSTICK = Way("layers", "the recurrent layers alone, int8", layers_alone, ORT, made("layers.int8.onnx"), told=False)
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
        inside("pymicro_wakeword", SPOTTERS[0]),
        told=False,
    ),
    Way(
        "openwakeword",
        "pyopen-wakeword",
        open_wake_word,
        {"pyopen_wakeword": "pyopen-wakeword"},
        inside("pyopen_wakeword", *SPOTTERS),
        told=False,
    ),
)

if __name__ == "__main__":
    main()
