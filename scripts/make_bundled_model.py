"""Make the forms of a bundled model: checkpoints/NAME.safetensors, NAME.onnx and, for the page, NAME.pack.
A network of one direction gets NAME.stream.onnx too, which carries its state from frame to frame.

    python scripts/make_bundled_model.py [NAME] [--model FILE] [--data DIR]

The ONNX form is the export in 8 bits, which `speech_lstm.load()` uses. Run this whenever the model, its thresholds
or the export changes. With --model, that file becomes the bundled model, without the folders of its training. With
--data, the export must not lose accuracy on the testing split of that corpus. A new model needs a card,
checkpoints/NAME.md, with the front matter of the others: only then it is found by its name.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

from speech_lstm.config import split_names
from speech_lstm.export.files import export
from speech_lstm.files import atomic_path
from speech_lstm.model.bundled import DEFAULT
from speech_lstm.model.checkpoint import Model, load_model, save_model
from speech_lstm.recognition.recognizer import one_thread
from speech_lstm.web.pack import pack
from speech_lstm.web.site import SUFFIX

PATHS = (
    ("corpus", "extra"),
    ("corpus", "speech"),
    ("corpus", "leave_out"),
    ("training", "start"),
    ("training", "teachers"),
    ("training", "embedder"),
)
FOLDER = Path(__file__).parents[1] / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default=DEFAULT, metavar="NAME", help="(%(default)s)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="the model to bundle (the current one)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a corpus to compare the accuracy on")
    options = parser.parse_args()
    one_thread()
    file = FOLDER / f"{options.name}.safetensors"
    model = without_folders(load_model(options.model or file))
    streaming = not model.config.bidirectional
    print(export(model, file.with_suffix(".onnx"), int8=True, streaming=streaming, data=options.data))
    with atomic_path(file.with_suffix(SUFFIX)) as temporary:
        temporary.write_bytes(pack(model, options.name))
    if options.model:
        save_model(file, model)


def without_folders(model: Model) -> Model:
    """The model with the names alone of what it was trained with: the folders of a machine concern nobody else."""
    config = copy.deepcopy(model.training.get("config", {}))
    for part, name in PATHS:
        if paths := split_names(config.get(part, {}).get(name, "")):
            config[part][name] = ",".join(Path(path).name for path in paths)
    return replace(model, training={**model.training, "config": config})


if __name__ == "__main__":
    main()
