"""Training states: a changed state.safetensors in the folder of a run that is resumed."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from functools import cache, cached_property
from pathlib import Path
from random import Random
from unittest.mock import patch

from fuzzing.command import command
from fuzzing.kind import ROOT, Fault, Kind
from fuzzing.recordings import encoded, speech
from fuzzing.tensor_files import changed
from speech_lstm.corpus import noise

STATE = "state.safetensors"
SPEAKERS = 5  # of each word; the first one is scored
CONFIG = """
[features]
mels = 16
coefficients = 8
hop_ms = 25.0
[network]
layers = 1
hidden = 4
bidirectional = false
[augment]
speed = 0.0
noise = 0.0
[corpus]
labels = "yes,no"
unknown = 0.0
silence = 0.0
[training]
epochs = 2
batch = 8
precision = "float32"
"""


class States(Kind):
    """Runs that are resumed from a damaged state."""

    suffix = ".safetensors"
    modules = ("speech_lstm.training.run", "speech_lstm.report.plotting", "torch.utils.tensorboard")

    def __init__(self) -> None:
        noise.generated_noise = cache(noise.generated_noise)  # a second of each run otherwise
        self.home = tempfile.TemporaryDirectory(prefix="speech-lstm-fuzz-")

    @cached_property
    def folder(self) -> Path:
        """The corpus and the settings, made once."""
        folder = Path(self.home.name)
        for word in ("yes", "no"):
            (folder / "data" / word).mkdir(parents=True)
            for path in sorted((ROOT / "data" / "demo" / word).iterdir())[:SPEAKERS]:
                shutil.copy(path, folder / "data" / word)
        hum = folder / "data" / "_background_noise_" / "noise.wav"  # else long ones are generated
        hum.parent.mkdir()
        hum.write_bytes(encoded(speech("yes"), 16_000, "WAV", "PCM_16"))
        names = sorted(path.relative_to(folder / "data").as_posix() for path in folder.glob("data/[ny]*/*"))
        (folder / "data" / "validation_list.txt").write_text("".join(f"{name}\n" for name in names[::SPEAKERS]))
        (folder / "data" / "testing_list.txt").write_text("")
        (folder / "tiny.toml").write_text(CONFIG)
        return folder

    @cached_property
    def corpus(self) -> list[bytes]:
        """The states after the first epoch and after the last."""
        from speech_lstm.training.state import State

        states, save = [], State.save

        def kept(state: State, path: Path) -> None:
            save(state, path)
            states.append(path.read_bytes())

        with patch.object(State, "save", kept):
            command(self.words(self.folder / "made"))
        return states

    def words(self, out: Path) -> list[str]:
        places = {"--config": "tiny.toml", "--data": "data"}
        flags = [word for flag, name in places.items() for word in (flag, str(self.folder / name))]
        return ["train", *flags, "--out", str(out)]

    def case(self, random: Random) -> bytes:
        return changed(random.choice(self.corpus), self.corpus, random)

    def run(self, content: bytes, folder: Path) -> None:
        out = folder / "run"
        out.mkdir()
        shutil.copy(self.folder / "tiny.toml", out / "config.toml")
        (out / STATE).write_bytes(content)
        command([*self.words(out), "--resume"])
        history = json.loads((out / "summary.json").read_text())["history"]
        for entry in history:
            if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in entry.values()):
                raise Fault("wrong", "a history that is not of numbers")
