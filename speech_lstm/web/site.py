"""The files of the page: its own, the models as it reads them, and sounds to begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from speech_lstm.errors import ModelError, printable, require
from speech_lstm.files import atomic_path, reason, to_json
from speech_lstm.insight.sheet import STYLE
from speech_lstm.model.bundled import DEFAULT, find_model, folder
from speech_lstm.report.czech import PHRASES, TEXTS

SUFFIX = ".pack"  # of a model in the form that the page reads
CELLS = "cells"  # the folder of the small models in the folder of the bundled ones
SOUNDS = "sounds"  # the folder of the sounds
VOICE = "7a254b5f_nohash_0.wav"  # of data/demo, which these sounds are from
WORDS = ("stop", "yes", "no", "up", "down", "left", "right", "go")
BINARY = "application/octet-stream"
KINDS = {  # of files by their suffixes; any other is BINARY
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wav": "audio/wav",
}


@dataclass(frozen=True)
class PackedModel:
    """A model in the form that the page reads."""

    key: str  # names it in the address of the page
    name: str
    content: bytes


def carried(key: str, name: str, path: Path) -> PackedModel:
    """A model that was packed before; raises ModelError if its file cannot be read."""
    try:
        return PackedModel(key, name, path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({reason(error)}); reinstall speech-lstm") from None


def small_models() -> list[PackedModel]:
    """The small models of several cells, which the page compares."""
    files = sorted((folder() / CELLS).glob(f"*{SUFFIX}"))
    return [carried(path.stem, path.stem, path) for path in files]


def packed(model: str) -> PackedModel:
    """A bundled model, or a model file, which needs torch and onnx; raises ModelError and ConfigError."""
    path = find_model(model, SUFFIX)
    if path.suffix == SUFFIX:
        return carried(path.stem, path.stem, path)
    if path.suffix == ".onnx":
        raise ModelError(f"{printable(model)}: the page shows the inside of a model; name its .safetensors file")
    require("onnx")
    from speech_lstm.model.checkpoint import load_model
    from speech_lstm.web.pack import pack

    return PackedModel(path.stem, path.name, pack(load_model(path), path.name))


def models_of(chosen: Sequence[str]) -> list[PackedModel]:
    """The models that are asked for, or the default one, and the small ones; each with a key of its own."""
    models: dict[str, PackedModel] = {}
    for model in [*map(packed, chosen or [DEFAULT]), *small_models()]:
        key, number = model.key, 2
        while key in models:
            key, number = f"{model.key}-{number}", number + 1
        models[key] = PackedModel(key, model.name, model.content)
    return list(models.values())


def sounds() -> dict[str, bytes]:
    """The sounds by their words."""
    package = Path(__file__).parent
    installed = package / SOUNDS
    place = installed if installed.is_dir() else package.parents[1] / "data" / "demo"
    return {word: (place / word / VOICE).read_bytes() for word in WORDS}


def page_files() -> dict[str, bytes]:
    """The files that the page itself is made of."""
    content = {item.name: item.read_bytes() for item in (files("speech_lstm.web") / "site").iterdir()}
    content["page.css"] += f"\n{STYLE}\n".encode()
    words = to_json({"texts": TEXTS, "phrases": PHRASES}, ensure_ascii=False, indent=0)
    figures = f"// The words of drawings in Czech: report/czech.py.\n\nexport const FIGURES = {words};\n"
    content["figures.js"] = figures.encode()
    return content


def site_files(models: Sequence[PackedModel]) -> dict[str, bytes]:
    """Everything that a web server needs, by its path."""
    content = page_files()
    for model in models:
        content[f"{model.key}{SUFFIX}"] = model.content
    for word, wave in sounds().items():
        content[f"{word}.wav"] = wave
    manifest = {
        "models": [{"key": model.key, "name": model.name, "file": f"{model.key}{SUFFIX}"} for model in models],
        "sounds": [{"id": word, "name": word, "file": f"{word}.wav"} for word in WORDS],
        "start": {},
    }
    return content | {"manifest.json": to_json(manifest).encode()}


def write_site(content: Mapping[str, bytes], out: Path) -> None:
    """Write the files into a folder, which is made if it does not exist; raises OutputError."""
    for name, data in content.items():
        with atomic_path(out / name) as temporary:
            temporary.write_bytes(data)
